"""`toritsugi route`: what would become of a call, and of yesterday's calls under other files, without a call (R33).

Enters: what is typed, the clients in force, the files of a folder, history's calls. Leaves: each rule that was looked
at and where the call would go; or which calls would go elsewhere and at what cost. Lines or JSON, and an exit code. The
rules are routing's, the prices billing's, the page is `directory/explaining`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import msgspec

from proto.events import LegEnded
from proto.tenant import Tenant
from proto.values import Party, to_datetime
from services.billing.rate import ZERO, rate
from services.commands.beside import Duration, ask, at_console, at_stores, language
from services.directory import service as directory
from services.directory.explaining.asking import HOME_TIMEZONE, Answer, CannotAsk, Question, asked, called
from services.directory.explaining.replaying import Moved, Rules, moved
from services.directory.tenants.problems import errors, on_one_line
from services.directory.tenants.settle import InForce, settle
from services.directory.tenants.words import Lang
from services.directory.tenants.yaml_files import read_folder
from services.history import service as histories
from services.history.arrivals import Arrived, arrivals
from services.history.reads import ALL_CLIENTS, note_access
from services.routing.explain import explain
from services.routing.numbers import domestic
from services.runtime import clock
from services.runtime.settings import Settings
from services.runtime.store import Tx
from services.runtime.telephone import written

_WRONG = {
    "caller": "FROM: {!r} is not allowed; allowed: a number, withheld, unknown, or CLIENT/ID for a phone of a client",
    "dialled": "TO: {!r} is not allowed; allowed: a number; for CLIENT/ID also a name inside the house",
    "at": '--at: {!r} is not allowed; allowed: "2026-11-22 10:00", where the client is',
    "phone": "FROM: {!r} is no phone of this client; allowed: CLIENT/ID as in its file",
}

PROGRESS_EVERY = 10_000


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
    click.echo(on_one_line(f"{answer.caller} → {answer.dialled}  {answer.at}  {client}"))
    for position, reason in enumerate(answer.why, 1):
        click.echo(on_one_line(f"  {position}. {reason}"))
    click.echo(on_one_line(f"→ {answer.words}"))


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


@route.command("replay")
@click.option("--since", type=Duration(), default="1d", show_default=True, help="So far back: 90m, 24h, 7d.")
@click.option("--with", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per call that would go elsewhere.")
@click.option("--lang", type=click.Choice(("ja", "en")), help="Default: as LANG says.")
@at_stores
def route_replay(since: float, folder: Path, as_json: bool, lang: Lang | None, at: Settings) -> None:
    """List the calls of the past that would go elsewhere with the files of a folder (--with), and what they would cost.

    Each is asked as at its own moment, under what is in force and under the folder. Its cost is that of the outside leg
    that would have talked as long as the call did; `?`: there is no price for it. It changes nothing.
    """
    stands = ask(at, directory.build(), directory.in_force)
    now, then = Rules(stands), Rules(msgspec.structs.replace(_draft(folder), numbers=stands.numbers))
    calls = ask(at, histories.build(), lambda tx: _looked_at(tx, clock.now_us(), round(since * 1_000_000)))
    count, costs = 0, [ZERO, ZERO]
    for number, call in enumerate(calls, 1):
        if (one := moved(call, now, then, explain, _price, lang or language())) is not None:
            count += 1
            costs = [cost + (fate.cost or ZERO) for cost, fate in zip(costs, (one.before, one.after), strict=True)]
            click.echo(msgspec.json.encode(one) if as_json else "\n".join(_lines(one, now.tenant(call))))
        if number % PROGRESS_EVERY == 0:
            click.echo(f"{number:,} of {len(calls):,} calls looked at", err=True)
    click.echo(f"{count:,} of {len(calls):,} calls would go elsewhere", err=as_json)
    click.echo(f"they cost {costs[0].normalize():f} yen, and would cost {costs[1].normalize():f} yen", err=as_json)


def _looked_at(tx: Tx, now_us: int, length_us: int) -> list[Arrived]:
    """Whoever sees callers' numbers stands in the log of looks."""
    note_access(tx, "report", [ALL_CLIENTS], "replay", at_console(), now_us)
    return list(arrivals(tx, now_us - length_us))


def _price(rules: Rules, payer: Tenant, number: str, at_us: int, talk_us: int) -> Decimal | None:
    platform = rules.stands.platform
    table = next((t for t in platform.prices if t.table == payer.contract.prices), None) if platform else None
    leg = LegEnded(
        switch="",
        leg="",
        kind="forward",
        direction="outbound",
        via="trunk",
        payer=payer.tenant,
        caller=Party(),
        destination=number,
        started_at_us=at_us,
        answered_at_us=at_us,
        ended_at_us=at_us + talk_us,
        cause="NORMAL_CLEARING",
    )
    charge = rate(leg, table, payer.timezone)
    return None if charge.unpriced else charge.amount.amount


def _lines(one: Moved, tenant: Tenant | None) -> Iterator[str]:
    """For a person: when, who called whom, where it went and where it would."""
    zone = ZoneInfo(tenant.timezone if tenant is not None else HOME_TIMEZONE)
    when = to_datetime(one.at_us).astimezone(zone).isoformat(sep=" ", timespec="seconds")
    yield f"{when}  {one.tenant}  {written(one.caller)} → {written(one.dialled)}"
    for sign, fate in (("-", one.before), ("+", one.after)):
        cost = "?" if fate.cost is None else f"{fate.cost.normalize():f}"
        yield on_one_line(f"  {sign} {fate.words}  ({cost} yen)")
