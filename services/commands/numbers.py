"""`toritsugi numbers`: the number stock, for whoever has a shell on the machine.

Enters: which store, numbers, what. Leaves: lines or JSON on stdout, an exit code; a running process tells the others
within seconds. The same functions stand behind the pages (`directory/numbers/desk.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

import click
import msgspec

from proto.values import digits_of
from services.commands.beside import at_console, at_stores, opened
from services.directory import service as directory
from services.directory.days import day_of
from services.directory.numbers import desk
from services.directory.numbers.areas import KINDS, area_of, kind_of
from services.directory.numbers.listing import Unreadable, read_number, read_numbers
from services.directory.numbers.model import REASONS, Held, Reason, Refusal, State
from services.directory.numbers.stock import Wanted
from services.directory.people.ranks import Actor
from services.runtime.settings import Settings
from services.runtime.store import Store
from services.runtime.telephone import written

SENTENCES: dict[desk.Denial | Refusal, str] = {
    "unknown": "the number is in no stock",
    "not_yours": "that is for the platform's operators",
    "client_unknown": "there is no client of that name, or directory has not read its file yet",
    "police": "it was stopped at the police's request: the platform's operators lift that",
    "too_many": f"at most {desk.MOST_AT_ONCE} numbers at once",
    "none": "name at least one number",
    "not_free": "it is reserved already: release it first",
    "of_another": "it waits for another client",
    "in_use": "it is in use: it becomes free by leaving its client's file",
    "not_reserved": "it is not reserved",
    "not_in_use": "it is in no client's file",
    "suspended": "it is suspended already",
    "not_suspended": "it is not suspended",
    "resting": "it rests after another client, and is lent to nobody else before the end of that",
}


@contextmanager
def _stock(at: Settings) -> Iterator[tuple[Store, Actor]]:
    """The store, and who acts: whoever may read it runs the platform. Raises ClickException."""
    with opened(at, directory.build()) as store:
        try:
            yield store, Actor(at_console(), "platform_operator")
        except desk.Denied as error:
            raise click.ClickException(SENTENCES[error.reason]) from None


class _Number(click.ParamType[str]):
    """A number as people write it."""

    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return read_number(str(value))
        except Unreadable as error:
            self.fail(f"{error.text!r} is no number such as 03-1234-5678", param, ctx)


_number = click.argument("number", type=_Number())
_note = click.option("--note", default="", help="Why, for its history.")
_json = click.option("--json", "as_json", is_flag=True, help="JSON objects, one a line.")


@click.group()
def numbers() -> None:
    """Which numbers there are, whose they are, and which are suspended."""


@numbers.command("list")
@click.option("--kind", type=click.Choice(KINDS))
@click.option("--area", default="", help="An area code (03) or the name of an area (東京).")
@click.option("--state", type=click.Choice([str(state) for state in State]))
@click.option("--part", default="", help="Digits that stand in the number.")
@click.option("--client", default="")
@_json
@at_stores
def numbers_list(
    at: Settings, kind: str | None, area: str, state: str | None, part: str, client: str, as_json: bool
) -> None:
    """Numbers of the stock, by their digits."""
    wanted = Wanted(kind=kind or "", area=area, state=state or "", part=digits_of(part), client=client)
    with _stock(at) as (store, actor):
        _show(desk.listed(store, actor, wanted), as_json)


@numbers.command("add")
@click.argument("listed", metavar="NUMBERS...", nargs=-1)
@click.option("--from", "source", type=click.File(encoding="utf-8"), help="A list, one a line; - is stdin.")
@click.option("--carrier", default="", help="Whose numbers they are.")
@_json
@at_stores
def numbers_add(at: Settings, listed: Sequence[str], source: TextIO | None, carrier: str, as_json: bool) -> None:
    """Take NUMBERS into the stock: 03-1234-5678, or a range such as 03-1234-5600..5699.

    What is there already stays as it is. What stands in a client's file is in use at once.
    """
    try:
        wanted = read_numbers("\n".join([*listed, source.read() if source is not None else ""]), desk.MOST_AT_ONCE)
    except Unreadable as error:
        raise click.BadParameter(f"{error.text!r} is no number and no range") from None
    with _stock(at) as (store, actor):
        made = desk.add(store, actor, wanted, carrier)
        if as_json:
            click.echo(msgspec.json.encode({"added": made, "known": len(wanted) - len(made)}))
        else:
            click.echo(f"{len(made)} added, {len(wanted) - len(made)} were there already")


@numbers.command("reserve")
@_number
@click.argument("client")
@_note
@_json
@at_stores
def numbers_reserve(at: Settings, number: str, client: str, note: str, as_json: bool) -> None:
    """Keep NUMBER for CLIENT: no other client's file may have it."""
    with _stock(at) as (store, actor):
        _show([desk.reserve(store, actor, number, client, note)], as_json)


@numbers.command("release")
@_number
@_json
@at_stores
def numbers_release(at: Settings, number: str, as_json: bool) -> None:
    """Put a reserved NUMBER back into the stock."""
    with _stock(at) as (store, actor):
        _show([desk.release(store, actor, number)], as_json)


@numbers.command("suspend")
@_number
@click.option("--reason", type=click.Choice(REASONS), required=True)
@_note
@_json
@at_stores
def numbers_suspend(at: Settings, number: str, reason: Reason, note: str, as_json: bool) -> None:
    """Stop NUMBER at once: its callers hear that it is not in use, and it is shown on no call.

    Emergency calls of the client's phones go on.
    """
    with _stock(at) as (store, actor):
        _show([desk.suspend(store, actor, number, reason, note)], as_json)


@numbers.command("resume")
@_number
@_note
@_json
@at_stores
def numbers_resume(at: Settings, number: str, note: str, as_json: bool) -> None:
    """Let a suspended NUMBER work again."""
    with _stock(at) as (store, actor):
        _show([desk.resume(store, actor, number, note)], as_json)


def _show(found: Sequence[Held], as_json: bool) -> None:
    for held in found:
        area = area_of(held.number)
        more = {"kind": kind_of(held.number), "area": area.name if area else "", "area_code": area.code if area else ""}
        if as_json:
            click.echo(msgspec.json.encode({**msgspec.structs.asdict(held), **more}))
        else:
            until = f"until {day_of(held.until_us)}" if held.until_us is not None else ""
            parts = (
                written(held.number),
                held.state,
                held.client,
                until,
                held.reason,
                area.name if area else more["kind"],
            )
            click.echo("  ".join(str(part) for part in parts if part))
