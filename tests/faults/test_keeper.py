"""A run of faults that is killed in the middle leaves neither folders nor what was mounted in them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import ROOT, until

_RUN = """
import os, signal, sys
from pathlib import Path
from tests.faults.keeper import Keeper
keeper = Keeper()
folder = Path(sys.argv[1])
folder.mkdir()
keeper.owe_removal(folder)
keeper.owe("mv", str(folder / "it's mounted"), str(folder.parent / "unmounted"))
(folder / "it's mounted").touch()
os.kill(os.getpid(), getattr(signal, sys.argv[2]))
"""


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_what_is_owed_is_done_the_last_thing_first_however_a_run_ends(tmp_path: Path, how: str) -> None:
    run = subprocess.run([sys.executable, "-c", _RUN, str(tmp_path / "run"), how], cwd=ROOT, check=False)
    assert run.returncode < 0
    until(lambda: not (tmp_path / "run").exists())
    assert (tmp_path / "unmounted").exists()
