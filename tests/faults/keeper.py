"""Cleans up after a run of faults however that ends, kill -9 included: a shell that outlives it for a moment.

Enters: commands, each as soon as there is something to undo. Leaves: nothing. They are run, the last one first, when
whoever owed them says so or is gone. Processes end by themselves then (`setpriv --pdeathsig`, `nursery.py`).
"""

from __future__ import annotations

import shlex
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType

_SHELL = """\
trap '' HUP INT TERM
owed=
while IFS= read -r one; do owed="$one
$owed"; done
eval "$owed"
"""
_REMOVE = 'for try in 1 2 3 4 5 6 7 8 9; do rm -rf "$0" && break; sleep 1; done'
"""A server that was told to end may still write there."""


class Keeper:
    """Within, things may be owed; at its end they are done."""

    def __init__(self) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _SHELL],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def owe(self, *command: str) -> None:
        """This is to be run at the end."""
        assert self._shell.stdin is not None
        self._shell.stdin.write(shlex.join(command) + "\n")
        self._shell.stdin.flush()

    def owe_removal(self, folder: Path) -> None:
        """This folder is to go, with all that is in it."""
        self.owe("/bin/sh", "-c", _REMOVE, str(folder))

    def __enter__(self) -> Keeper:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._shell.stdin is not None
        with suppress(BrokenPipeError):
            self._shell.stdin.close()
        self._shell.wait()
