"""What a phone fetches to set itself up: for a day, by an address that nobody guesses; the password is kept sealed.

Enters: a password just issued; the secret part of an address. Leaves: rows that hold neither: the secret's digest, and
the password under a key that only the secret gives. So a copy of the database opens nothing, and what is over is
erased. Who may fetch how often stands in `web_provision.py`.
"""

from __future__ import annotations

import hashlib
import secrets

import msgspec
from sqlalchemy import delete, select, update

from services.runtime.store import Tx

VALID_US = 24 * 3600 * 1_000_000
AGAIN_US = 15 * 60 * 1_000_000
"""After the first time: a desk phone asks again when it restarts with what it was given."""
_BYTES = 32


class Voucher(msgspec.Struct, frozen=True):
    """Good for one phone's settings."""

    owner: str
    phone: str
    password: str

    def __repr__(self) -> str:
        return f"Voucher({self.owner}, {self.phone})"


def make(tx: Tx, owner: str, phone: str, password: str, now_us: int) -> str:
    """The secret part of the address. Vouchers that are over are erased."""
    secret, table = secrets.token_urlsafe(_BYTES), tx.tables["phone_vouchers"]
    tx.sql.execute(delete(table).where(table.c.until_us <= now_us))
    row = {"digest": _digest(secret), "owner": owner, "phone": phone, "sealed": _sealed(password.encode(), secret)}
    tx.add(table, {**row, "until_us": now_us + VALID_US, "fetched_at_us": None})
    return secret


def fetch(tx: Tx, secret: str, now_us: int) -> Voucher | None:
    """What the secret is good for now; after the first time for AGAIN_US more."""
    table = tx.tables["phone_vouchers"]
    here = table.c.digest == _digest(secret)
    row = tx.sql.execute(select(table).where(here, table.c.until_us > now_us)).first()
    if row is None:
        return None
    if row.fetched_at_us is None:
        until_us = min(row.until_us, now_us + AGAIN_US)
        tx.sql.execute(update(table).where(here).values(fetched_at_us=now_us, until_us=until_us))
    return Voucher(row.owner, row.phone, _sealed(bytes(row.sealed), secret).decode())


def _digest(secret: str) -> str:
    return hashlib.sha256(b"digest:" + secret.encode()).hexdigest()


def _sealed(raw: bytes, secret: str) -> bytes:
    """XOR with a key stream that no other row has (SHAKE-256 of 256 random bits): the same function opens it again."""
    key = hashlib.shake_256(b"seal:" + secret.encode()).digest(len(raw))
    return bytes(a ^ b for a, b in zip(raw, key, strict=True))
