"""`make audit`: are weaknesses known of the packages that the locks name? Asks the advisory services by pip-audit.

Enters: the wider lock, which holds all of the other, and `deploy/audit-ignore.toml`. Leaves: a line per weakness, and
how many packages nobody could be asked about. Exit code 1: a weakness; 2, with --strict: not everything could be asked.
"Could not ask" is never called "nothing found": pip-audit itself ends with 0 when its service knows no package.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "deploy" / "requirements-dev.lock"
IGNORED = ROOT / "deploy" / "audit-ignore.toml"
WAIT_S = 120
SERVICES = (("-s", "pypi"), ("-s", "osv"))


@dataclass(frozen=True)
class Ignored:
    """A weakness that does not concern us, why, and until when somebody stands for that."""

    id: str
    reason: str
    until: date


@dataclass(frozen=True)
class Weakness:
    """One advisory about one package."""

    package: str
    version: str
    ids: frozenset[str]
    mended_in: str

    def __str__(self) -> str:
        return (
            f"{self.package} {self.version}: {', '.join(sorted(self.ids))}; mended in {self.mended_in or 'no version'}"
        )


def ignored(file: Path) -> tuple[Ignored, ...]:
    """`[[ignore]]` tables with id, reason and until. Raises KeyError, TypeError, tomllib.TOMLDecodeError."""
    tables = tomllib.loads(file.read_text(encoding="utf-8")).get("ignore", [])
    return tuple(Ignored(one["id"], one["reason"], one["until"]) for one in tables)


def ask(lock: Path, service: Sequence[str]) -> tuple[dict[str, str], list[Weakness]]:
    """What pip-audit came to: package -> why nothing is known of it, and weaknesses. Empty answers are no answers."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(lock), "--disable-pip", "--require-hashes", *service]
    options = ["-f", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        told = subprocess.run([*command, *options], capture_output=True, text=True, timeout=WAIT_S)
        dependencies = json.loads(told.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return dict.fromkeys(packages(lock), "the service was not reached"), []
    unknown = {one["name"]: one["skip_reason"] for one in dependencies if "skip_reason" in one}
    asked = {one["name"] for one in dependencies}
    unknown |= {name: "left out of the answer" for name in packages(lock) if name not in asked}
    found = [
        Weakness(
            one["name"], one["version"], frozenset([each["id"], *each["aliases"]]), ", ".join(each["fix_versions"])
        )
        for one in dependencies
        for each in one.get("vulns", ())
    ]
    return unknown, found


def packages(lock: Path) -> list[str]:
    """Names in a lock file."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return [line.partition("==")[0] for line in lines if "==" in line and line[:1].isalnum()]


def judge(
    unknown: Iterable[str], found: Iterable[Weakness], known: Sequence[Ignored], today: date, strict: bool
) -> tuple[int, list[str]]:
    """Exit code, and what to say."""
    live = {one.id for one in known if one.until >= today}
    stale = [one for one in known if one.until < today]
    bad = [one for one in dict.fromkeys(found) if not one.ids & live]
    missing = sorted(set(unknown))
    lines = [f"weakness: {one}" for one in bad]
    lines += [f"ignored until {one.until}, which is over: {one.id} ({one.reason})" for one in stale]
    if missing:
        names = ", ".join(missing[:4]) + (", …" if len(missing) > 4 else "")
        lines.append(f"could not ask about {len(missing)} packages, nothing is known of them: {names}")
    if not lines:
        lines.append("no weakness is known of any package")
    return 1 if bad or stale else 2 if missing and strict else 0, lines


@click.command()
@click.option("--strict", is_flag=True, help="Exit code 2 if not everything could be asked.")
def main(strict: bool) -> None:
    """Ask whether weaknesses are known of the packages in deploy/*.lock."""
    unknown, found = ask(LOCK, SERVICES[0])
    if unknown:
        again, more = ask(LOCK, SERVICES[1])
        unknown, found = {name: why for name, why in unknown.items() if name in again}, found + more
    code, lines = judge(unknown, found, ignored(IGNORED), datetime.now(UTC).date(), strict)
    for line in lines:
        click.echo(f"audit: {line}")
    sys.exit(code)


if __name__ == "__main__":
    main()
