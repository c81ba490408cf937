"""A recording on disk: the folder of tests/traces/README.md, readable by its owner only.

Enters: what was gathered, title, pairs of texts to replace, the switch's folder of CDR files. Leaves: events.plain,
events.jsonl (the same events in the same order), commands.jsonl, scenario.json, cdr/. Raises CannotRecord for a folder
that cannot be written.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from freeswitch.simulator.record.errors import CannotRecord
from freeswitch.simulator.record.names import Cast, Noted
from freeswitch.simulator.record.neutral import Pairs, found_in, replaced, replaced_event
from freeswitch.simulator.record.recording import Gathered
from services.eventsocket.frames import Frame, decode_json, event_of

CDR_PATIENCE_S = 3.0
PRIVATE = "Holds the numbers and names that the switch saw: keep it as you keep call records."
ANONYMOUS = "Numbers, names and addresses are replaced by values for documentation; look it through before it goes out."


@dataclass(frozen=True)
class Wanted:
    """What the person wants of the files."""

    title: str = ""
    purpose: str = ""
    rewrite: Pairs = ()
    anonymise: bool = False
    cdr: Path | None = None
    notes: tuple[str, ...] = ()


def write(folder: Path, gathered: Gathered, wanted: Wanted) -> list[str]:
    """Writes all files; what a person should know about the recording, a sentence each."""
    remarks = [gathered.early_end] if gathered.early_end else []
    plain, jsons = _same_range(gathered.plain, gathered.json, remarks)
    gathered = replace(gathered, plain=plain, json=jsons)
    cast = Cast(gathered.messages, gathered.events, dict(gathered.phones))
    cdrs = _cdrs(wanted.cdr, cast.legs, gathered.events, remarks)
    steps = cast.steps(gathered.commands)
    pairs = wanted.rewrite
    if wanted.anonymise:
        texts = [step["text"] for step in steps] + [noted.reply for noted in gathered.commands]
        pairs = (*pairs, *found_in(gathered.events, texts))
    scenario = {
        "title": wanted.title or folder.name,
        "purpose": wanted.purpose,
        "steps": steps,
        "legs": cast.legs,
        "notes": [ANONYMOUS if wanted.anonymise else PRIVATE, *wanted.notes, *remarks],
    }
    try:
        _folder(folder)
        _write(folder / "events.plain", b"".join(_framed(frame, pairs) for frame in plain))
        _write(folder / "events.jsonl", b"".join(replaced(f.body, pairs).rstrip(b"\n") + b"\n" for f in jsons))
        _write(folder / "commands.jsonl", replaced(_lines(gathered.commands), pairs))
        _write(folder / "scenario.json", replaced(_pretty(scenario), pairs))
        if cdrs:
            _folder(folder / "cdr")
        for name, content in cdrs.items():
            _write(folder / "cdr" / name, replaced(content, pairs))
    except OSError as error:
        raise CannotRecord(f"{error.filename or folder}: {error.strerror}") from None
    return remarks


def _same_range(plain: list[Frame], jsons: list[Frame], remarks: list[str]) -> tuple[list[Frame], list[Frame]]:
    """What both connections received: neither began nor ended at the same moment as the other."""
    of_plain = [_key(frame) for frame in plain]
    of_json = [_key(frame) for frame in jsons]
    both = set(of_plain) & set(of_json) - {""}
    kept_plain = [frame for frame, key in zip(plain, of_plain, strict=True) if not key or key in both]
    kept_json = [frame for frame, key in zip(jsons, of_json, strict=True) if key in both]
    if [key for key in of_plain if key in both] != [key for key in of_json if key in both]:
        order = {key: number for number, key in enumerate(key for key in of_plain if key in both)}
        kept_json.sort(key=lambda frame: order[_key(frame)])
        remarks.append("The two connections received events in different orders; events.jsonl follows events.plain.")
    return kept_plain, kept_json


def _key(frame: Frame) -> str:
    """What tells an event from all others, or an empty text for a frame that is none."""
    if not frame.is_event:
        return ""
    event = decode_json(frame.body) if frame.content_type.endswith("json") else event_of(frame)
    return f"{event.get('Core-UUID')} {event.get('Event-Sequence')}"


def _framed(frame: Frame, pairs: Pairs) -> bytes:
    body = replaced_event(frame.body, pairs) if pairs and frame.is_event else frame.body
    # The real one names the length of an event first, and that of a farewell last (mod_event_socket.c).
    lines = [f"Content-Length: {len(body)}\n", f"Content-Type: {frame.content_type}\n"]
    return "".join(lines if frame.is_event else reversed(lines)).encode() + b"\n" + body


def _cdrs(folder: Path | None, legs: dict[str, str], events: Iterable[Any], remarks: list[str]) -> dict[str, bytes]:
    """The switch's own files of the legs that ended; it writes them shortly after."""
    if folder is None:
        return {}
    ended = [e["Unique-ID"] for e in events if e.get("Event-Name") == "CHANNEL_HANGUP_COMPLETE"]
    found: dict[str, bytes] = {}
    missing = [uuid for uuid in legs.values() if uuid in ended]
    end = time.monotonic() + CDR_PATIENCE_S
    while missing and time.monotonic() < end:
        for uuid in list(missing):
            for path in (folder / f"{uuid}.cdr.json", folder / f"a_{uuid}.cdr.json"):
                if path.is_file() and _whole(content := path.read_bytes()):
                    found[f"{uuid}.cdr.json"] = content
                    missing.remove(uuid)
        time.sleep(0.05 if missing else 0)
    if missing:
        remarks.append(f"{len(missing)} legs have no CDR file in the switch's folder.")
    return found


def _whole(content: bytes) -> bool:
    try:
        json.loads(content.decode("utf-8", "replace"), strict=False)
    except ValueError:
        return False
    return True


def _lines(commands: Iterable[Noted]) -> bytes:
    rows = [{"t_us": one.t_us, "command": one.command, "reply": one.reply} for one in commands]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8", "replace")


def _pretty(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "replace")


def _folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
