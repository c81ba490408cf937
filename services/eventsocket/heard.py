"""An event as it came, decoded as far as somebody asks. Pure.

Enters: the bytes of an event in JSON. Leaves: its `Stamp`, with the headers that belong to its kind, taken out of the
bytes without making objects of the other 200; and a mapping of all headers, which are decoded when somebody asks for
one. What is answered is the same either way. Kinds stand in `said.py`, the full decoding in `frames.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from services.eventsocket.frames import Event, decode_json
from services.eventsocket.said import KINDS, Stamp, said_of

_FIRST = b'{"Event-Name":"'
"""An event's first header (switch_event.c)."""


def _taker(kind: type[Stamp]) -> Callable[[bytes], Stamp]:
    return msgspec.json.Decoder(kind, strict=False).decode  # numbers stand in quotes


_BY_START = {_FIRST + name.encode(): _taker(kind) for name, kind in KINDS.items()}


class Heard(Mapping[str, str | list[str]]):
    """The headers of one event. Raises ValueError at once if the bytes are no event."""

    __slots__ = ("_headers", "_raw", "stamp")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._headers: Event | None = None
        take = _BY_START.get(raw[: raw.find(b'"', len(_FIRST), 64)])
        try:
            self.stamp = said_of(self._all()) if take is None else take(raw)
        except (UnicodeDecodeError, msgspec.DecodeError):  # bad UTF-8, a list or nothing where one value was expected
            self.stamp = said_of(self._all())

    def _all(self) -> Event:
        if self._headers is None:
            self._headers = decode_json(self._raw)
        return self._headers

    def __getitem__(self, name: str) -> str | list[str]:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())
