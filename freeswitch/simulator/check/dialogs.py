"""PURE: the lines of SIP in a trace, brought together into calls: who called whom, and what each far end did in it.

Enters: the lines, and from the events only which leg a call is and when it noted what, because lines name no call.
Leaves: dialogs, in order, keys and REGISTERs with their times. What only events tell is script.py's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from freeswitch.simulator.check.read import Headers, Trace, stamp_us, text

Kind = Literal["ring", "early", "answer", "refuse", "hangup", "hold", "unhold", "refresh", "decline", "refer", "key"]


@dataclass(frozen=True)
class Act:
    """What a far end did on its leg."""

    at_us: int
    """Epoch; of `ring`, `early`, `answer`, `refuse` of a dialled leg: since its INVITE."""
    kind: Kind
    value: str = ""
    """`refuse`, `decline`: the SIP code and its phrase; `key`: the digit; `hangup`: BYE if that is what was sent."""
    samples: int = 960
    """How long a key was held."""


@dataclass
class Dialog:
    """One call of a far end, in the order of what it did."""

    who: str
    number: str
    """The user part of the INVITE's URI."""
    host: str
    at_us: int
    incoming: bool
    """Whether the far end called us."""
    acts: list[Act] = field(default_factory=list)
    cseq: str = ""
    over: bool = False
    refused_once: bool = False
    on_hold: bool = False
    leg: Headers = field(default_factory=dict)
    """Of a call to us: its first event, for what the caller sent."""

    @property
    def rings(self) -> bool:
        """Not answered yet."""
        return not any(act.kind == "answer" for act in self.acts)


KEY_US = 280_000
"""Of several keys in one line, each comes so long after the one before."""
TAKES_EFFECT_US = 1_000_000
"""A re-INVITE that holds, or no longer does, has done so by then."""
HEARD_WITHIN_US = 60_000
"""A leg takes what its far end sent with its next turn of 20 ms; a busy machine makes more of it."""
_REQUEST = re.compile(r"^(\S+) (->|<-) ([A-Z]+) sip:(?:([^@\s]*)@)?([^\s;?]*)(\S*) SIP/2\.0$")
_RESPONSE = re.compile(r"^(\S+) (->|<-) SIP/2\.0 (\d{3}) ?(.*?) ?\((\d+) ([A-Z]+)\)$")
_KEYS = re.compile(r"^(\S+) presses (\S+)$")


