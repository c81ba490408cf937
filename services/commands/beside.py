"""What commands ask of a service's store, beside the running processes.

Enters: which stores (options, settings, the environment), a closure. Leaves: its result, or a sentence on why not. What
is asked belongs to the rooms.
"""

from __future__ import annotations

import functools
import getpass
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import click
from sqlalchemy import make_url

from services.rooms import store_url
from services.runtime.bus import Unavailable
from services.runtime.settings import Settings, holds_password, load_or_exit
from services.runtime.store import Conflict, Store, Tx, WrongRevision
from services.runtime.worker import Service

T = TypeVar("T")

TRIES = 10
"""The running processes work on the same rows."""


def environment(**typed: object) -> Mapping[str, str]:
    """The environment, with what was typed over it: an option is a setting by another road."""
    said = {f"TORITSUGI_{name.upper()}": str(value) for name, value in typed.items() if value is not None}
    for variable, value in said.items():
        if holds_password(value):
            option = "--" + variable.removeprefix("TORITSUGI_").lower()
            text = f"the password in {option} stands in the process list; {variable} or a settings file hide it"
            click.echo(f"toritsugi: warning: {text}", err=True)
    return {**os.environ, **said}


def at_stores(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command --data, --database and --settings, and what they come to as `at`."""

    @functools.wraps(command)
    def with_settings(*, data: Path | None, database: str | None, file: Path | None, **others: Any) -> Any:
        return command(at=load_or_exit(file, environment(data_dir=data, database=database)), **others)

    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    settings = click.Path(exists=True, dir_okay=False, path_type=Path)
    for option in (
        click.option("--settings", "file", type=settings, help="Settings file of a process of that service."),
        click.option("--database", help="`sqlite` (default: files in the data folder) or postgresql://host/name."),
        click.option("--data", type=folder, help="Data folder (default: data)."),
    ):
        with_settings = option(with_settings)
    return with_settings


@contextmanager
def opened(at: Settings, service: Service) -> Iterator[Store]:
    """A service's store, for as long as the command needs it. Raises ClickException where there is none."""
    url = store_url(at, service.name)
    file = make_url(url).database
    if url.startswith("sqlite") and not Path(str(file)).exists():
        raise click.ClickException(f"{file} does not exist: no process has run {service.name} with this data folder")
    store = Store(url, service.metadata)
    try:
        store.start()
        yield store
    except (Unavailable, Conflict, WrongRevision) as error:
        raise click.ClickException(str(error)) from None
    finally:
        store.stop()


def at_console() -> str:
    """Who types, for the audit log: `console:` and the user of this machine."""
    try:
        return f"console:{getpass.getuser()}"
    except (KeyError, OSError):  # a user id without a name
        return f"console:{os.getuid()}"


def ask(at: Settings, service: Service, work: Callable[[Tx], T]) -> T:
    """The answer of a service's store. Raises ClickException where there is none."""
    with opened(at, service) as store:
        return store.run(work, TRIES)


def language() -> Literal["ja", "en"]:
    """As the terminal's locale says."""
    said = next((os.environ[one] for one in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(one)), "")
    return "ja" if said.startswith("ja") else "en"


class Duration(click.ParamType[float]):
    """`20s`, `5m`, `1h`, `7d` or plain seconds -> seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; anything else is a usage error."""
        text = str(value)
        unit = {"s": 1, "m": 60, "h": 3600, "d": 86_400}.get(text[-1:], 0)
        try:
            seconds = float(text[:-1]) * unit if unit else float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < 1e7:
            self.fail(f"{text!r}: allowed are for example 20s, 5m, 1h, 7d", param, ctx)
        return seconds
