"""Where files of tests go: into memory, if there is enough of it.

Enters: nothing but TMPDIR. Leaves: a folder, or None for the usual one. That files survive a power cut is nothing a
test could show, and syncing them is what much of its time would go into.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 4 << 30


def place() -> str | None:
    """The folder in memory; None: not enough there, or somebody has chosen another."""
    if "TMPDIR" in os.environ:
        return None
    return str(MEMORY) if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES else None
