"""PURE: what the far ends did in a trace: who called, how each phone and carrier answered, what they did in the call.

Enters: the lines of SIP, and from the events only what such a line does not carry and the far end gave (its number, its
name, its headers, keys, REFER targets, registrations). Leaves: calls and acts with their times. Nothing that the switch
made of them enters here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal

from freeswitch.simulator.check.read import Headers, Trace, stamp_us, text

Kind = Literal["ring", "early", "answer", "refuse", "hangup", "hold", "unhold", "refer", "key"]


@dataclass(frozen=True)
class Act:
    """What a far end did on its leg."""

    at_us: int
    """Epoch; of `ring`, `early`, `answer`, `refuse` of a dialled leg: since its INVITE."""
    kind: Kind
    value: str = ""
    """`refuse`: the SIP code and its phrase; `key`: the digit."""
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


@dataclass(frozen=True)
class Register:
    """A REGISTER with what sofia told of who sent it."""

    at_us: int
    address: str
    """`1001@domain`."""
    expires_s: int
    """0 signs off."""
    refused: bool
    """The password was wrong."""
    about: Headers
    """Contact, Call-ID, User-Agent … as the phone sent them."""


KEY_US = 280_000
"""Of several keys in one line, each comes so long after the one before."""
BECOMES_A_LEG_US = 1_500_000
"""An INVITE and the leg that it becomes are no further apart, by the two clocks."""
HEARD_WITHIN_US = 60_000
"""A leg takes what its far end sent with its next turn of 20 ms; a busy machine makes more of it."""
TICK_US = 25_000
"""The timer of the switch ticks every 20 ms, and its clock and the recorder's are not the same."""
_REQUEST = re.compile(r"^(\S+) (->|<-) ([A-Z]+) sip:(?:([^@\s]*)@)?([^\s;?]*)(\S*) SIP/2\.0$")
_RESPONSE = re.compile(r"^(\S+) (->|<-) SIP/2\.0 (\d{3}) ?(.*?) ?\((\d+) ([A-Z]+)\)$")
_KEYS = re.compile(r"^(\S+) presses (\S+)$")


@dataclass
class _Reader:
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
        if sends and (again := self._last(who, incoming=True)) and again.refused_once and again.number == user:
            # The same call once more, now with the password.
            again.refused_once = False
            again.at_us = at_us
            return
        if not sends and self._last(who, incoming=None) and not self._is_dialled_anew(user):
            # A re-INVITE of ours within a call.
            return
        self.dialogs.append(Dialog(who, user, host, at_us, incoming=sends))

    def _is_dialled_anew(self, user: str) -> bool:
        """Whether the events know of more legs to this number than there are dialogs so far."""
        return len(self._dialled(user)) > sum(1 for one in self.dialogs if not one.incoming and one.number == user)

    def _is_within(self, who: str, user: str, rest: str) -> bool:
        """Whether an INVITE of a far end goes to our Contact: hold, or off hold."""
        own = user == "mod_sofia" or user.startswith("gw+") or ";transport=" in rest
        return own and self._last(who, incoming=None) is not None

    @staticmethod
    def _within(dialog: Dialog, at_us: int, method: str) -> None:
        if method == "BYE":
            dialog.acts.append(Act(at_us, "hangup"))
            dialog.over = True
        elif method == "INVITE":
            dialog.on_hold = not dialog.on_hold
            dialog.acts.append(Act(at_us, "hold" if dialog.on_hold else "unhold"))
        elif method == "REFER":
            dialog.acts.append(Act(at_us, "refer"))

    def _response(self, at_us: int, who: str, way: str, code: str, phrase: str, cseq: str, method: str) -> None:
        if method == "BYE" and way == "<-":
            self._took_bye(at_us, who)
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
            return
        dialog.cseq = cseq
        if act:
            dialog.acts.append(replace(act, at_us=at_us - dialog.at_us))
            dialog.over = act.kind == "refuse"

    def _took_bye(self, at_us: int, who: str) -> None:
        """We answer a BYE as the leg ends by it: with its own next turn, not when it came (sofia_handle_sip_i_bye)."""
        ended = [
            one for one in self.dialogs if one.who == who and one.over and one.acts and one.acts[-1].kind == "hangup"
        ]
        if ended and 0 <= at_us - ended[-1].acts[-1].at_us <= HEARD_WITHIN_US:
            ended[-1].acts[-1] = replace(ended[-1].acts[-1], at_us=at_us)

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
        leg = self._leg(dialog)
        own = [event for event in self.trace.events if leg and text(event, "Unique-ID") == leg]
        if header == "Event-Date-Timestamp":
            own = [event for event in own if text(event, "Event-Name") in ("CHANNEL_HOLD", "CHANNEL_UNHOLD")]
        return {int(one) for event in own if (one := text(event, header)).isdecimal() and int(one)}

    def _leg(self, dialog: Dialog) -> str:
        """Calls of ours in the order in which they were dialled, those of others by when they came."""
        if dialog.incoming:
            came = [(abs(_created_us(leg) - dialog.at_us), text(leg, "Unique-ID")) for leg in _arrived(self.trace)]
            return min(came, default=(0, ""))[1]
        same = [one for one in self.dialogs if not one.incoming and one.number == dialog.number]
        place, legs = same.index(dialog), self._dialled(dialog.number)
        return legs[place] if place < len(legs) else ""

    def _dialled(self, user: str) -> list[str]:
        """Legs to this number, in order."""
        found: dict[str, None] = {}
        for event in self.trace.events:
            number = text(event, "Caller-Destination-Number").partition("%")[0].partition("@")[0]
            if text(event, "Call-Direction") == "outbound" and number == user:
                found.setdefault(text(event, "Unique-ID"))
        return list(found)


