"""An event as it came, decoded as far as somebody asks. Pure.

Enters: the bytes of an event in JSON. Leaves: a mapping of its headers. Those that the rules read of an event of its
name are taken out of the bytes at once, without making objects of the other 200; any other header decodes all of them,
once. What is answered is the same either way. The full decoding stands in `frames.py`, what headers mean in
`normalise.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from services.eventsocket.frames import ARRAY, Event, decode_json
from services.eventsocket.records import ESTIMATED, SOURCE

ALWAYS = (
    "Event-Name",
    "Core-UUID",
    "Event-Date-Timestamp",
    "Event-Sequence",
    "Unique-ID",
    "Caller-Channel-Created-Time",
    "Caller-Channel-Answered-Time",
    "variable_tt_decision",
    SOURCE,
    ESTIMATED,
)
"""What the rules read of every leg. The longer a list, the longer an event takes: each of its 200 headers is compared
with each name."""
JOINS = (*ALWAYS, "Answer-State", "Other-Leg-Unique-ID", "Bridge-A-Unique-ID", "Bridge-B-Unique-ID")
ENDS = (
    *ALWAYS,
    "Caller-Channel-Hangup-Time",
    "Hangup-Cause",
    "variable_sip_term_status",
    "variable_sip_hangup_disposition",
)
_WHOSE = (
    *ALWAYS,
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
_FIRST = b'{"Event-Name":"'
"""An event's first header (switch_event.c)."""


def _taker(names: tuple[str, ...]) -> Callable[[bytes], dict[str, str]]:
    """What takes these headers out of an event; empty where it has none. Raises as msgspec does."""
    fields = {f"header{n}": name for n, name in enumerate(names)}
    kind = msgspec.defstruct("_Headers", [(field, str, "") for field in fields], rename=fields, gc=False)
    decode, values = msgspec.json.Decoder(kind).decode, msgspec.structs.astuple
    return lambda raw: dict(zip(names, values(decode(raw)), strict=False))


_of_any = _taker(ALWAYS)
_BY_NAME = {
    b"CHANNEL_CREATE": _taker(BEGINS),
    b"CHANNEL_PARK": _taker(PARKS),
    **dict.fromkeys((b"CHANNEL_ANSWER", b"CHANNEL_BRIDGE", b"CHANNEL_UNBRIDGE"), _taker(JOINS)),
    b"CHANNEL_HANGUP_COMPLETE": _taker(ENDS),
}


class Heard(Mapping[str, str | list[str]]):
    """The headers of one event; one that was taken out is empty where the event has none.

    Raises ValueError at once if the bytes are no event.
    """

    __slots__ = ("_headers", "_raw")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        """Empty once all is decoded."""
        take = _BY_NAME.get(raw[len(_FIRST) : raw.find(b'"', len(_FIRST), 64)], _of_any)
        self._headers: Event = {}
        try:
            self._headers = taken = take(raw)
        except (UnicodeDecodeError, msgspec.DecodeError):  # bad UTF-8, or a list where one value was expected
            self._decode()
        else:
            if ARRAY in "".join(taken.values()):
                self._decode()

    def _decode(self) -> None:
        self._headers, self._raw = decode_json(self._raw), b""

    def __getitem__(self, name: str) -> str | list[str]:
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
