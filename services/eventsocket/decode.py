"""`toritsugi esl decode FILE` (`-`: stdin): captured Event Socket traffic as one JSON object per event, in wire order.

Enters: a file of frames (plain or json, any size, read piece by piece) or of JSON lines. Leaves: JSON lines on `out`;
other frames, a line each, on `err`. The rules of the wire stand in `frames.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, TextIO, cast

import msgspec

from services.eventsocket.frames import MAX_BODY_BYTES, BrokenFrame, Event, Frame, FrameReader, decode_json, event_of

PIECE = 256 * 1024
_encode = msgspec.json.Encoder().encode


def main(path: str, out: BinaryIO, err: TextIO) -> int:
    """Exit code: 0, 1 at a broken frame (its offset in bytes is told), 2 if the file cannot be read."""
    try:
        with _opened(path) as file:
            for item in _items(file):
                if isinstance(item, Frame):
                    print(_described(item), file=err)
                else:
                    out.write(_encode(item) + b"\n")
    except BrokenFrame as error:
        print(f"broken frame at offset {error.offset}: {error}", file=err)
        return 1
    except OSError as error:
        print(f"{path}: {error.strerror}", file=err)
        return 2
    finally:
        out.flush()
    return 0


def _opened(path: str) -> AbstractContextManager[BufferedReader]:
    return nullcontext(cast(BufferedReader, sys.stdin.buffer)) if path == "-" else Path(path).open("rb")


def _items(file: BufferedReader) -> Iterator[Event | Frame]:
    if file.peek(1).lstrip()[:1] == b"{":  # a pipe cannot be read from its beginning again
        yield from _json_lines(file)
        return
    reader = FrameReader()
    while piece := file.read1(PIECE):
        reader.feed(piece)
        for frame in reader.frames():
            yield event_of(frame) if frame.is_event else frame
    reader.finish()


def _json_lines(file: BinaryIO) -> Iterator[Event]:
    offset = 0
    while line := file.readline(MAX_BODY_BYTES + 1):
        if len(line) > MAX_BODY_BYTES:
            raise BrokenFrame(f"a line of more than {MAX_BODY_BYTES} bytes", offset)
        if line.strip():
            try:
                yield decode_json(line)
            except ValueError as error:
                raise BrokenFrame(str(error), offset) from None
        offset += len(line)


def _described(frame: Frame) -> str:
    """`command/reply: +OK accepted`, at most one line whatever the frame holds."""
    first = (frame.text.strip().splitlines() or [""])[0][:200]
    text = f"{frame.offset} {frame.content_type or 'frame without a type'}: {first}"
    return "".join(c if c.isprintable() else "�" for c in text)