@dataclass
class Reader:
    """Follows the lines; one dialog after the other, several per far end where it has several."""

    trace: Trace
    dialogs: list[Dialog] = field(default_factory=list)
    keys: list[tuple[int, str, str]] = field(default_factory=list)
    registers: dict[str, list[int]] = field(default_factory=dict)

    def read(self) -> None:
        for step in self.trace.sip:
            at_us = self.trace.start_us + step.at_us
            if found := _REQUEST.match(step.text):
                who, way, method, user, host, rest = found.groups(default="")
                if method == "REGISTER" and way == "->":
                    self.registers.setdefault(who, []).append(at_us)
                else:
                    self._request(at_us, who, way == "->", method, user, host, rest)
            elif found := _RESPONSE.match(step.text):
                self._response(at_us, *found.groups())
            elif found := _KEYS.match(step.text):
                self.keys += [(at_us + place * KEY_US, found[1], digit) for place, digit in enumerate(found[2])]
        self._reach_nobody()

    def _reach_nobody(self) -> None:
        """INVITEs that reached nobody, as at a port on which nobody listens: no line tells of them, or none of an
        answer, but the leg was refused all the same (by the switch's own transport)."""
        numbers = (text(event, "Caller-Destination-Number") for event in self.trace.events if _is_dialled(event))
        for number in dict.fromkeys(one.partition("%")[0].partition("@")[0] for one in numbers):
            legs = [(leg, self._first(leg)) for leg in self._dialled(number)]
            said = [one for one in self.dialogs if not one.incoming and one.number == number]
            of_leg = _paired([created_us(first) for _, first in legs], [one.at_us for one in said])
            for place, (leg, first) in enumerate(legs):
                dialog = said[of_leg[place]] if place in of_leg else None
                refused = None if dialog is not None and dialog.cseq else self._refused(leg, created_us(first))
                if refused is not None and dialog is None:
                    dialog = Dialog("", number, "", created_us(first), incoming=False)
                    later = (said[of_leg[one]] for one in range(place + 1, len(legs)) if one in of_leg)
                    behind = next(later, None)
                    self.dialogs.insert(self.dialogs.index(behind) if behind else len(self.dialogs), dialog)
                if refused is not None and dialog is not None:
                    dialog.acts.append(refused)

    def _first(self, leg: str) -> Headers:
        return next(event for event in self.trace.events if text(event, "Unique-ID") == leg)

    def _refused(self, leg: str, since_us: int) -> Act | None:
        for event in self.trace.events:
            code = text(event, "variable_sip_term_status")
            if text(event, "Unique-ID") != leg or text(event, "variable_sip_hangup_disposition") != "recv_refuse":
                continue
            if text(event, "Event-Name") in ("CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE") and code:
                phrase = text(event, "variable_sip_invite_failure_phrase")
                return Act(stamp_us(event) - since_us, "refuse", f"{code} {phrase}")
        return None

    def _request(self, at_us: int, who: str, sends: bool, method: str, user: str, host: str, rest: str) -> None:
        if method == "INVITE" and not (sends and self._is_within(who, user, rest)):
            self._invite(at_us, who, sends, user, host)
        elif not sends:
            if method in ("BYE", "CANCEL") and (dialog := self._meant(who, at_us, method, incoming=None, user=user)):
                dialog.over = True
        elif method == "CANCEL" and (dialog := self._meant(who, at_us, method, incoming=True)):
            dialog.acts.append(Act(at_us, "hangup"))
            dialog.over = True
        elif dialog := self._meant(who, at_us, method, incoming=_called_us(user, rest), user=user):
            self._within(dialog, at_us, method)

    def _invite(self, at_us: int, who: str, sends: bool, user: str, host: str) -> None:
        if not sends and self._asked_for_password(who, user):
            return
        if sends and (again := self._last(who, incoming=True)) and again.refused_once and again.number == user:
            # The same call once more, now with the password.
            again.refused_once = False
            again.at_us = at_us
            return
        if not sends and self._last(who, incoming=None) and not self._is_dialled_anew(user):
            # A re-INVITE of ours within a call.
            return
        self.dialogs.append(Dialog(who, user, host, at_us, incoming=sends))

    def _asked_for_password(self, who: str, user: str) -> bool:
        """Whether a call of ours had been refused for want of a password, with which it comes once more: its leg goes
        on meanwhile."""
        asked = [one for one in self.dialogs if one.who == who and one.number == user and not one.incoming]
        last = asked[-1] if asked else None
        if last is None or not last.acts or not last.acts[-1].value.startswith(("401 ", "407 ")):
            return False
        if any(text(event, "variable_sip_term_status") in ("401", "407") for event in self._own(last)):
            return False
        last.acts.pop()
        last.over, last.cseq = False, ""
        return True

    def _is_dialled_anew(self, user: str) -> bool:
        """Whether the events know of more legs to this number than there are dialogs so far."""
        return len(self._dialled(user)) > sum(1 for one in self.dialogs if not one.incoming and one.number == user)

    def _is_within(self, who: str, user: str, rest: str) -> bool:
        """Whether an INVITE of a far end goes to our Contact: hold, or off hold."""
        own = user == "mod_sofia" or user.startswith("gw+") or ";transport=" in rest
        return own and self._last(who, incoming=None) is not None

    def _within(self, dialog: Dialog, at_us: int, method: str) -> None:
        if method == "BYE":
            dialog.acts.append(Act(at_us, "hangup", "BYE"))
            dialog.over = True
        elif method == "INVITE" and not self._turns_hold(dialog, at_us):
            dialog.acts.append(Act(at_us, "refresh"))
        elif method == "INVITE":
            dialog.on_hold = not dialog.on_hold
            dialog.acts.append(Act(at_us, "hold" if dialog.on_hold else "unhold"))
        elif method == "REFER":
            dialog.acts.append(Act(at_us, "refer"))

    def _turns_hold(self, dialog: Dialog, at_us: int) -> bool:
        """Whether a re-INVITE holds the call or takes it up again: no line tells what it describes, the leg does."""
        own = self._own(dialog)
        told = {stamp_us(event) for event in own if text(event, "Event-Name") in ("CHANNEL_HOLD", "CHANNEL_UNHOLD")}
        if not own or (dialog.on_hold and not told):
            return True
        held = (text(event, "Caller-Channel-Last-Hold") for event in own)
        told |= {int(moment) for moment in held if moment.isdecimal()}
        return any(-HEARD_WITHIN_US <= moment_us - at_us <= TAKES_EFFECT_US for moment_us in told)

    def _response(self, at_us: int, who: str, way: str, code: str, phrase: str, cseq: str, method: str) -> None:
        if method == "BYE" and way == "<-":
            self._took_bye(at_us, who)
        if method == "REFER" and way == "<-" and int(code) >= 300:
            self._refused_request(who, "refer")
        if method == "INVITE" and way == "<-" and int(code) >= 300:
            # A re-INVITE for something that the switch does not do, as a fax (488).
            self._refused_request(who, "refresh", since_us=at_us - TAKES_EFFECT_US)
        if method != "INVITE":
            return
        if way == "<-":
            self._ours(who, int(code))
            return
        open_ = [one for one in self.dialogs if one.who == who and not one.incoming and not one.over and one.rings]
        fresh, known = [one for one in open_ if not one.cseq], [one for one in open_ if one.cseq == cseq]
        # Calls that began in the same second may have the same CSeq; the first answer to each is a 100.
        fits = (fresh or known) if code == "100" else (known or fresh)
        act = _answer(int(code), phrase)
        dialog = self._nearest(fits, at_us, act.kind if act else "", otherwise=fits)
        if dialog is None:
            self._declines(at_us, who, int(code), phrase)
            return
        dialog.cseq = cseq
        if act:
            kind = self._sounds_or_rings(dialog, at_us, act.kind) if act.kind in ("ring", "early") else act.kind
            dialog.acts.append(replace(act, kind=kind, at_us=at_us - dialog.at_us))
            dialog.over = act.kind == "refuse"

    def _declines(self, at_us: int, who: str, code: int, phrase: str) -> None:
        """A re-INVITE of ours, as one that holds the call, is refused; the call goes on."""
        talks = self._last(who, incoming=None)
        if talks is not None and (talks.incoming or not talks.rings) and code >= 300 and code != 487:
            talks.acts.append(Act(at_us, "decline", f"{code} {phrase}"))

    def _sounds_or_rings(self, dialog: Dialog, at_us: int, otherwise: Kind) -> Kind:
        """180 and 183 come with sound or without, as the leg notes: a line does not tell whether it describes any."""
        kinds: tuple[Kind, Kind] = ("ring", "early")
        near = [
            (abs(noted_us - at_us), kind)
            for kind in kinds
            for noted_us in self._noted_us(dialog, _NOTED[kind])
            if abs(noted_us - at_us) <= HEARD_WITHIN_US
        ]
        if not near and otherwise == "early" and self._own(dialog):
            # It had no sound, or not for the first time.
            return "ring"
        return min(near)[1] if near else otherwise

    def _took_bye(self, at_us: int, who: str) -> None:
        """We answer a BYE as the leg ends by it: with its own next turn, not when it came (sofia_handle_sip_i_bye)."""
        ended = [
            one for one in self.dialogs if one.who == who and one.over and one.acts and one.acts[-1].kind == "hangup"
        ]
        if ended and 0 <= at_us - ended[-1].acts[-1].at_us <= HEARD_WITHIN_US:
            ended[-1].acts[-1] = replace(ended[-1].acts[-1], at_us=at_us)

    def _refused_request(self, who: str, *kinds: Kind, since_us: int = 0) -> None:
        """Nothing came of it, as where the call was taken from its far end in the same moment (500)."""
        asked = [
            (dialog, act)
            for dialog in self.dialogs
            for act in dialog.acts
            if dialog.who == who and act.kind in kinds and act.at_us >= since_us
        ]
        for dialog, act in asked[-1:]:
            dialog.acts.remove(act)

    def _ours(self, who: str, code: int) -> None:
        dialog = self._last(who, incoming=True)
        if dialog is None or not dialog.incoming:
            # The echo of a CANCEL: of the calls of this far end only those to it go on.
            return
        if code in (401, 407):
            dialog.refused_once = True
        elif code >= 300:
            dialog.over = True

    def _last(self, who: str, *, incoming: bool | None) -> Dialog | None:
        """The newest call of a far end that still goes on; `incoming` None takes either."""
        going = [one for one in self.dialogs if one.who == who and not one.over]
        if incoming is not None:
            going = [one for one in going if one.incoming is incoming] or going
        return going[-1] if going else None

    def _meant(self, who: str, at_us: int, method: str, *, incoming: bool | None, user: str = "") -> Dialog | None:
        """Which of the calls of a far end a request belongs to: the one that ended then, else as its URI names it.

        Theirs go to our Contact, which has the number that they dialled; of ours a Contact of theirs says less.
        """
        going = [one for one in self.dialogs if one.who == who and not one.over]
        if incoming is None:
            going = [one for one in going if not one.incoming] if method == "CANCEL" else going
            alike = [one for one in going if one.number == user and not one.incoming]
        else:
            going = [one for one in going if one.incoming is incoming] or going
            going = [one for one in going if one.incoming or not one.rings] or going
            alike = [one for one in going if incoming and one.number == user]
        return self._nearest(going, at_us, method, otherwise=(alike or going)[-1:])

    def _nearest(
        self, dialogs: Sequence[Dialog], at_us: int, what: str, *, otherwise: Sequence[Dialog]
    ) -> Dialog | None:
        """Of several calls of one far end that whose leg noted this when the line stands there: lines name no call."""
        if len(dialogs) < 2 or what not in _NOTED:
            return next(iter(otherwise), None)
        moments = [(abs(at_us - noted_us), one) for one in dialogs for noted_us in self._noted_us(one, _NOTED[what])]
        return min(moments, key=lambda one: one[0])[1] if moments else next(iter(otherwise), None)

    def _noted_us(self, dialog: Dialog, header: str) -> set[int]:
        """When; `Event-Date-Timestamp` stands for holds, of which a leg may have several."""
        own = self._own(dialog)
        if header == _REFERRED:
            return {stamp_us(event) for event in own if header in event and text(event, header) == "recv_replace"}
        if header == "Event-Date-Timestamp":
            own = [event for event in own if text(event, "Event-Name") in ("CHANNEL_HOLD", "CHANNEL_UNHOLD")]
        return {int(one) for event in own if (one := text(event, header)).isdecimal() and int(one)}

    def _own(self, dialog: Dialog) -> list[Headers]:
        leg = self._leg(dialog)
        return [event for event in self.trace.events if leg and text(event, "Unique-ID") == leg]

    def _leg(self, dialog: Dialog) -> str:
        """Calls of ours in the order in which they were dialled, those of others by when they came."""
        if dialog.incoming:
            came = [(abs(created_us(leg) - dialog.at_us), text(leg, "Unique-ID")) for leg in arrived(self.trace)]
            return min(came, default=(0, ""))[1]
        same = [one for one in self.dialogs if not one.incoming and one.number == dialog.number]
        place, legs = same.index(dialog), self._dialled(dialog.number)
        return legs[place] if place < len(legs) else ""

    def _dialled(self, user: str) -> list[str]:
        """Legs to this number, in order."""
        found: dict[str, None] = {}
        for event in self.trace.events:
            number = text(event, "Caller-Destination-Number").partition("%")[0].partition("@")[0]
            if _is_dialled(event) and number == user:
                found.setdefault(text(event, "Unique-ID"))
        return list(found)


