"""`toritsugi people`: who may log in, for whoever has a shell on the machine.

Enters: which store, whom, what. Leaves: JSON lines, a new password on stdout (once), an exit code; a running process
tells the others within seconds. The same functions stand behind the pages (`directory/people/staff.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
import msgspec

from proto.events import PersonChanged
from services.commands.beside import TRIES, at_console, at_stores, opened
from services.directory import service as directory
from services.directory.people import ranks, second_factor, staff
from services.runtime import clock
from services.runtime.settings import Settings
from services.runtime.store import Store

SENTENCES: dict[ranks.Refusal, str] = {
    "not_yours": "there is no such person",
    "role_above": f"roles are {', '.join(ranks.RANK)}",
    "clients_needed": "name the clients (--client), or make them a platform_operator, who has all",
    "client_unknown": "there is no client of that name, or directory has not read its file yet",
    "last_operator": "this is the last active platform operator: make another one first",
    "name": f"a name has 1 to {ranks.LONGEST_NAME} printable letters",
    "id": "a user name has a-z 0-9 . _ @ -, begins with a letter or digit, and at most 64",
    "taken": "somebody has that user name",
}


@contextmanager
def _staff(at: Settings) -> Iterator[tuple[Store, ranks.Actor]]:
    """The store, and who acts: whoever may read it runs the platform. Raises ClickException."""
    with opened(at, directory.build()) as store:
        try:
            yield store, ranks.Actor(at_console(), "platform_operator")
        except staff.Refused as error:
            raise click.ClickException(SENTENCES[error.reason]) from None


@click.group()
def people() -> None:
    """Who may log in to the pages."""


_role = click.Choice(ranks.RANK)
_clients = click.option("--client", "tenants", multiple=True, help="A client that they work for; may be repeated.")


@people.command("list")
@at_stores
def people_list(at: Settings) -> None:
    """Everybody, one JSON object per line."""
    with _staff(at) as (store, actor):
        for person in store.run(lambda tx: staff.listed(tx, actor)):
            click.echo(msgspec.json.encode(person))


@people.command("add")
@click.argument("person")
@click.option("--name", help="As pages show it (default: the user name).")
@click.option("--role", type=_role, required=True)
@_clients
@at_stores
def people_add(at: Settings, person: str, name: str | None, role: ranks.Role, tenants: tuple[str, ...]) -> None:
    """Add PERSON; prints their first password, which is kept nowhere."""
    wanted = PersonChanged(person=person, name=name or person, role=role, tenants=tenants, session_version=1)
    with _staff(at) as (store, actor):
        click.echo(staff.add(store, actor, wanted))


@people.command("change")
@click.argument("person")
@click.option("--name")
@click.option("--role", type=_role)
@_clients
@at_stores
def people_change(
    at: Settings, person: str, name: str | None, role: ranks.Role | None, tenants: tuple[str, ...]
) -> None:
    """Change what is given, the clients all together. A new role or client ends the sessions of PERSON."""

    def alter(known: PersonChanged) -> PersonChanged:
        return msgspec.structs.replace(
            known, name=name or known.name, role=role or known.role, tenants=tenants or known.tenants
        )

    _change(at, person, alter)


@people.command("deactivate")
@click.argument("person")
@at_stores
def people_deactivate(at: Settings, person: str) -> None:
    """Let PERSON in no longer, from now on; nothing of what they did is lost."""
    _change(at, person, lambda known: msgspec.structs.replace(known, active=False))


@people.command("activate")
@click.argument("person")
@at_stores
def people_activate(at: Settings, person: str) -> None:
    """Let PERSON in again, with the password that they had."""
    _change(at, person, lambda known: msgspec.structs.replace(known, active=True))


def _change(at: Settings, person: str, alter: Callable[[PersonChanged], PersonChanged]) -> None:
    with _staff(at) as (store, actor):
        click.echo(msgspec.json.encode(staff.change(store, actor, person, alter)))


@people.command("reset")
@click.argument("person")
@click.option("--second-factor", "second", is_flag=True, help="Take off the second step: the phone is lost.")
@at_stores
def people_reset(at: Settings, person: str, second: bool) -> None:
    """Print a new password for PERSON, which is kept nowhere, and end their sessions."""
    with _staff(at) as (store, actor):
        click.echo(staff.reset_password(store, actor, person))
        if second:
            store.run(lambda tx: second_factor.take_off(tx, actor.id, person, clock.now_us()), TRIES)
