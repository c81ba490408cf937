"""An event as it came, decoded as far as somebody asks. Pure.

Enters: the bytes of an event in JSON. Leaves: a mapping of its headers. The few headers that most rules read are taken
out of the bytes at once, without making objects of the other 250; any other header decodes all of them, once. What is
answered is the same either way. The full decoding stands in `frames.py`, what headers mean in `normalise.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from services.eventsocket.frames import ARRAY, Event, decode_json
from services.eventsocket.records import ESTIMATED, SOURCE

OFTEN = (
    "Event-Name",
    "Core-UUID",
    "Event-Sequence",
    "Event-Date-Timestamp",
    "Unique-ID",
    "Answer-State",
    "Hangup-Cause",
    "Other-Leg-Unique-ID",
    "Bridge-A-Unique-ID",
    "Bridge-B-Unique-ID",
    "Caller-Channel-Created-Time",
    "Caller-Channel-Answered-Time",
    "Caller-Channel-Hangup-Time",
    "variable_tt_decision",
    "variable_tt_stage",
    "variable_sip_term_status",
    "variable_sip_hangup_disposition",
    SOURCE,
    ESTIMATED,
)
"""What the rules read of a leg that is known already. The longer the list, the longer every event takes."""
WHOLE = (b'{"Event-Name":"CHANNEL_CREATE"', b'{"Event-Name":"CHANNEL_PARK"')
"""With these a leg begins, or begins anew: so much is read of them that all is decoded at once."""
_FIELDS = {f"header{n}": name for n, name in enumerate(OFTEN)}
_Often = msgspec.defstruct("_Often", [(field, str, "") for field in _FIELDS], rename=_FIELDS)
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Often)


class Heard(Mapping[str, str | list[str]]):
    """The headers of one event. Raises ValueError at once if the bytes are no event."""

    __slots__ = ("_all", "_often", "_raw")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._all: Event | None = None
        self._often: dict[str, str] = {}
        if raw.startswith(WHOLE):
            self._all = decode_json(raw)
            return
        try:
            values = msgspec.structs.astuple(_decoder.decode(raw))
        except (UnicodeDecodeError, msgspec.DecodeError):  # bad UTF-8, or a list where one value was expected
            self._all = decode_json(raw)
        else:
            if ARRAY not in "".join(values):
                self._often = dict(zip(OFTEN, values, strict=True))

    def get(self, name: str, default: Any = "") -> Any:
        """The header, or `default` where the event has none or an empty one."""
        value = self._often.get(name)
        if value is None:
            return self._headers().get(name, default)
        return value or default

    def _headers(self) -> Event:
        if self._all is None:
            self._all = decode_json(self._raw)
        return self._all

    def __getitem__(self, name: str) -> str | list[str]:
        return self._headers()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers())

    def __len__(self) -> int:
        return len(self._headers())
