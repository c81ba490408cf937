"""Bytes of an Event Socket connection -> frames -> events. Pure and incremental.

Enters: bytes in pieces of any size. Leaves: frames (header block and body), and what an event frame says as a dict of
strings and lists. Lines are split before any value is percent-decoded, so no value can become a header. Sockets belong
to `link.py`; what an event means belongs to `normalise.py`. Wire: mod_event_socket.c, switch_event.c (serialize).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote_to_bytes

import msgspec

MAX_HEADER_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
"""`show channels as json` of a busy switch has megabytes; a length beyond this is garbage."""

Record = dict[str, str | list[str]]
"""Headers as they are put together, by the decoders here and by whoever makes an event of something else."""

Event = Mapping[str, str | list[str]]
"""Header name -> value; a list where the switch keeps several; the body under `_body`."""

EVENT_JSON = "text/event-json"
EVENT_PLAIN = "text/event-plain"
EVENTS = (EVENT_JSON, EVENT_PLAIN)
ARRAY = "ARRAY::"
_ARRAY_BYTES = ARRAY.encode()
_AN_EVENT = re.compile(rb"Content-Length: ([0-9]{1,12})\nContent-Type: text/event-(json|plain)\n\n")
"""How mod_event_socket.c writes the header block of every event."""
_decoder = msgspec.json.Decoder(Record)


class BrokenFrame(ValueError):
    """Bytes that are no frame. `offset` is where the frame begins, in bytes from the start of the stream."""

    def __init__(self, why: str, offset: int) -> None:
        super().__init__(why)
        self.offset = offset


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame as it stood on the wire."""

    content_type: str
    """`text/event-json`, `command/reply`, …; empty if the frame names none."""
    body: bytes
    offset: int
    reply: str = ""
    """Its Reply-Text, if it has one."""

    @property
    def is_event(self) -> bool:
        """Whether `event_of` can read it."""
        return self.content_type in EVENTS

    @property
    def text(self) -> str:
        """The answer that a person would read: the body, else Reply-Text."""
        return self.body.decode("utf-8", "replace") if self.body else self.reply


class FrameReader:
    """Cuts a byte stream into frames; lengths count bytes. Feed, then take all of `frames()`."""

    def __init__(self, max_header: int = MAX_HEADER_BYTES, max_body: int = MAX_BODY_BYTES) -> None:
        self._buffer = b""
        self._start = 0
        self._searched = 0
        self._passed = 0
        self._open: tuple[dict[str, str], int] | None = None
        """A header block whose body is awaited: the headers, and where the frame begins."""
        self._body: list[bytes] = []
        """What has come of that body; nothing of it stands in the buffer."""
        self._missing = 0
        """Bytes until it is whole."""
        self._max_header = max_header
        self._max_body = max_body

    def feed(self, data: bytes) -> None:
        """More bytes of the stream."""
        if self._missing:  # only these are put together: what follows is cut where it stands
            part = data[: self._missing]
            self._body.append(part)
            self._missing -= len(part)
            self._passed += len(self._buffer)
            self._buffer, self._start, self._searched = data, len(part), len(part)
        else:
            self._passed += self._start
            self._searched -= self._start
            self._buffer, self._start = self._buffer[self._start :] + data, 0

    def frames(self) -> Iterator[Frame]:
        """Every frame that is complete. Raises BrokenFrame at the first that cannot be one; nothing follows it."""
        while True:
            # Nearly every frame is an event that is there as a whole.
            event = None if self._open is not None else _AN_EVENT.match(self._buffer, self._start)
            if event is not None:
                begin, length = event.end(), int(event[1])
                end = begin + length
                if length <= self._max_body and end <= len(self._buffer):
                    offset = self._passed + self._start
                    self._start = self._searched = end
                    yield Frame(EVENT_JSON if event[2] == b"json" else EVENT_PLAIN, self._buffer[begin:end], offset)
                    continue
            frame = self._next()
            if frame is None:
                return
            yield frame

    def finish(self) -> None:
        """The stream has ended. Raises BrokenFrame if it ended inside a frame."""
        if self._open is not None:
            raise BrokenFrame(f"the stream ends {self._missing} bytes before the end of the body", self._open[1])
        if self._buffer[self._start :].strip(b"\r\n"):
            raise BrokenFrame("the stream ends inside a header block", self._passed + self._start)

    def _next(self) -> Frame | None:
        if self._open is None:
            found = self._header_block()
            if found is None:
                return None
            headers, begin, length = found
            body = self._buffer[self._start : self._start + length]
            self._start += len(body)
            self._searched = self._start
            if len(body) < length:
                self._open, self._body, self._missing = (headers, begin), [body], length - len(body)
        if self._open is not None:
            if self._missing:
                return None
            headers, begin = self._open
            body = b"".join(self._body)
            self._open, self._body = None, []
        return Frame(headers.get("Content-Type", ""), body, begin, headers.get("Reply-Text", ""))

    def _header_block(self) -> tuple[dict[str, str], int, int] | None:
        while self._start < len(self._buffer) and self._buffer[self._start] in b"\r\n":
            self._start += 1  # empty lines between frames say nothing
        begin = self._passed + self._start
        end, width = self._end_of_block()
        if end < 0:
            if len(self._buffer) - self._start > self._max_header:
                raise BrokenFrame(f"no end of the header block within {self._max_header} bytes", begin)
            self._searched = max(self._start, len(self._buffer) - 3)
            return None
        if end - self._start > self._max_header:
            raise BrokenFrame(f"a header block of {end - self._start} bytes; at most {self._max_header}", begin)
        headers = _headers(self._buffer[self._start : end], begin)
        self._start = self._searched = end + width
        return headers, begin, self._length(headers, begin)

    def _end_of_block(self) -> tuple[int, int]:
        here = max(self._searched, self._start)
        plain = self._buffer.find(b"\n\n", here)
        windows = self._buffer.find(b"\n\r\n", here, plain + 1 if plain >= 0 else len(self._buffer))
        if windows >= 0:
            return windows, 3
        return plain, 2

    def _length(self, headers: dict[str, str], begin: int) -> int:
        text = headers.get("Content-Length", "0")
        if not text.isascii() or not text.isdigit() or len(text) > 12:
            raise BrokenFrame(f"Content-Length {text[:20]!r} is no length", begin)
        if int(text) > self._max_body:
            raise BrokenFrame(f"a body of {text} bytes; at most {self._max_body} are read", begin)
        return int(text)


