"""A captured trace as it lies in a folder: events, commands with replies, the lines of SIP, who is who.

Enters: a folder with events.jsonl (or only events.plain), commands.jsonl, scenario.json; tests/traces/README.md tells
their format. Leaves: one frozen value. What the far ends did is worked out by script.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freeswitch.simulator.esl.wire import Value
from services.eventsocket.frames import BrokenFrame, FrameReader, event_of

Headers = Mapping[str, Value]


class NoTrace(Exception):
    """The folder does not hold a trace; the text says what is missing or broken."""


@dataclass(frozen=True)
class Step:
    """One line of scenario.json."""

    at_us: int
    """Since the start of the trace."""
    text: str


@dataclass(frozen=True)
class Said:
    """A command and what the switch replied."""

    at_us: int
    """Epoch, by the recorder's clock."""
    command: str
    reply: str


@dataclass(frozen=True)
class Trace:
    """One captured scenario."""

    name: str
    events: tuple[Headers, ...]
    """In the order of the wire; a header that came several times, or an array, is a list."""
    commands: tuple[Said, ...]
    sip: tuple[Step, ...]
    notes: tuple[Step, ...]
    """What happened to the connection or the switch itself, in parentheses in the trace."""
    roles: Mapping[str, str]
    """Leg -> role."""
    start_us: int
    """The epoch of the steps' zero."""

    @property
    def end_us(self) -> int:
        """The last moment of which the trace tells."""
        last = [step.at_us + self.start_us for step in (*self.sip, *self.notes)]
        last += [said.at_us for said in self.commands] + [stamp_us(event) for event in self.events]
        return max(last, default=self.start_us)


def text(event: Headers, name: str) -> str:
    """One header; empty where it is absent or a list."""
    value = event.get(name, "")
    return value if isinstance(value, str) else ""


def stamp_us(event: Headers) -> int:
    """When the switch stamped the event."""
    return int(text(event, "Event-Date-Timestamp") or "0")


def read(folder: Path) -> Trace:
    """The trace in this folder. Raises NoTrace."""
    try:
        events = _told(folder)
        scenario = json.loads((folder / "scenario.json").read_bytes())
        said = folder / "commands.jsonl"
        commands = said.read_bytes() if said.exists() else b""
        return _trace(folder.name, events, commands, scenario)
    except OSError as error:
        raise NoTrace(f"{folder}: {error.strerror}: {error.filename}") from None
    except BrokenFrame as error:
        raise NoTrace(f"{folder}: events.plain: {error}") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise NoTrace(f"{folder}: not a trace: {error}") from None


def _told(folder: Path) -> tuple[Headers, ...]:
    """The events of events.jsonl; where there is no such file those of events.plain, which tells the same."""
    lines, frames = folder / "events.jsonl", folder / "events.plain"
    if lines.exists() or not frames.exists():
        return tuple(_events(lines.read_bytes()))
    reader = FrameReader()
    reader.feed(frames.read_bytes())
    return tuple(_as_it_was(event_of(frame)) for frame in reader.frames() if frame.is_event)


# The switch leaves a % alone where two hexadecimal digits follow (switch_url_encode), so that of 1001%127.0.0.1 a
# control character is left; none of those is in what the switch says.
NOT_ENCODED = {code: f"%{code:02x}" for code in range(32) if chr(code) not in "\t\r\n"}


def _as_it_was(event: Headers) -> Headers:
    return {
        name: value.translate(NOT_ENCODED) if isinstance(value, str) else [one.translate(NOT_ENCODED) for one in value]
        for name, value in event.items()
    }


def trace(name: str, events: bytes, commands: bytes, scenario: Mapping[str, Any]) -> Trace:
    """A trace from the contents of its files. Raises ValueError, LookupError, TypeError, AttributeError where they are
    broken.
    """
    return _trace(name, tuple(_events(events)), commands, scenario)


def _trace(name: str, told: tuple[Headers, ...], commands: bytes, scenario: Mapping[str, Any]) -> Trace:
    if not told:
        raise ValueError("no events")
    said = tuple(Said(int(one["t_us"]), str(one["command"]), str(one["reply"])) for one in _lines(commands))
    steps = [(str(one["kind"]), Step(round(one["t_ms"] * 1000), str(one["text"]))) for one in scenario["steps"]]
    sip = tuple(step for kind, step in steps if kind == "sip")
    sent = [step for kind, step in steps if kind == "esl"]
    return Trace(
        name=name,
        events=told,
        commands=said,
        sip=sip,
        notes=tuple(step for step in sent if step.text.startswith("(")),
        roles={str(leg): str(role) for role, leg in (scenario.get("legs") or {}).items()},
        start_us=_start_us(told, said, sip, [step for step in sent if not step.text.startswith("(")]),
    )


def _lines(raw: bytes) -> Iterator[Any]:
    for line in raw.split(b"\n"):
        if line.strip():
            yield json.loads(line.decode("utf-8", "surrogateescape"), strict=False)


def _events(raw: bytes) -> Iterator[Headers]:
    for line in raw.split(b"\n"):
        if line.strip():
            event = json.loads(line.decode("utf-8", "surrogateescape"), strict=False, object_pairs_hook=_headers)
            if not isinstance(event, dict):
                raise ValueError(f"no event: {line[:40]!r}")
            yield event


def _headers(pairs: list[tuple[str, Any]]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, value in pairs:
        found[name] = [str(one) for one in value] if isinstance(value, list) else str(value)
    return found


def _start_us(events: tuple[Headers, ...], said: tuple[Said, ...], sip: tuple[Step, ...], sent: list[Step]) -> int:
    """The steps count from a moment of the recorder's clock, which the commands show; without any, the first call does.

    A stamp of the switch lags the recorder's clock by up to 20 ms (one tick of its timer).
    """
    if said and sent:
        return said[0].at_us - sent[0].at_us
    arrived = [stamp_us(event) for event in events if text(event, "Event-Name") == "CHANNEL_CREATE"]
    invites = [step.at_us for step in sip if " -> INVITE " in step.text]
    if arrived and invites:
        return arrived[0] - invites[0]
    return min((stamp_us(event) for event in events), default=0)


__all__ = ["Headers", "NoTrace", "Said", "Step", "Trace", "read", "stamp_us", "text", "trace"]
