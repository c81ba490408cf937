"""`toritsugi tenants apply|history|show|undo|export`: what the clients' files were, and bringing a text into force.

Enters: what is typed, the stores beside the running processes, the clients' folder. Leaves: files, lines and an exit
code. How a text is checked, noted and written stands in `directory/tenants/changing.py`; who has it, in
`tenant_spread.py`.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

import click
import msgspec

from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.values import PLATFORM_TENANT, to_datetime
from services.commands.beside import Duration, ask, at_console, at_stores, opened
from services.commands.spread import behind
from services.directory import service as directory
from services.directory.tenants import texts
from services.directory.tenants.changing import Refused, put, take_back
from services.directory.tenants.documents import PLATFORM_FILE
from services.directory.tenants.problems import on_one_line
from services.directory.tenants.writing import differing, replace_file, texts_of
from services.directory.tenants.yaml_files import parse, stamps
from services.runtime import clock
from services.runtime.settings import Settings
from services.runtime.store import Tx

_within = click.option(
    "--within",
    type=Duration(),
    default="30s",
    show_default=True,
    help="How long to wait until everybody works with it.",
)
_why = click.option("--why", default="", help="Kept in the history, for whoever looks later.")
_client = click.argument("client", callback=lambda _c, _p, name: PLATFORM_TENANT if name == "platform" else name)


@click.command("apply")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=False)
@_why
@_within
@at_stores
def apply(folder: Path | None, why: str, within: float, at: Settings) -> None:
    """Bring the files of FOLDER into the clients' folder and into force; without FOLDER, wait for what stands there.

    All of them, or none if one is wrong; what FOLDER does not hold stays. Returns when directory, every service and
    every switch works with it. Exit code 1: something is wrong, or somebody is not so far within the time and is named.
    """
    target = at.tenants_dir
    new = texts_of(folder or target, sorted(stamps(folder or target)))
    changed = differing(target, new)
    with opened(at, directory.build()) as store:
        try:
            put(store, target, new, at_console(), why, clock.now_us())
        except Refused as refused:
            _refuse(refused)
    for name in changed:
        click.echo(f"{name} written")
    _wait(at, new, within)


@click.command("undo")
@_client
@click.option("--to", type=click.IntRange(1), help="A number of `history` (default: the one before).")
@click.option("--force", is_flag=True, help="Also over what somebody changed in the file and has not taken effect.")
@_why
@_within
@at_stores
def undo(client: str, to: int | None, force: bool, why: str, within: float, at: Settings) -> None:
    """Write an earlier text of CLIENT's file (or of `platform`) again, and wait until everybody works with it.

    Once more takes that back. People, passwords and numbers in stock are no part of it. Exit codes as of `apply`.
    """
    with opened(at, directory.build()) as store:
        try:
            found = take_back(store, at.tenants_dir, client, to, at_console(), why, clock.now_us(), force)
        except Refused as refused:
            _refuse(refused)
    file, number = found
    click.echo(f"{file} is as in revision {number} again")
    _wait(at, {file: (at.tenants_dir / file).read_bytes()}, within)


@click.command("history")
@_client
@click.option("--json", "as_json", is_flag=True, help="One JSON object per revision.")
@at_stores
def history(client: str, as_json: bool, at: Settings) -> None:
    """Show what CLIENT's file (or `platform`) was: newest first, with number, time, who and why."""
    found = ask(at, directory.build(), lambda tx: list(texts.history(tx, client)))
    if not found:
        raise click.ClickException(f"no text of {client} is kept")
    for entry in found:
        if as_json:
            click.echo(msgspec.json.encode(entry))
            continue
        when = _here(entry.at_us).strftime("%Y-%m-%d %H:%M:%S")
        what = " (ended)" if entry.gone else ""
        click.echo(on_one_line(f"{entry.number:>4}  {when}  {entry.who}{what}  {entry.why}".rstrip()))


@click.command("show")
@_client
@click.option("--revision", type=click.IntRange(1), help="A number of `history` (default: what is in force).")
@at_stores
def show(client: str, revision: int | None, at: Settings) -> None:
    """Print the text of CLIENT's file (or `platform`) as it took effect."""

    def find(tx: Tx) -> tuple[texts.Entry, bytes] | None:
        last = texts.latest(tx, client)
        return None if last is None else texts.text_of(tx, client, revision or last.number)

    found = ask(at, directory.build(), find)
    if found is None:
        raise click.ClickException(f"no text of {client} is kept" + (f" as revision {revision}" if revision else ""))
    click.echo(found[1], nl=False)


@click.command("export")
@click.argument("target", type=click.Path(path_type=Path))
@at_stores
def export(target: Path, at: Settings) -> None:
    """Write every file that is in force, platform.yaml too, into TARGET: a new zip file, or an empty folder."""
    files = ask(at, directory.build(), texts.in_force)
    if not files:
        raise click.ClickException("no text is kept: no process has read the clients' folder yet")
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name, text)
    else:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise click.ClickException(f"{target} is not empty")
        for name, text in files.items():
            replace_file(target / name, text)
    click.echo(f"{len(files)} files in {target}")


def _wait(at: Settings, new: dict[str, bytes], within_s: float) -> NoReturn:
    sys.exit(1 if wait(at, new, within_s) else 0)


def wait(at: Settings, new: dict[str, bytes], within_s: float, quiet: bool = False) -> bool:
    """Whether somebody does not work with these texts within the time: named, as what is wrong with them is."""
    wanted: dict[str, str] = {}
    for name, text in new.items():
        kind: type[Tenant | Platform] = Platform if name == PLATFORM_FILE else Tenant
        document, problems = parse(kind, text, name)
        for problem in problems:
            click.echo(str(problem))
        if document is not None:
            body = document.body
            wanted[body.tenant if isinstance(body, Tenant) else PLATFORM_TENANT] = document.revision
    missing = behind(at, wanted, within_s)
    for one in missing:
        click.echo(f"not within {within_s:g} s: {one}", err=True)
    if not missing and not quiet:
        click.echo(f"in force: {', '.join(wanted)}")
    return bool(missing) or len(wanted) < len(new)


def _refuse(refused: Refused) -> NoReturn:
    for problem in refused.problems:
        click.echo(str(problem))
    raise click.ClickException(f"{refused}: nothing was written")


def _here(at_us: int) -> datetime:
    return to_datetime(at_us).astimezone(ZoneInfo("Asia/Tokyo"))


COMMANDS: Iterable[click.Command] = (apply, undo, history, show, export)
