"""`toritsugi capacity`: channels and people for a busy hour, from figures typed in or a client's own traffic (R22).

Enters: figures, or a client and history's store. Leaves: lines or JSON on stdout, an exit code. What is worked out
stands in `history/capacity.py`; the page is /capacity.
"""

from __future__ import annotations

import click
import msgspec

from services.commands.beside import ask, at_stores
from services.history import service as histories
from services.history.capacity import DEFAULTS, Asked, CapacityPage, capacity, hours, since
from services.history.taken import outside, spoken_by_phones
from services.runtime import clock, projections
from services.runtime.settings import Settings
from services.runtime.store import Tx


@click.command("capacity")
@click.argument("client", required=False)
@click.option("--calls", type=click.FloatRange(0, 100_000), help="Calls an hour, in place of a client's own traffic.")
@click.option(
    "--length", type=click.FloatRange(1, 86_400), default=180.0, show_default=True, help="Seconds a call takes."
)
@click.option("--blocking", type=click.FloatRange(0.01, 50), default=1.0, show_default=True, help="% that may be busy.")
@click.option(
    "--within", type=click.FloatRange(0, 3600), default=20.0, show_default=True, help="Seconds to the answer."
)
@click.option(
    "--share", type=click.FloatRange(1, 99.9), default=80.0, show_default=True, help="% answered in that time."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@at_stores
def capacity_command(
    client: str | None,
    calls: float | None,
    length: float,
    blocking: float,
    within: float,
    share: float,
    as_json: bool,
    at: Settings,
) -> None:
    """How many channels (Erlang B) and people (Erlang C) a busy hour needs.

    With CLIENT from its busiest hour of the last 30 days; or with --calls and --length for figures of your own.
    """
    if (client is None) == (calls is None):
        raise click.UsageError("name a CLIENT, or say --calls")
    goals = Asked(DEFAULTS.calls, length, blocking / 100, within, share / 100)
    try:
        if calls is not None:
            page = capacity([], [], msgspec.structs.replace(goals, calls=calls), goals)
        else:
            page = ask(at, histories.build(), lambda tx: _measured(tx, str(client), goals))
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(msgspec.json.encode(page))
        return
    for line in _lines(page):
        click.echo(line)


def _measured(tx: Tx, client: str, goals: Asked) -> CapacityPage:
    known = projections.tenant(tx, client)
    if known is None:
        raise click.ClickException(f"history has not heard of a client {client!r}")
    zone, now_us = known.timezone, clock.now_us()
    channels, spoken = (read(tx, client, since(now_us, zone)) for read in (outside, spoken_by_phones))
    if not channels:
        raise click.ClickException(
            f"{client} had no calls to or from outside in the last 30 days; --calls takes figures"
        )
    return capacity(hours(channels, zone), hours(spoken, zone), None, goals)


def _lines(page: CapacityPage) -> list[str]:
    asked, lines, people = page.asked, page.lines, page.people
    found = [f"busiest hour: {hour.begins}, {hour.erlangs:.2f} erl, {hour.most} at once" for hour in page.busiest[:1]]
    return [
        *found,
        f"channels: {lines.channels} for {lines.erlangs:.2f} erl, {lines.blocked:.2%} busy; "
        f"they carry {lines.carries:.2f} erl at {asked.blocking:.2%}",
        f"people:   {people.people} for {people.erlangs:.2f} erl, {people.in_time:.1%} answered "
        f"within {asked.within_s:g} s",
    ]
