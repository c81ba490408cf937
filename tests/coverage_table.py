"""`make coverage-table`: which test shows which row of docs/requirements.md.

Enters: the rows, and the marks `@pytest.mark.requirement("R1")` of all tests (collected, not run). Leaves: a line per
row, `R1<TAB>nodeid nodeid…` or `R1<TAB>-`, then `covered N of 95`. A mark that names no row is an error.
"""

from gevent import monkey

monkey.patch_all()

import contextlib  # noqa: E402
import io  # noqa: E402
import re  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402

ROWS = Path(__file__).parents[1] / "docs" / "requirements.md"
_ROW = re.compile(r"^\| ([A-Z][0-9]+) \|", re.MULTILINE)


class Marks:
    """A pytest plug-in that notes who names which row."""

    def __init__(self) -> None:
        self.tests: dict[str, list[str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for mark in item.iter_markers("requirement"):
                for row in mark.args:
                    test = item.nodeid.partition("[")[0]  # one entry for all its parameters
                    if test not in self.tests.setdefault(str(row), []):
                        self.tests[str(row)].append(test)


def rows(text: str) -> list[str]:
    """The ids of the requirement list, in its order. Raises ValueError if one stands twice."""
    found = _ROW.findall(text)
    if len(found) != len(set(found)):
        raise ValueError("an id stands twice in the requirement list")
    return found


def table(ids: list[str], tests: dict[str, list[str]]) -> list[str]:
    """The lines to print."""
    lines = [f"{row}\t{' '.join(tests.get(row, [])) or '-'}" for row in ids]
    return [*lines, f"covered {sum(row in tests for row in ids)} of {len(ids)}"]


def main() -> int:
    """Collect and print. Exit code 1 if tests could not be collected or a mark names no row."""
    marks, noise = Marks(), io.StringIO()
    with contextlib.redirect_stdout(noise):
        code = pytest.main(
            ["--collect-only", "-q", "--strict-markers", str(ROWS.parents[1] / "tests")], plugins=[marks]
        )
    if code != pytest.ExitCode.OK:
        sys.stderr.write(noise.getvalue())
        return 1
    ids = rows(ROWS.read_text(encoding="utf-8"))
    sys.stdout.write("\n".join(table(ids, marks.tests)) + "\n")
    strange = sorted(set(marks.tests) - set(ids))
    if strange:
        sys.stderr.write(f"no such row: {', '.join(strange)}\n")
    return 1 if strange else 0


if __name__ == "__main__":
    sys.exit(main())
