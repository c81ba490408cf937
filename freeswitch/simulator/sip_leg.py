"""A leg of mod_sofia with whoever is at its far end: what phone or carrier does to it, by SIP and RTP.

Enters: ringing, answers, refusals, keys, hang-ups of the far end. Leaves: what the leg makes of them, with the sip_…
variables that mod_sofia sets then. People who act by themselves belong to acting.py. Source: sofia.c, mod_sofia.c.
"""

from __future__ import annotations

import gevent

from freeswitch.simulator import causes
from freeswitch.simulator.channel import Channel, Home
from freeswitch.simulator.people import Behaviour
from freeswitch.simulator.profile import Profile


class SipLeg(Channel):
    """A leg between the switch and a phone or carrier."""

    def __init__(self, home: Home, direction: str, profile: Profile, leg: str = "", presence_id: str = "") -> None:
        super().__init__(home, direction, profile, leg, presence_id)
        self.behaviour: Behaviour | None = None
        """How the far end of a dialled leg behaves."""
        self.far_end: gevent.Greenlet[..., None] | None = None
        """Whoever acts there by themselves."""
        self.message_s = 3.0
        """How long whoever calls on this leg speaks after the tone."""

    def hangup(self, cause: str, **disposition: str) -> None:
        """As of every leg; the far end acts no more."""
        super().hangup(cause, **disposition)
        if self.far_end is not None and self.far_end is not gevent.getcurrent():
            self.far_end.kill(block=False)

    def far_ringing(self) -> None:
        """180 from a phone that we dialled."""
        self.progress()

    def far_early_media(self) -> None:
        """183 with media from whom we dialled."""
        self.early_media()

    def far_answer(self) -> None:
        """200 from whom we dialled."""
        self.answer()
        self.changed()

    def far_refuse(self, code: int) -> None:
        """A final SIP refusal, such as 486."""
        cause, phrase = causes.SIP[code]
        self.hangup(
            cause,
            sip_hangup_disposition="recv_refuse",
            sip_invite_failure_status=str(code),
            sip_invite_failure_phrase=phrase,
            sip_term_status=str(code),
            proto_specific_hangup_cause=f"sip:{code}",
            sip_term_cause=str(causes.Q850[cause]),
        )

    def far_hangup(self) -> None:
        """BYE, or CANCEL of a call that we have not answered."""
        if self.times.answered:
            self.hangup(
                "NORMAL_CLEARING",
                sip_term_status="200",
                proto_specific_hangup_cause="sip:200",
                sip_term_cause="16",
                sip_hangup_disposition="recv_bye",
            )
        else:
            self.hangup(
                "ORIGINATOR_CANCEL",
                sip_hangup_disposition="recv_cancel",
                sip_invite_failure_status="487",
                sip_invite_failure_phrase="CANCEL",
                sip_term_status="487",
                proto_specific_hangup_cause="sip:487",
                sip_term_cause="487",
            )

    def far_digit(self, digit: str) -> None:
        """A key, by RFC 2833."""
        self.fire("DTMF", after={"DTMF-Digit": digit, "DTMF-Duration": "960", "DTMF-Source": "RTP"})
        self.digits.append(digit)
        self.wake.set()
