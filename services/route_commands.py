"""`toritsugi route explain`: what would become of a call, without a call (R33).

Enters: what is typed, the clients in force (or the files of a folder). Leaves: each rule that was looked at and where
the call would go, as lines or JSON, and an exit code. The rules are routing's, the page is `directory/explaining`.
"""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from services.beside import ask, at_stores, language
from services.directory import service as directory
from services.directory.explaining.asking import Answer, CannotAsk, Question, asked, called
from services.directory.tenants.problems import errors
from services.directory.tenants.settle import InForce, settle
from services.directory.tenants.words import Lang
from services.directory.tenants.yaml_files import read_folder
from services.routing.explain import explain
from services.routing.numbers import domestic
from services.runtime import clock
from services.runtime.settings import Settings

_WRONG = {
    "caller": "FROM: {!r} is not allowed; allowed: a number, withheld, unknown, or CLIENT/ID for a phone of a client",
    "dialled": "TO: {!r} is not allowed; allowed: a number; for CLIENT/ID also a name inside the house",
    "at": '--at: {!r} is not allowed; allowed: "2026-11-22 10:00", where the client is',
    "phone": "FROM: {!r} is no phone of this client; allowed: CLIENT/ID as in its file",
}


@click.group()
def route() -> None:
    """Where calls go."""


@route.command("explain")
@click.argument("from_", metavar="FROM")
@click.argument("to", metavar="TO")
@click.option("--at", "when", default="", help='"2026-11-22 10:00", where the client is (default: now).')
@click.option(
    "--with", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Ask these files."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--lang", type=click.Choice(("ja", "en")), help="Default: as LANG says.")
@at_stores
def route_explain(
    from_: str, to: str, when: str, folder: Path | None, as_json: bool, lang: Lang | None, at: Settings
) -> None:
    """Print where a call FROM somebody TO a number would go, each rule that was looked at, and why it held.

    FROM: a number, `withheld`, `unknown`, or CLIENT/ID for a phone of a client. It reads what is in force, or, by
    --with, a folder of files that nobody has applied.
    """
    now = ask(at, directory.build(), directory.in_force) if folder is None else _draft(folder)
    try:
        answer = _answer(now, from_, to, when, lang or language())
    except CannotAsk as wrong:
        raise click.UsageError(_WRONG[wrong.field].format(wrong.value)) from None
    if as_json:
        click.echo(msgspec.json.encode(answer))
        return
    client = f"{answer.tenant} {answer.name}" if answer.tenant else "-"
    click.echo(f"{answer.caller} → {answer.dialled}  {answer.at}  {client}")
    for position, reason in enumerate(answer.why, 1):
        click.echo(f"  {position}. {reason}")
    click.echo(f"→ {answer.words}")


def _draft(folder: Path) -> InForce:
    """What the folder would be in force by itself. Raises ClickException for its mistakes."""
    settled = settle(read_folder(folder), InForce())
    if wrong := errors(settled.problems):
        raise click.ClickException("\n".join(str(problem) for problem in wrong))
    return InForce(settled.platform, settled.tenants)


def _answer(now: InForce, from_: str, to: str, when: str, lang: Lang) -> Answer:
    if now.platform is None:
        raise click.ClickException("no platform.yaml is in force: nobody's calls go anywhere yet")
    client, _, phone = from_.partition("/")
    dialled = domestic(called(to, phone))
    if phone:
        held = now.tenants.get(client)
        if held is None:
            raise CannotAsk("phone", from_)
    else:
        held = next((one for one in now.tenants.values() if dialled in {e.number for e in one.body.numbers}), None)
    question = Question(dialled, "" if phone or from_ == "unknown" else from_, phone, when)
    tenant = held.body if held is not None else None
    return asked(question, tenant, now.platform, now.suspended, explain, clock.now_us(), lang)