_REFERRED = "variable_transfer_disposition"
_NOTED = {
    "ring": "Caller-Channel-Progress-Time",
    "early": "Caller-Channel-Progress-Media-Time",
    "answer": "Caller-Channel-Answered-Time",
    "refuse": "Caller-Channel-Hangup-Time",
    "BYE": "Caller-Channel-Hangup-Time",
    "INVITE": "Event-Date-Timestamp",
    "CANCEL": "Caller-Channel-Hangup-Time",
    "REFER": _REFERRED,
}
"""What a leg notes of what its far end did."""


def _is_dialled(event: Headers) -> bool:
    return text(event, "Call-Direction") == "outbound"


def _paired(legs_us: Sequence[int], lines_us: Sequence[int]) -> dict[int, int]:
    """Which leg (by place) each line's dialog (by place) is: all in order, or with fewer lines the nearest in time."""
    if len(lines_us) >= len(legs_us):
        return {place: place for place in range(len(legs_us))}
    found: dict[int, int] = {}
    for at, line_us in enumerate(lines_us):
        free = range(max(found, default=-1) + 1, len(legs_us) - (len(lines_us) - at - 1))
        found[min(free, key=lambda place: abs(legs_us[place] - line_us))] = at
    return found


def _called_us(user: str, rest: str) -> bool:
    """Our Contact tells who called: mod_sofia or a gateway where we did, the dialled number where they did."""
    return not (user == "mod_sofia" or user.startswith("gw+"))


def _answer(code: int, phrase: str) -> Act | None:
    """What a response means, at whatever time."""
    if code == 180:
        return Act(0, "ring")
    if code == 183:
        return Act(0, "early")
    if 200 <= code < 300:
        return Act(0, "answer")
    # 487 is the echo of our own CANCEL.
    return Act(0, "refuse", f"{code} {phrase}") if code >= 300 and code != 487 else None


def created_us(leg: Headers) -> int:
    created = text(leg, "Caller-Channel-Created-Time")
    return int(created) if created.isdecimal() and int(created) else stamp_us(leg)


def arrived(trace: Trace) -> Iterator[Headers]:
    """The first event of each leg that came in, in the order in which they came."""
    seen: set[str] = set()
    for event in sorted(trace.events, key=created_us):
        leg = text(event, "Unique-ID")
        if leg and leg not in seen and text(event, "Call-Direction") == "inbound":
            if text(event, "Event-Name") in ("CHANNEL_STATE", "CHANNEL_CALLSTATE"):
                continue
            seen.add(leg)
            yield event


__all__ = ["HEARD_WITHIN_US", "Act", "Dialog", "Reader", "arrived", "created_us"]
