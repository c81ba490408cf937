"""Directory's tables beside the clients' files and the people: the audit log, second factors, tokens of programs.

Enters: a metadata. Leaves: the same with these tables. What stands in their rows is decided in `audit.py`,
`second_factor.py` and `tokens.py`; the revisions in `migrations/` make the same.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, MetaData, Table, Text


def add_audit_table(metadata: MetaData) -> None:
    """One row per entry, never changed but to erase its private parts: about, before, after and their salt."""
    audit = Table(
        "audit",
        metadata,
        Column("seq", BigInteger, primary_key=True, autoincrement=False),
        Column("at_us", BigInteger, nullable=False, index=True),
        Column("what", Text, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("who", Text, nullable=False),
        Column("about", Text),
        Column("before", Text),
        Column("after", Text),
        Column("salt", Text),
        Column("digest", Text, nullable=False),
        Column("chain", Text, nullable=False),
    )
    Index("audit_by_tenant", audit.c.tenant, audit.c.seq)
    Index("audit_by_who", audit.c.who, audit.c.seq)


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