_NOTED = {
    "ring": "Caller-Channel-Progress-Time",
    "early": "Caller-Channel-Progress-Media-Time",
    "answer": "Caller-Channel-Answered-Time",
    "refuse": "Caller-Channel-Hangup-Time",
    "BYE": "Caller-Channel-Hangup-Time",
    "INVITE": "Event-Date-Timestamp",
    "CANCEL": "Caller-Channel-Hangup-Time",
}
"""What a leg notes of what its far end did."""


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


_Pressed = tuple[int, str, str]
"""When, who, digit."""


@dataclass(frozen=True)
class Script:
    """All that happened outside the switch."""

    calls: tuple[Dialog, ...]
    """To us, in order."""
    answers: tuple[Dialog, ...]
    """How INVITEs of ours were answered, in order."""
    keys: Mapping[str, tuple[Act, ...]]
    """Leg -> keys pressed there, where the events tell them."""
    pressed: tuple[_Pressed, ...]
    """Keys that only the lines tell."""
    registers: tuple[Register, ...]


def script(trace: Trace) -> Script:
    """The far ends of a trace."""
    reader = _Reader(trace)
    reader.read()
    calls = [one for one in reader.dialogs if one.incoming]
    _pair(calls, list(_arrived(trace)))
    keys = _keys(trace.events)
    return Script(
        calls=tuple(one for one in calls if one.leg),
        answers=tuple(one for one in reader.dialogs if not one.incoming),
        keys=keys,
        pressed=_never_read(reader.keys, keys),
        registers=tuple(_registers(trace.events, reader.registers)),
    )


READ_WITHIN_US = 3_000_000
"""By so much a key may have come before what its line is taken to say: the phone was quicker than KEY_US, or its line
later."""


def _never_read(pressed: Sequence[tuple[int, str, str]], read: Mapping[str, Sequence[Act]]) -> tuple[_Pressed, ...]:
    """Keys that only the lines tell: nothing on the switch read them, as within the music of a queue."""
    left = sorted(pressed, key=lambda one: one[0])
    for key in sorted((one for keys in read.values() for one in keys), key=lambda one: -one.at_us):
        told = [one for one in left if one[2] == key.value and one[0] <= key.at_us + READ_WITHIN_US]
        if told:
            left.remove(told[-1])
    return tuple(left)


def _pair(calls: Sequence[Dialog], legs: Sequence[Headers]) -> None:
    """Which leg a call became, the nearest first; none if the switch took it for no call, as while it shuts down."""
    pairs = product(enumerate(calls), enumerate(legs))
    apart = [(abs(_created_us(leg) - dialog.at_us), number, place) for (number, dialog), (place, leg) in pairs]
    taken: set[int] = set()
    for apart_us, number, place in sorted(apart):
        if apart_us < BECOMES_A_LEG_US and not calls[number].leg and place not in taken:
            calls[number].leg = legs[place]
            taken.add(place)


def _created_us(leg: Headers) -> int:
    created = text(leg, "Caller-Channel-Created-Time")
    return int(created) if created.isdecimal() and int(created) else stamp_us(leg)