def _headers(block: bytes, begin: int) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in block.split(b"\n"):
        name, colon, value = line.rstrip(b"\r").partition(b":")
        if not colon or not name:
            raise BrokenFrame(f"{line[:40]!r} is no header line", begin)
        headers[name.decode("utf-8", "replace")] = value.strip(b" ").decode("utf-8", "replace")
    return headers


def event_of(frame: Frame) -> Event:
    """What an event frame says. Raises BrokenFrame (at the frame's offset) for a body that is no event."""
    try:
        return decode_json(frame.body) if frame.content_type == EVENT_JSON else decode_plain(frame.body)
    except ValueError as error:
        raise BrokenFrame(str(error), frame.offset) from None


def decode_json(body: bytes) -> Event:
    """An event in JSON. Invalid UTF-8 becomes U+FFFD, as FreeSWITCH passes on what callers sent. Raises ValueError."""
    try:
        event = _decoder.decode(body)
    except (UnicodeDecodeError, msgspec.DecodeError):
        event = _decode_leniently(body)
    if _ARRAY_BYTES in body:
        for name, value in event.items():
            if isinstance(value, str) and value.startswith(ARRAY):
                event[name] = value[len(ARRAY) :].split("|:")
    return event


def _decode_leniently(body: bytes) -> Record:
    try:
        loaded = json.loads(body.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from None
    if not isinstance(loaded, dict):
        raise ValueError("the event is no JSON object")
    return {
        _whole(name): [_whole(item) for item in value] if isinstance(value, list) else _whole(value)
        for name, value in loaded.items()
    }


def _whole(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def decode_plain(body: bytes) -> Event:
    """An event in plain form: lines first, then each value percent-decoded once. Raises ValueError."""
    head, _, rest = body.partition(b"\n\n")
    event: Record = {}
    for line in head.split(b"\n"):
        if not line:
            continue
        name, colon, value = line.partition(b":")
        if not colon or not name:
            raise ValueError(f"{line[:40]!r} is no header line")
        text = unquote_to_bytes(value.removeprefix(b" ")).decode("utf-8", "replace")
        event[name.decode("utf-8", "replace")] = text[len(ARRAY) :].split("|:") if text.startswith(ARRAY) else text
    length = event.get("Content-Length")
    if isinstance(length, str):
        if not length.isascii() or not length.isdigit() or len(length) > 12:
            raise ValueError(f"the event's own Content-Length {length[:20]!r} is no length")
        if len(rest) < int(length):
            raise ValueError(f"the event's own body has {len(rest)} bytes instead of {length}")
        event["_body"] = rest[: int(length)].decode("utf-8", "replace")
    return event
