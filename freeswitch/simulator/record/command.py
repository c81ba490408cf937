"""`toritsugi simulate record`: from a person's words to a folder.

Enters: where the switch is, where the files go, how long. Leaves: an exit code, sentences on `err`: the port for
commands as soon as it records, and what it found at the end. Ctrl-C ends the recording, not the writing.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from freeswitch.simulator.record.errors import CannotRecord
from freeswitch.simulator.record.folder import Wanted, write
from freeswitch.simulator.record.recording import WIDTHS, Recorder

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[^\s:\[\]]+))?:?(?P<port>\d{1,5})?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|min|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}


def address(text: str, port: int = 8021) -> tuple[str, int]:
    """`host:port`, `host` or `:port`. Raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    if not text or match is None or int(match["port"] or port) > 65535:
        raise ValueError(f"{text!r} is no host:port")
    return match["six"] or match["host"] or "127.0.0.1", int(match["port"] or port)


def seconds(text: str) -> float:
    """`60s`, `5min`, `1h`, `60`. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no time such as 60s or 5min")
    return float(match[1]) * _UNITS[match[2] or "s"]


def pair(text: str) -> tuple[str, str]:
    """`OLD=NEW`. Raises ValueError."""
    old, equals, new = text.partition("=")
    if not old or not equals:
        raise ValueError(f"{text!r} is no OLD=NEW")
    return old, new


def main(
    folder: Path,
    esl: str,
    password: str,
    err: TextIO,
    *,
    listen: int = 0,
    cdr: Path | None = None,
    duration: str | None = None,
    events: str = "few",
    sip: bool = True,
    rewrite: Sequence[str] = (),
    anonymise: bool = False,
    title: str = "",
) -> int:
    """Records until the time is over or Ctrl-C comes. Exit code: 0, or 1 with a word on `err`. Raises ValueError."""
    switch, for_s = address(esl), seconds(duration) if duration else None
    wanted = Wanted(title=title, rewrite=tuple(pair(one) for one in rewrite), anonymise=anonymise, cdr=cdr)
    if (folder / "scenario.json").exists():
        print(f"{folder} holds a recording already", file=err)
        return 1
    recorder = Recorder(switch, password, WIDTHS[events], sip)
    ended: list[int] = []
    before = {
        one: signal.signal(one, lambda number, _: ended.append(number)) for one in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        port = recorder.start(("127.0.0.1", listen))
        print(
            f"Recording {switch[0]}:{switch[1]}. Commands are noted that come through 127.0.0.1:{port}",
            file=err,
            flush=True,
        )
        recorder.run(lambda: not ended, for_s)
        gathered = recorder.stop()
        remarks = write(folder, gathered, wanted)
    except CannotRecord as error:
        recorder.stop()
        print(error, file=err)
        return 1
    finally:
        for one, how in before.items():
            signal.signal(one, how)
    for remark in remarks:
        print(remark, file=err)
    counts = f"{len(gathered.json)} events, {len(gathered.messages)} SIP messages, {len(gathered.commands)} commands"
    print(f"{folder}: {counts}", file=err)
    return 0
