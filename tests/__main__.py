"""Runs the tests with gevent in place, as the services run: `python -m tests [pytest's arguments]`.

Without arguments: all but the browser's, in parts of which four run side by side, so that one computes while others
wait; each part's output is shown when it ends. The files that use a broker are together in two of them, each of which
starts its own once. What they write goes into memory where there is enough: that files survive a power cut is nothing
a test could show.
"""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

import gevent.pool  # noqa: E402
import pytest  # noqa: E402

from tests.memory import place  # noqa: E402

AT_ONCE = 4


def parts() -> list[list[str]]:
    """Files that have to do with a broker: those in which a house hears of calls, the others; files without one."""
    files = [one for one in sorted(Path("tests").rglob("test_*.py")) if one.parts[1] != "browser"]
    brokers = [one for one in files if "broker" in one.read_text(encoding="utf-8")]
    whole = [one for one in brokers if one.parts[1] == "integration" and one.name != "test_run.py"]
    rest = [one for one in brokers if one not in whole]
    without = [one for one in files if one not in brokers]
    return [[str(one) for one in some] for some in (whole, rest, *(without[first::4] for first in range(4)))]


def side_by_side() -> int:
    """All parts. The worst of their exit codes."""
    with tempfile.TemporaryDirectory(dir=place()) as folder:
        Path(folder).chmod(0o711)  # a database server of the tests may run as another user
        environment = {**os.environ, "TMPDIR": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of some hundred processes compiles the house anew

        def run(files: list[str]) -> int:
            command = [sys.executable, "-m", "tests", "--durations=10", *files]
            with tempfile.TemporaryFile() as kept:
                ended = subprocess.run(command, env=environment, stdout=kept, stderr=subprocess.STDOUT, check=False)
                kept.seek(0)
                shutil.copyfileobj(kept, sys.stdout.buffer)
                sys.stdout.flush()
            return abs(ended.returncode)

        codes: list[int] = list(gevent.pool.Pool(AT_ONCE).imap_unordered(run, parts()))
    return max(codes)


if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:]) if sys.argv[1:] else side_by_side())
