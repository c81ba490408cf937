"""`toritsugi tenants`: check, compare, apply, look back at and take back the clients' files.

Enters: what is typed, a folder, the stores beside the running processes. Leaves: lines (or JSON lines) and an exit
code. What the files mean stands in `services/directory`; where calls would go, in routing's `explain`.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import msgspec

from proto.contract import FILES, editor_schema
from proto.values import to_datetime
from services.commands.beside import ask, at_stores, language
from services.commands.imports import import_
from services.commands.revisions import COMMANDS
from services.directory import service as directory
from services.directory.tenants import check_command, plan_command
from services.directory.tenants.applied import applied
from services.directory.tenants.words import Lang
from services.directory.tenants.yaml_files import read_folder
from services.routing.explain import explain
from services.runtime import clock
from services.runtime.settings import Settings


@click.group()
def tenants() -> None:
    """The clients' files."""


@tenants.command("check")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Problems as JSON lines.")
def tenants_check(folder: Path, as_json: bool) -> None:
    """Read all files of FOLDER, name every mistake by file, line and key, and run the tests inside the files."""
    sys.exit(check_command.main(folder, explain, sys.stdout, sys.stderr, as_json, _today()))


@tenants.command("schema")
@click.argument("of", type=click.Choice(tuple(FILES)), default="tenant")
def tenants_schema(of: str) -> None:
    """Print the JSON Schema of a client's file, or of platform.yaml, for an editor that helps while one writes.

    Put `# yaml-language-server: $schema=tenant.json` into the first line of a file. What the values mean together only
    `check` knows.
    """
    click.echo(msgspec.json.format(msgspec.json.encode(editor_schema(FILES[of], of)), indent=2))


_folder = click.argument(
    "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=False, metavar="[FOLDER]"
)


@tenants.command("plan")
@_folder
@click.option("--json", "as_json", is_flag=True, help="One JSON object per problem and client.")
@click.option("--lang", type=click.Choice(("ja", "en")), help="Default: as LANG says.")
@at_stores
def tenants_plan(folder: Path | None, as_json: bool, lang: Lang | None, at: Settings) -> None:
    """Show what FOLDER (default: the clients' folder) would change: which keys, and which calls would go elsewhere.

    Calls are asked of the same rules that decide them, at every time that stands in a file. It changes nothing. Exit
    code 1 if a file has errors.
    """
    now = ask(at, directory.build(), directory.in_force)
    files = read_folder(folder or at.tenants_dir)
    sys.exit(plan_command.main(files, now, explain, sys.stdout, _today(), lang or language(), as_json))


def _today() -> date:
    return to_datetime(clock.now_us()).astimezone(ZoneInfo("Asia/Tokyo")).date()


@tenants.command("applied")
@at_stores
def tenants_applied(at: Settings) -> None:
    """Show which switch works with which client's revision, and what of it got no place there: a JSON object a line.

    Exit code 1 if a switch that ever reported is behind: its callers may still meet what held before.
    """
    found = ask(at, directory.build(), applied)
    for one in found:
        click.echo(msgspec.json.encode(one))
    sys.exit(0 if all(one.in_force for one in found) else 1)


for command in (*COMMANDS, import_):
    tenants.add_command(command)
