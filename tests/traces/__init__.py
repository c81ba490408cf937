"""The captured traces of a real FreeSWITCH 1.11, packed, and their loader.

Enters: captured.tar.xz and further.tar.xz, recorded as the product runs the switch (README.md beside this file).
Leaves: one frozen value per trace. What each of captured.tar.xz must come to in our services stands in NN.yaml;
further.tar.xz is for the simulator only.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
CAPTURED, FURTHER_PACKED = "captured.tar.xz", "further.tar.xz"


@dataclass(frozen=True)
class Command:
    """What the recorder sent, when (epoch µs, wall clock of the recorder), and what the switch replied."""

    t_us: int
    command: str
    reply: str


@dataclass(frozen=True)
class Trace:
    """One captured scenario."""

    number: int
    name: str
    plain: bytes
    """ESL frames of an `event plain` connection, exactly as received."""
    json_lines: bytes
    """The same events of an `event json` connection, one object per line; not always valid UTF-8."""
    commands: tuple[Command, ...]
    scenario: dict[str, Any]
    cdrs: dict[str, bytes]
    """Leg uuid -> the switch's own CDR (mod_json_cdr)."""


@cache
def _files(packed: str) -> dict[str, bytes]:
    with tarfile.open(_HERE / packed, "r:xz") as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}  # type: ignore[union-attr]


@cache
def names(packed: str = CAPTURED) -> dict[int, str]:
    """Number -> folder name of every trace."""
    folders = {name.split("/")[0] for name in _files(packed) if "/" in name}
    return dict(sorted((int(folder.partition("-")[0]), folder) for folder in folders))


def load(number: int) -> Trace:
    """The trace with this number. Raises KeyError if there is none."""
    packed = CAPTURED if number in names() else FURTHER_PACKED
    files, folder = _files(packed), names(packed)[number]
    commands = files.get(f"{folder}/commands.jsonl", b"").decode()
    prefix = f"{folder}/cdr/"
    return Trace(
        number=number,
        name=folder,
        plain=files[f"{folder}/events.plain"],
        json_lines=files[f"{folder}/events.jsonl"],
        commands=tuple(Command(**json.loads(line)) for line in commands.splitlines()),
        scenario=json.loads(files[f"{folder}/scenario.json"]),
        cdrs={
            name.removeprefix(prefix).removesuffix(".cdr.json"): body
            for name, body in files.items()
            if name.startswith(prefix)
        },
    )


ALL: tuple[int, ...] = tuple(names())
FURTHER: tuple[int, ...] = tuple(names(FURTHER_PACKED))
