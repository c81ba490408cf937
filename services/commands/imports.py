"""`toritsugi tenants import`: clients out of CSV and Excel, all of them or none, with every error by row.

Enters: files, the stores beside the running processes, the clients' folder. Leaves: clients' files, lines (or JSON
lines), an exit code. What rows mean stands in `services/directory/imports`; who has the files, in `tenant_spread.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from services.commands.beside import Duration, at_console, at_stores, language, opened
from services.commands.revisions import wait
from services.directory import service as directory
from services.directory.imports.carry import MOST_FILES, Outcome, Refused, by_name, carry_out, propose
from services.directory.imports.model import Lang, Made, Proposal
from services.directory.imports.sheets import MOST_BYTES
from services.directory.imports.template import template
from services.runtime import clock
from services.runtime.settings import Settings
from services.runtime.store import Store

_WORDS = {
    "new": ("新規", "new"),
    "completed": ("追加", "completed"),
    "same": ("変更なし", "as it is"),
    "wrong": ("誤りあり", "wrong"),
}


@click.command("import")
@click.argument(
    "files", nargs=-1, metavar="FILE…", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
)
@click.option("--template", "empty", type=click.Path(dir_okay=False, path_type=Path), help="Write an empty workbook.")
@click.option("--dry-run", is_flag=True, help="Show what would be made and every error, and write nothing.")
@click.option("--skip-wrong", is_flag=True, help="Write the clients without errors also where others have some.")
@click.option(
    "--within", type=Duration(), default="60s", show_default=True, help="How long to wait until all work with it."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per note and client, the last sums up.")
@click.option("--lang", type=click.Choice(("ja", "en")), help="Default: as LANG says.")
@at_stores
def import_(
    files: tuple[Path, ...],
    empty: Path | None,
    dry_run: bool,
    skip_wrong: bool,
    within: float,
    as_json: bool,
    lang: Lang | None,
    at: Settings,
) -> None:
    """Make clients' files of FILE…: CSV (UTF-8, Shift_JIS) or Excel (.xlsx) with sheets 顧客, 番号, 回線, 電話帳.

    Nothing is written while one row is wrong, unless --skip-wrong. A client that stands is completed, never changed.
    The same files may be imported again. Exit code 1: something is wrong, or somebody does not work with it in time.
    """
    spoken: Lang = lang or language()
    if empty is not None:
        empty.write_bytes(template(spoken))
        click.echo(empty)
        return
    if not files or len(files) > MOST_FILES:
        raise click.UsageError(f"name 1 to {MOST_FILES} files, or --template FILE.xlsx")
    with opened(at, directory.build()) as store:
        proposal = propose(store, by_name((file.name, _bytes(file)) for file in files))
        to_write = () if dry_run else proposal.to_write(skip_wrong)
        outcome = _carried(store, at, to_write, files, as_json) if to_write else None
    _print(proposal, outcome, spoken, as_json)
    wrong = bool(proposal.errors) or bool(outcome and outcome.left)
    if outcome is None or not outcome.written:
        sys.exit(1 if wrong else 0)
    written = {one.file: one.text for one in to_write if one.text and one.client in outcome.written}
    sys.exit(1 if wait(at, written, within, quiet=as_json) or wrong else 0)


def _bytes(file: Path) -> bytes:
    with file.open("rb") as source:
        return source.read(MOST_BYTES + 1)


def _carried(store: Store, at: Settings, made: tuple[Made, ...], files: tuple[Path, ...], quiet: bool) -> Outcome:
    why = f"import {', '.join(file.name for file in files)}"
    with click.progressbar(length=len(made), label="Clients", file=sys.stderr, hidden=quiet) as bar:
        try:
            return carry_out(store, at.tenants_dir, made, at_console(), why, clock.now_us(), lambda _one: bar.update(1))
        except Refused as refused:
            for problem in refused.problems:
                click.echo(str(problem))
            raise click.ClickException(f"{refused}: nothing was written") from None


def _print(proposal: Proposal, outcome: Outcome | None, lang: Lang, as_json: bool) -> None:
    written = outcome.written if outcome else ()
    left = outcome.left if outcome else {}
    if as_json:
        for line in _json_lines(proposal, written, left, lang):
            click.echo(msgspec.json.encode(line))
        return
    for note in proposal.notes:
        click.echo(note.line(lang))
    for one in proposal.clients:
        state = _WORDS["wrong" if one.wrong else one.what][lang == "en"]
        click.echo(f"{one.client}\t{one.name}\t{state}\t{', '.join(one.numbers)}")
    for client, reason in left.items():
        click.echo(f"{client}: {reason}")
    warnings = len(proposal.notes) - len(proposal.errors)
    sums = (len(proposal.clients), len(proposal.errors), warnings, len(written))
    words = ("{} 件の顧客、誤り {} 件、注意 {} 件。書き込み {} 件", "{} clients, {} errors, {} warnings: {} written")
    click.echo(words[lang == "en"].format(*sums))


def _json_lines(proposal: Proposal, written: tuple[str, ...], left: dict[str, str], lang: Lang) -> list[dict[str, Any]]:
    lines = [note.as_json(lang) for note in proposal.notes]
    for one in proposal.clients:
        lines.append(
            {
                "client": one.client,
                "name": one.name,
                "what": one.what,
                "wrong": one.wrong,
                "written": one.client in written,
                "numbers": list(one.numbers),
                "devices": one.devices,
                "phone_book": len(one.cards),
                "reason": left.get(one.client, ""),
            }
        )
    sums = {"clients": len(proposal.clients), "errors": len(proposal.errors), "written": len(written)}
    return [*lines, sums]
