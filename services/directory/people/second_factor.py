"""The second step of a log-in: a code from the person's phone (TOTP, RFC 6238), or one of ten recovery codes.

Enters: what somebody typed after the right password. Leaves: whether it was right; no code is taken twice. Secrets of
phones stand in directory's store alone; recovery codes only as hashes. Wrong codes are slowed like wrong passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Mapping

import msgspec
import pyotp
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, select, update

from proto.events import PersonChanged
from services.directory.audit.rows import audited
from services.directory.people import ranks, tries
from services.directory.people import rows as people
from services.directory.people.tries import Wait
from services.runtime.store import Conflict, Store, Tx

ISSUER = "Toritsugi"
STEP_S = 30
BESIDE = 1
"""Steps that a phone's clock may be ahead or behind."""
CODES = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""16 of them: 79 bits, so that a plain hash is enough."""


def add_second_factor_tables(metadata: MetaData) -> None:
    """The shared secret of a person's phone, and the codes for the day on which the phone is lost."""
    Table(
        "totp",
        metadata,
        Column("person", Text, primary_key=True),
        Column("secret", Text, nullable=False),
        Column("confirmed_at_us", BigInteger),
        Column("last_step", BigInteger, nullable=False),
    )
    Table(
        "recovery_codes",
        metadata,
        Column("person", Text, primary_key=True),
        Column("digest", Text, primary_key=True),
        Column("used_at_us", BigInteger),
    )


def begin(tx: Tx, person: str) -> str:
    """A new secret for a phone, of no effect until `confirm`. Raises ValueError if one is in effect."""
    table, secret = tx.tables["totp"], pyotp.random_base32()
    if person in in_effect(tx):
        raise ValueError(f"{person} has a second factor already")
    tx.delete(table, person=person)
    if not tx.insert_once(table, {"person": person, "secret": secret, "confirmed_at_us": None, "last_step": 0}):
        raise Conflict(f"second factor of {person}")
    return secret


def begun(tx: Tx, person: str) -> str | None:
    """The secret that waits for its first code."""
    row = tx.first(tx.tables["totp"], person=person)
    return row.secret if row and row.confirmed_at_us is None else None


def address(person: str, secret: str) -> str:
    """What the square code says to a phone's authenticator (otpauth, Key URI Format)."""
    return pyotp.TOTP(secret).provisioning_uri(name=person, issuer_name=ISSUER)


def confirm(tx: Tx, person: str, typed: str, now_us: int) -> list[str] | None:
    """Take the secret into effect if its first code is right: ten recovery codes, and an end to other sessions."""
    table = tx.tables["totp"]
    if begun(tx, person) is None or not _take_step(tx, person, _plain(typed), now_us):
        return None
    tx.sql.execute(update(table).where(table.c.person == person).values(confirmed_at_us=now_us))
    known = _end_sessions(tx, person, now_us)
    audited(tx, person, "second_factor.on", ranks.concerns(known), person, now_us=now_us)
    return _new_codes(tx, person)


def renew_codes(tx: Tx, person: str, now_us: int) -> list[str]:
    """Ten other recovery codes in place of those that were."""
    known, _ = people.locked(tx, person)
    audited(tx, person, "second_factor.codes", ranks.concerns(known), person, now_us=now_us)
    return _new_codes(tx, person)


def take_off(tx: Tx, by: str, person: str, now_us: int) -> bool:
    """No second step any more, and an end to all sessions. False: there was none."""
    on = person in in_effect(tx)
    for name in ("totp", "recovery_codes"):
        tx.delete(tx.tables[name], person=person)
    if on:
        known = _end_sessions(tx, person, now_us)
        audited(tx, by, "second_factor.off", ranks.concerns(known), person, now_us=now_us)
    return on


def in_effect(tx: Tx) -> frozenset[str]:
    """Who has a second step."""
    table = tx.tables["totp"]
    return frozenset(tx.sql.execute(select(table.c.person).where(table.c.confirmed_at_us.is_not(None))).scalars())


def codes_left(tx: Tx, person: str) -> int:
    """How many recovery codes are not used."""
    table = tx.tables["recovery_codes"]
    here = (table.c.person == person) & table.c.used_at_us.is_(None)
    return len(tx.sql.execute(select(table.c.digest).where(here)).all())


def log_in(store: Store, person: str, typed: str, from_address: str, now_us: int) -> bool | Wait:
    """Whether the code is right, unless too many were wrong: each try counts as failed until it has succeeded."""
    keys = (("code", person), ("address", from_address[:100]))

    def work(tx: Tx) -> bool | Wait:
        tried = tries.count_try(tx, keys, now_us)
        if tried.wait_us > 0:
            return Wait(-(-tried.wait_us // 1_000_000))
        right = person in in_effect(tx) and _take(tx, person, _plain(typed), now_us)
        if right:
            tries.take_back(tx, tried)
        return right

    return store.run(work, people.TRIES)


def _take(tx: Tx, person: str, typed: str, now_us: int) -> bool:
    if typed.isdigit():
        return _take_step(tx, person, typed, now_us)
    table = tx.tables["recovery_codes"]
    here = (table.c.person == person) & (table.c.digest == _digest(person, typed)) & table.c.used_at_us.is_(None)
    if tx.sql.execute(update(table).where(here).values(used_at_us=now_us)).rowcount != 1:
        return False
    left: Mapping[str, int] = {"left": codes_left(tx, person)}
    known, _ = people.locked(tx, person)
    audited(tx, person, "second_factor.recovered", ranks.concerns(known), person, after=left, now_us=now_us)
    return True


def _take_step(tx: Tx, person: str, typed: str, now_us: int) -> bool:
    """Whether this is the code of a step that was not taken yet; then neither it nor an older one is taken again."""
    table = tx.tables["totp"]
    row = tx.first(table, person=person)
    now = now_us // 1_000_000 // STEP_S
    for step in range(now - BESIDE, now + BESIDE + 1):
        if row is not None and hmac.compare_digest(pyotp.TOTP(row.secret).generate_otp(step), typed):
            here = (table.c.person == person) & (table.c.last_step < step)
            return tx.sql.execute(update(table).where(here).values(last_step=step)).rowcount == 1
    return False


def _new_codes(tx: Tx, person: str) -> list[str]:
    table, codes = tx.tables["recovery_codes"], [_new_code() for _ in range(CODES)]
    tx.delete(table, person=person)
    for code in codes:
        if not tx.insert_once(table, {"person": person, "digest": _digest(person, _plain(code)), "used_at_us": None}):
            raise Conflict("recovery codes")
    return codes


def _new_code() -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def _plain(typed: str) -> str:
    """As it is kept: full-width digits as plain ones, without blanks and hyphens, in ASCII."""
    text = unicodedata.normalize("NFKC", typed[:100]).lower()
    return "".join(letter for letter in text if letter.isascii() and letter.isalnum())


def _digest(person: str, code: str) -> str:
    return hashlib.sha256(f"{person} {code}".encode()).hexdigest()


def _end_sessions(tx: Tx, person: str, now_us: int) -> PersonChanged:
    known, _ = people.locked(tx, person)
    after = msgspec.structs.replace(known, session_version=known.session_version + 1)
    return people.replace(tx, known, after, now_us)
