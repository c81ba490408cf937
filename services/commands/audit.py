"""`toritsugi audit`: is the audit log whole, and its entries for whoever must see them.

Enters: which store, which entries. Leaves: JSON lines or CSV on stdout, an exit code. It works beside the running
processes. What an entry is stands in `directory/audit/rows.py` and `directory/audit/chain.py`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import datetime

import click
import msgspec

from services.commands.beside import TRIES, at_console, at_stores, opened
from services.directory import service as directory
from services.directory.audit.chain import Whole, check
from services.directory.audit.files import as_csv, as_json_lines
from services.directory.audit.rows import Wanted, erase, oldest_first
from services.directory.days import JAPAN
from services.runtime import clock
from services.runtime.settings import Settings


class Moment(click.ParamType[int]):
    """`2026-11-22` or `2026-11-22 10:00`, in Japan, as epoch microseconds."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Raises BadParameter."""
        if isinstance(value, int):
            return value
        try:
            told = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{str(value)[:40]!r} is no day or moment such as 2026-11-22 or '2026-11-22 10:00'", param, ctx)
        return int((told if told.tzinfo else told.replace(tzinfo=JAPAN)).timestamp() * 1_000_000)


def _a_head(_context: click.Context, _option: click.Parameter, head: str) -> str:
    if head and re.fullmatch(r"\d{1,18}:[0-9a-f]{64}", head) is None:
        raise click.BadParameter("a head is what `audit check` printed: 12:3f… with 64 letters")
    return head


@click.group()
def audit() -> None:
    """Who changed or looked at what, and when."""


@audit.command("check")
@click.option(
    "--head", default="", callback=_a_head, help="What an earlier check printed: it must still be in the log."
)
@at_stores
def audit_check(at: Settings, head: str) -> None:
    """Say whether the log is whole, or name the first entry that is missing or was changed.

    Prints a JSON object; exit code 1: it is not whole. Keep the printed `head` elsewhere: whoever can write to the
    database could cut off the end of the log, which only an earlier head shows.
    """
    with opened(at, directory.build()) as store:
        verdict = check(oldest_first(store), head)
    click.echo(msgspec.json.encode(verdict))
    sys.exit(0 if isinstance(verdict, Whole) else 1)


@audit.command("export")
@click.option("--since", type=Moment(), help="2026-11-22 or '2026-11-22 10:00', in Japan.")
@click.option("--until", type=Moment(), help="Exclusive.")
@click.option("--tenant", default="", help="Entries of one client.")
@click.option("--who", default="", help="Entries of one person.")
@click.option("--format", "kind", type=click.Choice(("jsonl", "csv")), default="jsonl", show_default=True)
@at_stores
def audit_export(at: Settings, since: int | None, until: int | None, tenant: str, who: str, kind: str) -> None:
    """Print entries, oldest first: one JSON object per line, or CSV that spreadsheets open as text."""
    wanted = Wanted(tenant=tenant, who=who, since_us=since, until_us=until)
    with opened(at, directory.build()) as store:
        found = oldest_first(store, wanted)
        lines: Iterator[str] = as_csv(found) if kind == "csv" else as_json_lines(found)
        for line in lines:
            click.echo(line, nl=False)


@audit.command("erase")
@click.argument("tenant")
@click.option("--before", "before_us", type=Moment(), required=True, help="Entries of this moment and later stay.")
@at_stores
def audit_erase(at: Settings, tenant: str, before_us: int) -> None:
    """Erase what TENANT's older entries say about whom or what; who, when and which kind of change stay.

    It cannot be taken back, and is an entry itself; `audit check` still holds.
    """
    with opened(at, directory.build()) as store:
        count = store.run(lambda tx: erase(tx, at_console(), tenant, before_us, clock.now_us()), TRIES)
    click.echo(f"{count} entries", err=True)
