"""Runs the tests with gevent in place, as the services run: `python -m tests [pytest's arguments]`.

Without arguments: all but the browser's, in two processes side by side, so that one computes while the other waits. The
files that use a broker are together in one of them, which starts it once. What they write goes into memory where there
is enough: that files survive a power cut is nothing a test could show.
"""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402

MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 4 << 30


def halves() -> tuple[list[str], list[str]]:
    """The files that have to do with a broker, and the others."""
    files = [one for one in sorted(Path("tests").rglob("test_*.py")) if one.parts[1] != "browser"]
    first = [one for one in files if "broker" in one.read_text(encoding="utf-8")]
    return [str(one) for one in first], [str(one) for one in files if one not in first]


def place() -> str | None:
    """Where the tests' files go; None: where such files go anyway."""
    return str(MEMORY) if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES else None


def side_by_side() -> int:
    """Both halves; what the second says is shown after the first. The worse of both exit codes."""
    with tempfile.TemporaryDirectory(dir=place()) as folder, tempfile.TemporaryFile() as kept:
        Path(folder).chmod(0o711)  # a database server of the tests may run as another user
        environment = {**os.environ, "TMPDIR": folder}
        command = [sys.executable, "-m", "tests"]
        first, second = halves()
        running = [
            subprocess.Popen([*command, *first], env=environment),
            subprocess.Popen([*command, *second], env=environment, stdout=kept, stderr=subprocess.STDOUT),
        ]
        try:
            codes = [one.wait() for one in running]
        finally:
            for one in running:
                one.terminate()
                one.wait()
            kept.seek(0)
            shutil.copyfileobj(kept, sys.stdout.buffer)
    return max(abs(code) for code in codes)


if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:]) if sys.argv[1:] else side_by_side())
