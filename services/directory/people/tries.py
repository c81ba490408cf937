"""Tries to log in: whether name and password are right, and how long whoever failed too often waits.

Enters: a name, a password, the address that asks; or the keys of any other try (a code, the settings of a phone).
Leaves: verdicts. Failures are counted per account and address as rows, so that several processes count together.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select

from proto.events import PersonChanged
from services.directory.people.passwords import of_nobody, password_fits
from services.directory.people.rows import TRIES, find
from services.runtime.store import Conflict, Store, Tx

FREE_TRIES = {"pair": 3, "address": 10, "account": 100, "code": 5, "provision": 50}
"""Failures before waiting begins. pair: one account from one address; an office of many people shares one address;
whoever fails from elsewhere keeps nobody out, unless from very many addresses. code: the second factor of one account;
who comes to try one has the password already. provision: settings of phones, asked for from one address; an office's
phones all ask again when they restart."""
FIRST_WAIT_US = 1_000_000
_QUARTER_OF_AN_HOUR_US = 15 * 60 * 1_000_000
LONGEST_WAIT_US = {
    "pair": _QUARTER_OF_AN_HOUR_US,
    "address": _QUARTER_OF_AN_HOUR_US,
    "account": 60_000_000,
    "code": _QUARTER_OF_AN_HOUR_US,
    "provision": 60_000_000,
}
FORGET_AFTER_US = 24 * 3600 * 1_000_000
FADES_US = {"address": 10 * 60 * 1_000_000, "account": 10 * 60 * 1_000_000}
"""After so long one failure is forgotten: an office in which people mistype now and then is never without a log-in for
24 hours. A `pair` or `code` begins anew with each success, and needs none of this."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The password was right."""

    person: PersonChanged


@dataclass(frozen=True, slots=True)
class Wrong:
    """Name or password is wrong; which of them is not told."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Too many failures: nothing was tried."""

    seconds: int


def log_in(store: Store, name: str, password: str, address: str, now_us: int) -> Welcome | Wrong | Wait:
    """Try name and password, unless too many tries failed from this address, or for this account.

    A try counts as failed before the password is looked at, so that many at once are no way around the count. A name
    that nobody has takes as long as one that somebody has, and is slowed alike.
    """
    account, address = unicodedata.normalize("NFKC", name).strip()[:64], address[:100]
    keys = (("pair", f"{account} {address}"), ("address", address), ("account", account))
    tried, person, stored = store.run(lambda tx: _before(tx, keys, account, now_us), TRIES)
    if tried.wait_us > 0:
        return Wait(-(-tried.wait_us // 1_000_000))
    fits = password_fits(password[:1000], stored or of_nobody())
    if fits and stored is not None and person is not None and person.active:
        store.run(lambda tx: take_back(tx, tried), TRIES)
        return Welcome(person)
    return Wrong()


def wait_us(scope: str, failures: int, last_at_us: int, now_us: int) -> int:
    """How long until the next try: 1 s after the first failure too many, then twice as long each time, to a bound."""
    surplus = failures - FREE_TRIES[scope]
    if surplus < 0:
        return 0
    return max(0, last_at_us + min(FIRST_WAIT_US << min(surplus, 20), LONGEST_WAIT_US[scope]) - now_us)


Keys = Sequence[tuple[str, str]]
"""(scope, who or where), scopes as in FREE_TRIES."""


@dataclass(frozen=True, slots=True)
class Try:
    """One try, and what had failed before it."""

    wait_us: int
    """More than 0: it was none, since nothing may be tried for so long."""
    at_us: int
    stood: Mapping[tuple[str, str], tuple[int, int]]
    """Of each of its keys: failures that counted, and the time of the last."""


def _before(tx: Tx, keys: Keys, account: str, now_us: int) -> tuple[Try, PersonChanged | None, str | None]:
    people, tried = tx.tables["people"], count_try(tx, keys, now_us)
    stored = tx.sql.execute(select(people.c.password).where(people.c.id == account)).scalar()
    return tried, find(tx, account), stored


def faded(scope: str, failures: int, last_at_us: int, now_us: int) -> int:
    """Of so many failures, how many still count."""
    return max(0, failures - max(0, now_us - last_at_us) // FADES_US[scope]) if scope in FADES_US else failures


def count_try(tx: Tx, keys: Keys, now_us: int) -> Try:
    """Whether something may be tried now (`wait_us` is 0): then it counts as failed until `take_back`."""
    table, longest = tx.tables["login_failures"], 0
    tx.sql.execute(delete(table).where(table.c.last_at_us < now_us - FORGET_AFTER_US))
    stood: dict[tuple[str, str], tuple[int, int]] = {}
    for scope, key in keys:
        row = tx.first(table, ("failures", "last_at_us"), scope=scope, key=key)
        if row is not None:
            failures = faded(scope, row.failures, row.last_at_us, now_us)
            longest = max(longest, wait_us(scope, failures, row.last_at_us, now_us))
            stood[scope, key] = failures, row.last_at_us
    if longest == 0:
        for scope, key in keys:
            failures = stood[scope, key][0] + 1 if (scope, key) in stood else 1
            _set(tx, scope, key, failures, now_us)
    return Try(longest, now_us, {(scope, key): stood.get((scope, key), (0, 0)) for scope, key in keys})


def _set(tx: Tx, scope: str, key: str, failures: int, last_at_us: int) -> None:
    table = tx.tables["login_failures"]
    tx.delete(table, scope=scope, key=key)
    row = {"scope": scope, "key": key, "failures": failures, "last_at_us": last_at_us}
    if failures > 0 and not tx.insert_once(table, row):
        raise Conflict(f"log-ins of {scope}")


def take_back(tx: Tx, tried: Try) -> None:
    """The try was a good one: it counts nowhere, and this visitor's own mistakes before it are forgotten."""
    for (scope, key), (_, last_at_us) in tried.stood.items():
        row = tx.first(tx.tables["login_failures"], ("failures", "last_at_us"), scope=scope, key=key)
        if row is not None:
            others = row.last_at_us != tried.at_us  # tried since
            own = scope in ("pair", "code")
            _set(tx, scope, key, 0 if own else row.failures - 1, row.last_at_us if others else last_at_us)
