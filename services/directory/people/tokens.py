"""Tokens of programs as rows: only a hash of each is kept, and each ends by itself one day.

Enters: whose it is, what it is good for, until when. Leaves: rows; the token itself, once. What a token opens is
checked by `runtime/web/access.py` against the projection of its person; changes that must be told are in `staff.py`.
"""

from __future__ import annotations

import secrets

import msgspec
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, select, update

from proto.events import Token
from services.runtime.store import Tx
from services.runtime.web.access import TOKEN_SCOPES, token_digest, token_text

MOST = 20
"""Of one person at once."""
DAYS = (30, 90, 365)
LONGEST_NAME = 80


def add_tokens_table(metadata: MetaData) -> None:
    """What programs show in place of a log-in; only a hash of the secret is kept."""
    Table(
        "tokens",
        metadata,
        Column("id", Text, primary_key=True),
        Column("person", Text, nullable=False, index=True),
        Column("name", Text, nullable=False),
        Column("digest", Text, nullable=False),
        Column("scopes", Text, nullable=False),
        Column("made_at_us", BigInteger, nullable=False),
        Column("expires_at_us", BigInteger, nullable=False),
        Column("ended_at_us", BigInteger),
    )


class Kept(msgspec.Struct, frozen=True):
    """A token as its person sees it in a list."""

    id: str
    name: str
    scopes: tuple[str, ...]
    made_at_us: int
    expires_at_us: int


def of(tx: Tx, person: str) -> tuple[Token, ...]:
    """The tokens of a person that have not been ended, by id."""
    return _tokens(tx, person).get(person, ())


def of_all(tx: Tx) -> dict[str, tuple[Token, ...]]:
    """Those of everybody who has any."""
    return _tokens(tx)


def _tokens(tx: Tx, person: str | None = None) -> dict[str, tuple[Token, ...]]:
    table, found = tx.tables["tokens"], dict[str, tuple[Token, ...]]()
    query = select(table).where(table.c.ended_at_us.is_(None)).order_by(table.c.id)
    for row in tx.sql.execute(query if person is None else query.where(table.c.person == person)):
        token = Token(id=row.id, digest=row.digest, scopes=_scopes(row.scopes), expires_at_us=row.expires_at_us)
        found[row.person] = (*found.get(row.person, ()), token)
    return found


def kept(tx: Tx, person: str) -> list[Kept]:
    """What a person has given to programs, newest first."""
    table = tx.tables["tokens"]
    here = (table.c.person == person) & table.c.ended_at_us.is_(None)
    return [
        Kept(row.id, row.name, _scopes(row.scopes), row.made_at_us, row.expires_at_us)
        for row in tx.sql.execute(select(table).where(here).order_by(table.c.made_at_us.desc()))
    ]


def insert(tx: Tx, person: str, name: str, scopes: tuple[str, ...], days: int, now_us: int) -> tuple[str, str]:
    """A new row: its id, and the token itself. Raises ValueError for what cannot be."""
    if not scopes or not TOKEN_SCOPES.issuperset(scopes) or days not in DAYS or len(of(tx, person)) >= MOST:
        raise ValueError("no such token")
    secret, token_id = secrets.token_urlsafe(32), secrets.token_hex(6)
    row = {
        "id": token_id,
        "person": person,
        "name": name[:LONGEST_NAME],
        "digest": token_digest(secret),
        "scopes": " ".join(sorted(set(scopes))),
        "made_at_us": now_us,
        "expires_at_us": now_us + days * 86_400_000_000,
        "ended_at_us": None,
    }
    if not tx.insert_once(tx.tables["tokens"], row):
        raise ValueError("no such token")
    return token_id, token_text(person, secret)


def end(tx: Tx, person: str, now_us: int, token_id: str | None = None) -> list[str]:
    """End one token of a person, or all of them; the ids of those that ended."""
    table = tx.tables["tokens"]
    here = (table.c.person == person) & table.c.ended_at_us.is_(None)
    if token_id is not None:
        here &= table.c.id == token_id
    ended = list(tx.sql.execute(select(table.c.id).where(here)).scalars())
    tx.sql.execute(update(table).where(here).values(ended_at_us=now_us))
    return ended


def _scopes(text: str) -> tuple[str, ...]:
    return tuple(text.split())
