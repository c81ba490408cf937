"""`toritsugi simulate check`: does the simulator behave like the real switch of these captured traces?

Enters: folders with traces. Leaves: every difference, and an exit code. Reading is read.py, who called and answered
script.py, how that switch was set up configured.py, the play stage.py, the comparison compare.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import msgspec

from freeswitch.simulator.check import accepted
from freeswitch.simulator.check.compare import Difference, differences
from freeswitch.simulator.check.read import NoTrace, Trace, read
from freeswitch.simulator.check.stage import Stage

EXIT_DIFFERS = 1
EXIT_NO_TRACE = 2


def check(trace: Trace) -> list[Difference]:
    """Plays one trace to the simulator; every difference, also those that are accepted."""
    played = Stage(trace).run()
    found = list(differences(trace, played.events, played.replies, played.before))
    return found + [Difference(trace.name, "play", one, "step", "played", "not played") for one in played.not_played]


def main(folders: Sequence[Path], out: TextIO, notes: TextIO, *, as_json: bool = False) -> int:
    """Checks each trace, or all in a folder of them, and writes what differs; 0 if nothing does, 1 if something does,
    2 if a folder is no trace."""
    allowed, used, differ, broken = accepted.entries(), set[accepted.Accepted](), 0, 0
    for folder in _traces(folders):
        try:
            found = check(read(folder))
        except NoTrace as error:
            print(f"toritsugi: {error}", file=notes)
            broken += 1
            continue
        remaining, needed = accepted.split(found, allowed)
        used |= needed
        differ += bool(remaining)
        for one in remaining:
            print(_json(one) if as_json else _line(one), file=out)
        print(f"{folder.name}: {_verdict(remaining, len(found) - len(remaining))}", file=notes)
    for entry in allowed:
        if entry not in used:
            print(f"accepted, but not met here: {', '.join(entry.headers)}: {entry.reason}", file=notes)
    return EXIT_NO_TRACE if broken else EXIT_DIFFERS if differ else 0


def _traces(folders: Sequence[Path]) -> Iterator[Path]:
    """Each folder that is a trace, or those in it; one without any stands for itself."""
    for folder in folders:
        inside = sorted(one.parent for one in folder.glob("*/scenario.json")) if folder.is_dir() else []
        yield from [folder] if (folder / "scenario.json").exists() or not inside else inside


def _verdict(remaining: Sequence[Difference], allowed: int) -> str:
    text = f"{len(remaining)} differences" if remaining else "agrees"
    return f"{text} ({allowed} accepted)" if allowed else text


def _json(one: Difference) -> str:
    return msgspec.json.encode({name: value for name, value in vars(one).items() if name != "before"}).decode()


def _line(one: Difference) -> str:
    return f"{one.trace}  {one.leg}  {one.at}  {one.header}\n    real:      {one.real}\n    simulated: {one.simulated}"


__all__ = ["Difference", "check", "main"]