def _arrived(trace: Trace) -> Iterator[Headers]:
    """The first event of each leg that came in, in the order in which they came."""
    seen: set[str] = set()
    for event in sorted(trace.events, key=_created_us):
        leg = text(event, "Unique-ID")
        if leg and leg not in seen and text(event, "Call-Direction") == "inbound":
            if text(event, "Event-Name") in ("CHANNEL_STATE", "CHANNEL_CALLSTATE"):
                continue
            seen.add(leg)
            yield event


def _keys(events: Sequence[Headers]) -> dict[str, tuple[Act, ...]]:
    found: dict[str, tuple[Act, ...]] = {}
    for event in events:
        # Other sources are commands of ours.
        if text(event, "Event-Name") == "DTMF" and text(event, "DTMF-Source") in ("RTP", "INFO", "INBAND_AUDIO"):
            leg = text(event, "Unique-ID")
            found[leg] = (*found.get(leg, ()), _key(event))
    return found


def spoken_s(events: Sequence[Headers], leg: str) -> float:
    """How long whoever is at the far end spoke into a recording of the plan, seconds: no line of SIP tells that.

    As long as it lasted, less the silence that ended it; without end where something else did.
    """
    of_leg = [event for event in events if text(event, "Unique-ID") == leg]
    for at, event in enumerate(of_leg):
        if text(event, "Event-Name") != "CHANNEL_EXECUTE" or text(event, "Application") != "record":
            continue
        silence_s = [*text(event, "Application-Data").split(" "), "", "", ""][3]
        stopped = next((one for one in of_leg[at:] if text(one, "Event-Name") == "RECORD_STOP"), None)
        if stopped is None:
            return math.inf
        if text(stopped, "variable_silence_hits_exhausted") != "true":
            return math.inf
        lasted_s = (stamp_us(stopped) - stamp_us(event)) / 1_000_000
        return max(0.0, lasted_s - (int(silence_s) if silence_s.isdecimal() else 0))
    return 0.0


def _key(event: Headers) -> Act:
    samples = text(event, "DTMF-Duration")
    return Act(stamp_us(event), "key", text(event, "DTMF-Digit"), int(samples) if samples.isdecimal() else 0)


def _registers(events: Sequence[Headers], sent: Mapping[str, Sequence[int]]) -> Iterator[Register]:
    """What phones sent: the attempts; where those were not subscribed, what they led to.

    Stamps of events are those of a tick, up to 20 ms early; the lines of SIP tell the moment.
    """
    attempts = [event for event in events if text(event, "Event-Subclass") == "sofia::register_attempt"]
    led_to = [event for event in events if text(event, "Event-Subclass") in ("sofia::register", "sofia::unregister")]
    calls = {text(event, "variable_sip_call_id") for event in events} - {""}
    for event in attempts or led_to:
        if text(event, "to-user") not in ("", text(event, "from-user")) or text(event, "call-id") in calls:
            # The password of a call: the dialled number stands in the place of the phone's.
            continue
        expires = text(event, "expires")
        stamped_us = stamp_us(event)
        moments = (at_us for at_us in sent.get(text(event, "from-user"), ()) if 0 <= at_us - stamped_us < TICK_US)
        yield Register(
            max(moments, default=stamped_us),
            f"{text(event, 'from-user')}@{text(event, 'from-host')}",
            int(expires) if expires.isdecimal() else 0,
            text(event, "auth-result") == "FORBIDDEN",
            event,
        )


@dataclass(frozen=True)
class Refer:
    """What a REFER carried."""

    target: str
    """Refer-To."""
    referred_by: str
    replaces: str
    """The leg of the call that it names in Replaces; empty without."""


def refer(trace: Trace, leg: str, at_us: int) -> Refer:
    """The REFER that came on a leg about then."""
    told = [event for event in trace.events if stamp_us(event) >= at_us - 50_000]
    own = [event for event in told if text(event, "Unique-ID") == leg]
    earlier = [event for event in trace.events if stamp_us(event) < at_us - 50_000]

    def first(events: Sequence[Headers], name: str) -> str:
        return next((value for event in events if (value := text(event, name))), "")

    def brought(name: str) -> str:
        """What nobody said before; an earlier REFER may have brought the same."""
        known = {"", *(text(event, name) for event in earlier)}
        return next((value for event in told if (value := text(event, name)) not in known), first(told, name))

    return Refer(
        target=brought("variable_sip_refer_to") or first(own, "variable_transfer_destination").partition(":")[2],
        referred_by=brought("variable_sip_h_Referred-By"),
        replaces=first(own, "variable_refer_uuid"),
    )


__all__ = ["Act", "Dialog", "Refer", "Register", "Script", "refer", "script", "spoken_s"]
