"""The statements of every message, each built once per table: building one takes longer than running it.

Enters: a table, names of columns, the database's kind. Leaves: statements of SQLAlchemy. What is put into them belongs
to `transaction.py`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Delete, Select, Table, Update, bindparam, delete, select, update


@lru_cache(maxsize=64)
def read_state(table: Table) -> Select[Any]:
    """Of `at_kind` and `at_name`."""
    here = (table.c.kind == bindparam("at_kind")) & (table.c.name == bindparam("at_name"))
    return select(table.c.version, table.c.body).where(here)


@lru_cache(maxsize=64)
def save_state(table: Table) -> Update:
    """`version` and `body` in place of `at_version`."""
    values: dict[str, Any] = {"version": bindparam("version"), "body": bindparam("body")}
    return update(table).where(*_at_version(table)).values(values)


@lru_cache(maxsize=64)
def delete_state(table: Table) -> Delete:
    """The row of `at_version`."""
    return delete(table).where(*_at_version(table))


def _at_version(table: Table) -> list[Any]:
    return [table.c[name] == bindparam(f"at_{name}") for name in ("kind", "name", "version")]


@lru_cache(maxsize=512)
def select_by(table: Table, key: tuple[str, ...], columns: tuple[str, ...]) -> Select[Any]:
    """These columns (none named: all) of the rows with this key."""
    wanted = [table.c[name] for name in columns or table.c.keys()]
    return select(*wanted).where(*(table.c[name] == bindparam(name) for name in key))


@lru_cache(maxsize=512)
def update_by(table: Table, key: tuple[str, ...], columns: tuple[str, ...]) -> Update:
    """These columns of the rows whose key is given as `at_…`."""
    here = [table.c[name] == bindparam(f"at_{name}") for name in key]
    return update(table).where(*here).values({name: bindparam(name) for name in columns})


@lru_cache(maxsize=512)
def delete_by(table: Table, key: tuple[str, ...]) -> Delete:
    """The rows with this key."""
    return delete(table).where(*(table.c[name] == bindparam(name) for name in key))


@lru_cache(maxsize=512)
def insert_unless_there(table: Table, dialect: str) -> Any:
    """Rows, unless their unique key stands; its count of rows says how many did not."""
    # After an INSERT psycopg's count is gone with the closed cursor (it would read -1).
    return _insert(table, dialect).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


@lru_cache(maxsize=64)
def insert_new(table: Table, dialect: str, key: str) -> Any:
    """Rows, unless their unique key stands; it says the keys of those inserted."""
    return _insert(table, dialect).on_conflict_do_nothing().returning(table.c[key])


def _insert(table: Table, dialect: str) -> Any:
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as pg_insert

        return pg_insert(table)
    from sqlalchemy.dialects.sqlite import insert as lite_insert

    return lite_insert(table)
