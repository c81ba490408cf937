"""`toritsugi phones`: passwords of phones, for whoever has a shell on the machine.

Enters: which store, whose phone. Leaves: JSON lines, a new password on stdout (once), an exit code; a running process
tells the switches within seconds. The same functions stand behind the pages (`directory/phones/issuing.py`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
import msgspec

from proto.values import PLATFORM_TENANT
from services.commands.beside import TRIES, Duration, at_console, at_stores, opened
from services.directory import service as directory
from services.directory.phones import issuing, rows
from services.directory.phones.issuing import Unknown
from services.directory.phones.pages import line
from services.runtime import clock
from services.runtime.settings import Settings
from services.runtime.store import Store, Tx

LOOKS_EVERY_S = 0.2
_whose = click.argument("tenant", callback=lambda _c, _p, name: PLATFORM_TENANT if name == "platform" else name)
_within = click.option(
    "--within", type=Duration(), default="60s", show_default=True, help="How long to wait for the switches."
)


@contextmanager
def _directory(at: Settings) -> Iterator[Store]:
    """The store. Raises ClickException."""
    with opened(at, directory.build()) as store:
        try:
            yield store
        except Unknown as error:
            raise click.ClickException(f"there is no {error}, or it has no password to end") from None


@click.group()
def phones() -> None:
    """Passwords of phones; TENANT is a client, or `platform` for the phones of its pools."""


@phones.command("list")
@_whose
@at_stores
def phones_list(at: Settings, tenant: str) -> None:
    """TENANT's phones, one JSON object per line: password issued or not, registered or not."""

    def read(tx: Tx) -> list[bytes]:
        found, now_us = issuing.devices(tx, tenant), clock.now_us()
        told = rows.registrations(tx, found)
        issued, applied, reporting = rows.issued(tx, tenant), rows.applied(tx, tenant), issuing.followers(tx)
        return [msgspec.json.encode(line(one, issued.get(one.id), told, applied, reporting, now_us)) for one in found]

    with _directory(at) as store:
        for one in store.run(read, TRIES):
            click.echo(one)


@phones.command("issue")
@_whose
@click.argument("phone")
@click.option("--pages", help="Address of the pages (https://pbx.example): also print what the phone may fetch there.")
@at_stores
def phones_issue(at: Settings, tenant: str, phone: str, pages: str | None) -> None:
    """Print a new password for PHONE of TENANT, which is kept nowhere. The former one ends, and its calls with it."""
    with _directory(at) as store:
        new = issuing.issue(store, tenant, phone, at_console())
        click.echo(new.password)
        if pages:
            for file in ("linphone.xml", "panasonic.cfg", ""):
                click.echo(f"{pages.rstrip('/')}/provision/{new.secret}/{file}")


@phones.command("revoke")
@_whose
@click.argument("phone")
@_within
@at_stores
def phones_revoke(at: Settings, tenant: str, phone: str, within: float) -> None:
    """End the password of PHONE of TENANT, its registrations and its calls; but no call to 110, 118 or 119.

    Returns when every switch has done so. Exit code 1: one has not within the time, and is named.
    """
    with _directory(at) as store:
        serial = issuing.revoke(store, tenant, phone, at_console())
        until = time.monotonic() + within
        while (late := store.run(lambda tx: issuing.behind(tx, tenant, phone, serial), TRIES)) and (
            time.monotonic() < until
        ):
            time.sleep(LOOKS_EVERY_S)
        arrived = store.run(issuing.followers, TRIES)
    for switch in late:
        click.echo(f"not within {within:g} s: switch {switch}", err=True)
    if not late:
        click.echo(f"ended on {', '.join(arrived) or 'no switch: none reports what it works with'}")
    sys.exit(1 if late else 0)
