"""An event as it came, decoded as far as somebody asks. Pure.

Enters: the bytes of an event in JSON. Leaves: a mapping of its headers. Those that the rules read of an event of its
name are taken out of the bytes at once, without making objects of the other 200; any other header decodes all of them,
once. What is answered is the same either way. The full decoding stands in `frames.py`, what headers mean in
`normalise.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any

import msgspec

from services.eventsocket.facts import STAMPED, Stamp, stamp_of
from services.eventsocket.frames import ARRAY, Event, decode_json

JOINS = ("Answer-State", "Other-Leg-Unique-ID", "Bridge-A-Unique-ID", "Bridge-B-Unique-ID")
"""What the rules read beside the stamp. The longer a list, the longer an event takes: each of its 200 headers is
compared with each name."""
ENDS = (
    "Caller-Channel-Hangup-Time",
    "Hangup-Cause",
    "variable_sip_term_status",
    "variable_sip_hangup_disposition",
)
_WHOSE = (
    "Caller-Destination-Number",
    "Caller-RDNIS",
    "variable_sofia_profile_name",
    "variable_tt_call",
    "variable_tt_tenant",
    "variable_tt_did",
)
BEGINS = (
    *_WHOSE,
    "Call-Direction",
    "Caller-Orig-Caller-ID-Name",
    "Caller-Orig-Caller-ID-Number",
    "Other-Leg-Unique-ID",
    "Caller-Privacy-Hide-Number",
    "variable_sip_from_user",
    "variable_sip_from_host",
    "variable_sip_Privacy",
    "variable_originating_leg_uuid",
    "variable_tt_leg",
    "variable_tt_payer",
)
PARKS = (
    *_WHOSE,
    "Caller-Dialplan",
    "Caller-Profile-Index",
    "variable_sip_h_Diversion",
    "variable_sip_history_info",
    "variable_sip_authorized",
    "variable_user_name",
    "variable_domain_name",
)
_STAMPED = {field: STAMPED[field] for field in ("name", "leg", "decision")}
"""What the rules read of a stamp by name, too."""
_FIRST = b'{"Event-Name":"'
"""An event's first header (switch_event.c)."""


class _Taker:
    """Takes the stamp and these headers out of an event; empty where it has none. Raises as msgspec does."""

    def __init__(self, names: tuple[str, ...]) -> None:
        fields = {f"header{n}": name for n, name in enumerate(names)}
        kind: type[Any] = msgspec.defstruct(
            "_Headers", [(field, str, "") for field in fields], bases=(Stamp,), rename=fields, frozen=True, gc=False
        )
        self.stamp: Callable[[bytes], Stamp] = msgspec.json.Decoder(kind, strict=False).decode  # numbers are in quotes
        self._names = (*_STAMPED.values(), *names)
        self._values = attrgetter(*_STAMPED, *fields)

    def headers(self, stamp: Stamp) -> dict[str, str]:
        """What was taken, as it stood there."""
        return dict(zip(self._names, self._values(stamp), strict=False))


_of_any = _Taker(())
_BY_NAME = {
    b"CHANNEL_CREATE": _Taker(BEGINS),
    b"CHANNEL_PARK": _Taker(PARKS),
    **dict.fromkeys((b"CHANNEL_ANSWER", b"CHANNEL_BRIDGE", b"CHANNEL_UNBRIDGE"), _Taker(JOINS)),
    b"CHANNEL_HANGUP_COMPLETE": _Taker(ENDS),
}


class Heard(Mapping[str, str | list[str]]):
    """The headers of one event; one that was taken out is empty where the event has none.

    Raises ValueError at once if the bytes are no event.
    """

    __slots__ = ("_headers", "_raw", "_taker", "stamp")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        """Empty once all is decoded."""
        self._headers: Event = _NOT_YET
        self._taker = _BY_NAME.get(raw[len(_FIRST) : raw.find(b'"', len(_FIRST), 64)], _of_any)
        try:
            self.stamp = stamp = self._taker.stamp(raw)
        except (UnicodeDecodeError, msgspec.DecodeError):  # bad UTF-8, or a list where one value was expected
            self._decode()
            self.stamp = stamp_of(self._headers)
        else:
            if ARRAY in f"{stamp.core}{stamp.sequence}{stamp.leg}{stamp.decision}":
                self._decode()
                self.stamp = stamp_of(self._headers)

    def _decode(self) -> None:
        self._headers, self._raw = decode_json(self._raw), b""

    def __getitem__(self, name: str) -> str | list[str]:
        if self._headers is _NOT_YET:
            self._headers = taken = self._taker.headers(self.stamp)
            if ARRAY in "".join(taken.values()):
                self._decode()
        try:
            return self._headers[name]
        except KeyError:
            if not self._raw:
                raise
            self._decode()
            return self._headers[name]

    def __iter__(self) -> Iterator[str]:
        if self._raw:
            self._decode()
        return iter(self._headers)

    def __len__(self) -> int:
        return sum(1 for _ in self)


_NOT_YET: Event = {}
