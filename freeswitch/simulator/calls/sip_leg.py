"""A leg of mod_sofia with whoever is at its far end: what phone or carrier does to it, by SIP and RTP.

Enters: ringing, answers, refusals, keys, holds, transfers, hang-ups of the far end. Leaves: what the leg makes of
them, with the sip_… variables of mod_sofia. People who act by themselves belong to far_ends/acting.py. Source:
sofia.c, mod_sofia.c.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from urllib.parse import unquote

import gevent

from freeswitch.simulator import causes
from freeswitch.simulator.calls import codecs
from freeswitch.simulator.calls.broadcast import ENDLESS, LEAD_S
from freeswitch.simulator.calls.channel import Channel, Home
from freeswitch.simulator.calls.codecs import OURS, Codecs
from freeswitch.simulator.calls.joining import join
from freeswitch.simulator.calls.keys import PRESSED_SAMPLES, Key
from freeswitch.simulator.calls.parking import park
from freeswitch.simulator.calls.profile import STATES, Profile
from freeswitch.simulator.calls.silence import allowed_silence_ms
from freeswitch.simulator.far_ends.people import Behaviour
from freeswitch.simulator.plan import App


class SipLeg(Channel):
    """A leg between the switch and a phone or carrier."""

    def __init__(self, home: Home, direction: str, profile: Profile, leg: str = "", address: str = "") -> None:
        super().__init__(home, direction, profile, leg, address)
        self.behaviour: Behaviour | None = None
        """How the far end of a dialled leg behaves."""
        self.far_end: gevent.Greenlet[..., None] | None = None
        """Whoever acts there by themselves."""
        self.sofia_profile = "external"
        self.gateway_host = ""
        """Where the gateway is through which it was dialled."""
        self.invited_as = (profile.caller_name, profile.caller_number)
        """The caller's name and number in the From of our INVITE."""
        self._own_display = ""
        self.named_by_us = False
        """Whether its From is ours although it called: a re-INVITE of ours was answered."""
        self.message_s = 3.0
        """How long whoever calls on this leg speaks after the tone."""
        self.calls_itself: tuple[str, str] | None = None
        """Name and number in the P-Asserted-Identity of its response."""
        self.speaks: Codecs = OURS[:1]
        """The codecs that its far end last described, the best first."""

    def hangup(self, cause: str, **disposition: str) -> None:
        """As of every leg; the far end acts no more."""
        super().hangup(cause, **disposition)
        if self.far_end is not None and self.far_end is not gevent.getcurrent():
            self.far_end.kill(block=False)

    def far_ringing(self) -> None:
        """180 from a phone that we dialled."""
        self._heard_response()
        self.progress()

    def _heard_response(self) -> None:
        """A response brings our own From back, read as part of a URI: of 1001%127.0.0.1 a control character is left.
        Source: sofia.c (extract_header_vars).
        """
        name, number = self.invited_as
        self.variables["sip_from_user"] = unquote(number)
        if name:
            self.variables["sip_from_display"] = name
        for name in ("sip_invite_failure_status", "sip_invite_failure_phrase"):
            self.tell_partner(name, "")
        self._came_from()
        self._says_who_it_is()

    def _came_from(self) -> None:
        self.variables.setdefault("sip_call_id", str(uuid.uuid4()))
        if not self.profile.network_addr:
            self.profile = replace(self.profile, network_addr="127.0.0.1")

    def _says_who_it_is(self) -> None:
        """P-Asserted-Identity of a response: whom we called is shown so from now on. Source: sofia_update_callee_id."""
        if self.calls_itself is not None:
            name, number = self.calls_itself
            self.profile = replace(self.profile, callee_name=name, callee_number=number)

    def far_early_media(self) -> None:
        """183 with media from whom we dialled."""
        self._heard_response()
        self.early_media()

    def far_answer(self) -> None:
        """200 from whom we dialled; without a codec in common that is the end of it."""
        self._heard_response()
        if not self._agrees(self._invited_with()):
            self.variables["endpoint_disposition"] = "NO CODECS"
            self.hangup("INCOMPATIBLE_DESTINATION")
            self.goodbye = {"sip_hangup_disposition": "send_bye"}
            return
        self.answer()
        self.changed()

    def _invited_with(self) -> Codecs:
        """The codecs of our INVITE: those that its variables ask for, or that of whom we dial for."""
        if wanted := self.get("absolute_codec_string"):
            return codecs.listed(wanted)
        return (self.bond.codec,) if self.bond is not None and self.bond.has_media else OURS

    def takes_offer(self, theirs: Codecs) -> bool:
        """Whether a caller's codecs leave one to speak."""
        self.speaks = theirs
        if not self._agrees(OURS):
            return False
        self.read_as()
        return True

    def _agrees(self, ours: Codecs) -> bool:
        """Whether there is a codec for it, which it speaks from now on."""
        codec = codecs.agreed(ours, self.speaks)
        if codec and codec != self.codec:
            self.codec = self.read_codec = codec
            if "write_codec" in self.variables:
                self.variables["write_codec"] = codec
        return bool(codec)

    def far_refuse(self, code: int, phrase: str = "", *, reason: str = "", contacts: tuple[str, ...] = ()) -> None:
        """A final SIP response other than 200, such as 486; with the usual phrase if no other is given.

        `reason`: its header of that name; `contacts`: the URIs of a 302.
        """
        if 300 <= code < 400:
            self._redirected(contacts)
            return
        cause, usual = causes.of_sip(code)
        phrase, cause = phrase or usual, self._gives_reason(reason) or cause
        self._came_from()
        self.tell_partner("sip_invite_failure_status", str(code))
        self.tell_partner("sip_invite_failure_phrase", phrase)
        self.hangup(
            cause,
            sip_hangup_disposition="recv_refuse",
            sip_invite_failure_status=str(code),
            sip_invite_failure_phrase=phrase,
            sip_term_status=str(code),
            proto_specific_hangup_cause=f"sip:{code}",
            sip_term_cause=str(causes.Q850[cause]),
        )

    def _gives_reason(self, reason: str) -> str:
        """Notes a header Reason on both legs; the cause that it names, if any. Source: sofia_handle_sip_i_bye."""
        if not reason:
            return ""
        self.variables["sip_reason"] = reason
        self.tell_partner("sip_reason", reason)
        return causes.of_reason(reason)

    def far_hangup(self, *, by_bye: bool = False, reason: str = "") -> None:
        """BYE, or CANCEL of a call that we have not answered; `by_bye`: that one too. `reason`: header of that name."""
        if self.hangup_cause:
            return
        named = self._gives_reason(reason)
        if self.times.answered or by_bye:
            cause = named or "NORMAL_CLEARING"
            self.hangup(
                cause,
                sip_term_status="200",
                proto_specific_hangup_cause="sip:200",
                sip_term_cause=str(causes.Q850[cause]),
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

    def far_digit(self, digit: str, samples: int = PRESSED_SAMPLES) -> None:
        """A key, by RFC 2833, held for so many samples."""
        if not self.blocks_keys and not self._meta_key(digit, from_other=False):
            self.key(Key(digit, samples))

    def heard(self, key: Key) -> None:
        """As of every leg; whom it talks to hears it."""
        other = self.partner
        if not self.bridged.is_set() or other is None:
            super().heard(key)
        elif isinstance(other, SipLeg) and not (self.on_key is not None and self.on_key(key.digit)):
            other._meta_key(key.digit, from_other=True)

    def _meta_key(self, digit: str, *, from_other: bool) -> bool:
        """Whether a key, pressed here or by whom it talks to, belongs to bind_meta_app. Source: meta_on_dtmf."""
        if self.meta_keys is None or self.on_key is not None:
            return False
        swallowed, found = self.meta_keys.press(digit, self.clock.now_us() // 1_000_000, from_other=from_other)
        leg = self if found is not None and found.on_bound_leg(from_other=from_other) else self.partner
        if found is not None and leg is not None:
            leg.broadcast(found.app, lead_s=LEAD_S, holds_other=True)
        return swallowed

    def _redirected(self, contacts: tuple[str, ...]) -> None:
        """302: the switch does not follow it itself; whoever dialled is sent to the user that the first Contact names,
        in its own dialplan, as if it had dialled that. Source: sofia_handle_sip_r_invite.
        """
        other = self.bond if isinstance(self.bond, Channel) and not self.bond.hangup_cause else None
        about = {"sip_redirected_to": f"<{contacts[0]}>"} if contacts else {}
        for number, uri in enumerate(contacts):
            about[f"sip_redirect_contact_user_{number}"] = _user_of(uri)
            about[f"sip_redirect_dialstring_{number}"] = f"sofia/{self.sofia_profile}/{uri}"
        self._came_from()
        self.variables |= about
        if other is not None:
            other.variables |= about
            other.transfer(_user_of(contacts[0]) if contacts else other.profile.destination)
        self.variables["sip_hangup_disposition"] = "recv_refuse"
        self.hangup("REDIRECTION_TO_NEW_DESTINATION")

    # --- hold and transfer -----------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Puts its far end on hold by a re-INVITE; whom it talks to hears music. Source: switch_ivr_hold."""
        if not self.held:
            self.mark_hold(True)
            if self.partner is not None:
                self.partner.broadcast(App("playback", self.hold_music), lead_s=LEAD_S, times=ENDLESS)
            self.answered_re_invite()

    def unhold(self) -> None:
        """Takes its far end off hold. Source: switch_ivr_unhold."""
        if self.held:
            if self.partner is not None:
                self.partner.stop_broadcast()
                self.clock.wait(self.partner.undisturbed, 5.0)
            self.mark_hold(False)

    def takes_sound_again(self) -> None:
        """The answer to the re-INVITE is in."""
        if self.re_invited:
            self.re_invited = False
            self.answered_re_invite()

    def answered_re_invite(self) -> None:
        """A re-INVITE of ours was: it has our From, of a caller the To of theirs. Source: extract_header_vars."""
        own = self.variables
        if self.direction == "inbound" and not self.named_by_us and "sip_to_user" in own:
            self.named_by_us = True
            own["sip_from_user"], own["sip_to_user"] = own["sip_to_user"], own.get("sip_from_user", "")
            self._own_display = str(own.pop("sip_from_display", ""))

    def _named_by_itself(self) -> None:
        """Its own re-INVITE: that of a caller has its name, that of who was called not, as the To of our INVITE."""
        if self.direction == "outbound":
            self.variables.pop("sip_from_display", None)
        elif self._own_display:
            self.variables["sip_from_display"] = self._own_display

    def far_hold(self) -> None:
        """re-INVITE with a=sendonly: whoever talks to this leg hears music. Source: switch_core_media_toggle_hold."""
        if not self.times.answered or self.hangup_cause or self.held:
            return
        self.mark_hold(True)
        self._named_by_itself()
        music = self.hold_music
        if self.partner is not None and music != "silence":
            self.partner.broadcast(App("playback", music), lead_s=LEAD_S, times=ENDLESS, first=True)

    def far_refresh(self) -> None:
        """re-INVITE that holds nothing, as for a session timer or for another codec."""
        self._named_by_itself()
        self._agrees(OURS)

    def far_unhold(self) -> None:
        """re-INVITE with a=sendrecv: takes the call up again, a quarter of a second later."""
        self._named_by_itself()
        if self.held:
            self.home.spawn(self._take_up)

    def _take_up(self) -> None:
        self.clock.sleep(0.25)
        other = self.partner
        if other is not None:
            other.stop_broadcast()
            self.clock.wait(other.undisturbed, 5.0)
        if not self.hangup_cause:
            self.mark_hold(False)

    def far_declines(self, code: str, phrase: str) -> None:
        """A final response other than 200 to a re-INVITE of ours: it is noted, and the call goes on."""
        self.variables["sip_hangup_disposition"] = "recv_refuse"
        for name, value in (("sip_invite_failure_status", code), ("sip_invite_failure_phrase", phrase)):
            self.variables[name] = value
            self.tell_partner(name, value)

    def far_falls_silent(self) -> None:
        """No sound comes any more, as of a phone whose network is gone: in time that ends the leg."""
        self.home.spawn(self._miss_sound)

    def _miss_sound(self) -> None:
        self.clock.sleep(allowed_silence_ms(self.get) / 1000)
        if not self.hangup_cause:
            self.hangup("MEDIA_TIMEOUT")

    def far_refer(self, target: str, *, referred_by: str = "") -> bool:
        """REFER: whoever talks to this leg is sent to `target` (a number, or a whole Refer-To); whether anybody was.

        Source: sofia_handle_sip_i_refer.
        """
        exten = _user_of(target)
        self.variables["transfer_disposition"] = "recv_replace"
        self.variables["transfer_destination"] = f"blind:{exten}"
        other = self.partner
        if other is None or other.hangup_cause:
            self.variables["transfer_to"] = f"blind:{exten}"
            self.variables["endpoint_disposition"] = "ATTENDED_TRANSFER_ERROR"
            return False
        self.variables["transfer_to"] = f"blind:{other.uuid}"
        if referred_by:
            other.variables["sip_h_Referred-By"] = referred_by
        other.variables["sip_refer_to"] = (
            target if "<" in target else f"<sip:{exten}@{self.address.rpartition('@')[2]}>"
        )
        self._hand_over_recordings(other)
        self.variables["endpoint_disposition"] = "BLIND_TRANSFER"
        other.transfer(exten)
        return True

    def far_refer_replaces(self, consult: SipLeg, *, referred_by: str = "") -> bool:
        """REFER with Replaces: whom this leg talks to and whom its second call `consult` talks to meet each other.

        Whether they did; with one of them alone in an application, the other goes there too.
        """
        mine, theirs = self.partner, consult.partner
        self.variables |= {"transfer_disposition": "recv_replace", "refer_uuid": consult.uuid}
        consult.variables["transfer_disposition"] = "replaced"
        rings = consult.bond is not None and theirs is None and consult.bond.direction == "outbound"
        if mine is not None and not mine.hangup_cause and rings:
            return self._hand_over_ringing(consult, mine)
        if mine is None or mine.hangup_cause or theirs is None or theirs.hangup_cause:
            return self._into_application(consult, mine, theirs, referred_by)
        theirs.variables["transfer_disposition"] = "bridge"
        self.variables["transfer_to"] = f"att:{theirs.uuid}"
        self._hand_over_recordings(mine)
        consult._hand_over_recordings(theirs)
        for one in (theirs, mine):
            one.note_transfer(f"att_xfer:{_own_address(self)}/{_own_address(one)}")
        if not join(mine, theirs):
            return False
        consult.variables |= {"endpoint_disposition": "ATTENDED_TRANSFER", "park_timeout": "2:attended_transfer"}
        consult.mark_hold(False)
        consult.state_number = STATES["CS_PARK"]
        consult.then = lambda: park(consult, state="CS_PARK")
        return True

    def _hand_over_ringing(self, consult: SipLeg, mine: Channel) -> bool:
        """The second call still rings: who is kept waiting hears music until it is answered."""
        consult.variables |= {"transfer_to": f"satt:{mine.uuid}", "endpoint_disposition": "ATTENDED_TRANSFER"}
        consult.heir = mine
        self._hand_over_recordings(mine)
        consult._hand_over_recordings(mine)
        mine.transfer(f'm:":endless_playback:{mine.hold_music}"park', "inline")
        ended = {"sip_term_status": "200", "proto_specific_hangup_cause": "sip:200", "sip_term_cause": "16"}
        consult.hangup("NORMAL_CLEARING", **ended)
        return True

    def _into_application(
        self, consult: SipLeg, mine: Channel | None, theirs: Channel | None, referred_by: str
    ) -> bool:
        stays, leaves = (mine, consult) if mine is not None and not mine.hangup_cause else (theirs, self)
        if stays is None or stays.hangup_cause:
            return False
        if referred_by:
            stays.variables["sip_h_Referred-By"] = referred_by
        inline = leaves.get("inline_destination")
        if leaves is self:
            consult.hangup("ATTENDED_TRANSFER")
        leaves._hand_over_recordings(stays)
        if inline:
            stays.transfer(inline, "inline")
        else:
            stays.transfer(leaves.profile.destination)
        leaves.hangup("ATTENDED_TRANSFER")
        return True

    def _hand_over_recordings(self, other: Channel) -> None:
        if self.is_true("recording_follow_transfer"):
            self.move_recordings(other)


def _own_address(leg: Channel) -> str:
    """user@host of who is at the far end."""
    if leg.direction == "inbound":
        theirs = "sip_to_user" if isinstance(leg, SipLeg) and leg.named_by_us else "sip_from_user"
        return f"{leg.get(theirs)}@{leg.get('sip_from_host') or '127.0.0.1'}"
    user, _, host = leg.profile.destination.replace("%", "@", 1).partition("@")
    host = host or leg.profile.channel_name.rpartition("/")[2].partition("@")[2]
    if not host and isinstance(leg, SipLeg):
        host = leg.gateway_host
    return f"{user}@{host.partition(':')[0]}"


def _user_of(target: str) -> str:
    """`<sip:1002@host;…>`, `sip:1002@host` or `1002` -> `1002`."""
    uri = target.partition("<")[2].partition(">")[0] if "<" in target else target
    return uri.removeprefix("sip:").partition("@")[0].partition(";")[0]
