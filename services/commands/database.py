"""`toritsugi database`: which revision of its tables each store has, and the way to the newest.

Enters: settings. Leaves: a line per store and an exit code. What a revision changes stands in the `migrations/` of the
runtime's store and of each room; how it is carried out, in `runtime/store/schema.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, TextIO

import msgspec
from sqlalchemy import MetaData, make_url

from services.letters import kept
from services.rooms import AGENT, BUILDS, metadata_of, store_url
from services.runtime.bus import Unavailable
from services.runtime.settings import SQLITE, Settings
from services.runtime.store import Standing, Store, WrongRevision

EXIT_CURRENT, EXIT_OTHERWISE, EXIT_UNKNOWN = 0, 1, 2


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """One store and how its tables stand to this program."""

    store: str
    place: str
    state: Literal["empty", "current", "older", "newer", "unavailable"]
    has: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    reason: str = ""


def check(settings: Settings, out: TextIO, as_json: bool) -> int:
    """Look and change nothing. 0: every store is as this program needs it; 1: one is not; 2: one cannot be asked."""
    return _each(settings, out, as_json, Store.standing)


def upgrade(settings: Settings, out: TextIO, as_json: bool) -> int:
    """Bring every store to the newest revision, each wholly or not at all; of a SQLite file a copy stays beside it."""
    return _each(settings, out, as_json, Store.upgrade)


_Asked = Callable[[Store], Standing]


def _each(settings: Settings, out: TextIO, as_json: bool, do: _Asked) -> int:
    code = EXIT_CURRENT
    for name, metadata in stores(settings):
        told = _tell(name, store_url(settings, name), metadata, do)
        if told.state == "unavailable":
            code = EXIT_UNKNOWN
        elif told.state not in ("current", "empty"):
            code = max(code, EXIT_OTHERWISE)
        print(msgspec.json.encode(told).decode() if as_json else _line(told), file=out)
    return code


def stores(settings: Settings) -> Iterator[tuple[str, MetaData]]:
    """The stores that are there: of PostgreSQL every service's, of files those in the data folder."""
    agents = sorted(file.stem for file in settings.data_dir.glob(f"{AGENT}.*.sqlite"))
    for name in (*BUILDS, kept.NAME, *agents):
        file = make_url(store_url(settings, name)).database or ""
        if (settings.database != SQLITE and name not in agents) or Path(file).exists():
            yield name, metadata_of(name)


def _tell(name: str, url: str, metadata: MetaData, do: _Asked) -> Told:
    parsed = make_url(url)
    place = str(parsed.database) if parsed.get_backend_name() == "sqlite" else f"{parsed.host}/{parsed.database}"
    store = Store(url, metadata)
    try:
        now = do(store)
    except (Unavailable, WrongRevision) as error:
        return Told(name, place, "unavailable" if isinstance(error, Unavailable) else "newer", reason=str(error))
    finally:
        store.stop()
    return Told(name, place, now.state, now.has, now.needs)


def _line(told: Told) -> str:
    has = ", ".join(told.has) or "nothing"
    needs = "" if told.has == told.needs else f"; needed: {', '.join(told.needs)}"
    return f"{told.store:<24} {told.state:<12} {told.place}: {told.reason or has + needs}"
