"""One transaction of a service's store: what a closure may read and change.

Enters: a connection within a transaction. Leaves: versioned states, ids seen, keys done, the outbox, timers, failures;
`sql` and `tables` for the service's own. When it commits, and on which thread, belongs to `store.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar, cast

import msgspec
from sqlalchemy import (
    Connection,
    Delete,
    Executable,
    Insert,
    Row,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from proto.topics import Outgoing
from services.runtime import clock
from services.runtime.store.errors import Conflict

T = TypeVar("T")

NEVER_US = 2**62

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    if kind not in _decoders:
        _decoders[kind] = msgspec.json.Decoder(kind)
    return _decoders[kind]


class Tx:
    """One transaction. Only closures given to `Store.run` ever see one."""

    def __init__(self, connection: Connection, tables: dict[str, Table], next_timer_us: int = NEVER_US) -> None:
        self.sql = connection
        self.tables = tables
        self.next_timer_us = next_timer_us
        """No timer that this process knows of is due before."""
        self._read: dict[tuple[str, str], int] = {}
        self._known: dict[Hashable, Any] = {}

    # -- what a batch of messages asks again and again --

    def known(self, what: Hashable, read: Callable[[], T]) -> T:
        """What `read` says, asked once in this transaction. Whoever writes such a thing calls `forget_known`."""
        if what not in self._known:
            self._known[what] = read()
        return cast(T, self._known[what])

    def forget_known(self) -> None:
        """Something that may be known was written."""
        self._known.clear()

    # -- versioned states --

    def state(self, kind: str, name: str, shape: type[T]) -> T | None:
        """The state stored under (kind, name), or None. Remembers its version for `save`."""
        table = self.tables["states"]
        row = self.sql.execute(_read_state(table), {"at_kind": kind, "at_name": name}).first()
        self._read[kind, name] = row.version if row else 0
        return _decoder(shape).decode(row.body) if row else None

    def save(self, kind: str, name: str, state: object | None) -> None:
        """Store (None: delete) the state read before, if nobody changed it since. Raises Conflict."""
        table, version = self.tables["states"], self._read[kind, name]
        if state is None:
            here = (table.c.kind == kind) & (table.c.name == name)
            changed = self.sql.execute(delete(table).where(here, table.c.version == version)).rowcount if version else 1
            version = -1
        elif version == 0:
            row = {"kind": kind, "name": name, "version": 1, "body": msgspec.json.encode(state)}
            changed = int(self._insert_once("states", row))
        else:
            now = {"version": version + 1, "body": msgspec.json.encode(state)}
            changed = self.sql.execute(
                _save_state(table), {**now, "at_kind": kind, "at_name": name, "at_version": version}
            ).rowcount
        if changed != 1:
            raise Conflict(f"{kind} {name}")
        self._read[kind, name] = version + 1

    def states(self, kind: str, shape: type[T]) -> Iterator[tuple[str, T]]:
        """All states of a kind, by name."""
        table = self.tables["states"]
        for row in self.sql.execute(
            select(table.c.name, table.c.body).where(table.c.kind == kind).order_by(table.c.name)
        ):
            yield row.name, _decoder(shape).decode(row.body)

    # -- once only --

    def first_time(self, message_id: str, at_us: int) -> bool:
        """Whether this message id was never processed here; remembers it."""
        return self._insert_once("seen", {"id": message_id, "at_us": at_us})

    def once(self, scope: str, key: str, at_us: int) -> bool:
        """Whether (scope, key) was never done here; remembers it. For effects named alike by several sources."""
        return self._insert_once("done", {"scope": scope, "key": key, "at_us": at_us})

    def was_done(self, scope: str, key: str) -> bool:
        """Whether `once` remembers it."""
        return self.first(self.tables["done"], ("key",), scope=scope, key=key) is not None

    def insert_once(self, table: Table, row: dict[str, Any]) -> bool:
        """Insert a row of the service's own unless its unique key stands already. False: it stood."""
        return self.sql.execute(_insert_unless_there(table, self.sql.dialect.name), row).rowcount == 1

    def first(self, table: Table, columns: tuple[str, ...] = (), **key: object) -> Row[Any] | None:
        """The first row whose columns have these values (all its columns if none are named), or None."""
        return self.sql.execute(_select_by(table, tuple(key), columns), key).first()

    def delete(self, table: Table, **key: object) -> None:
        """Delete the rows whose columns have these values."""
        self.sql.execute(_delete_by(table, tuple(key)), key)

    def _insert_once(self, name: str, row: dict[str, Any]) -> bool:
        return self.insert_once(self.tables[name], row)

    # -- timers --

    def set_timer(self, name: str, subject: str, due_at_us: int, tenant: str, call: str = "") -> None:
        """TimerFired(name, subject) comes to this service at `due_at_us`; a timer of that name is moved."""
        self.cancel_timer(name, subject)
        row = {"name": name, "subject": subject, "due_at_us": due_at_us, "tenant": tenant, "call": call}
        self.sql.execute(_insert(self.tables["timers"]), row)
        self.next_timer_us = min(self.next_timer_us, due_at_us)

    def due_timers(self, now_us: int, limit: int) -> Sequence[Row[Any]]:
        """Rows of timers due, earliest first; then `next_timer_us` is exact."""
        table = self.tables["timers"]
        rows = self.sql.execute(
            select(table).where(table.c.due_at_us <= now_us).order_by(table.c.due_at_us).limit(limit)
        ).all()
        later = select(func.min(table.c.due_at_us)).where(table.c.due_at_us > now_us)
        self.next_timer_us = now_us if rows else self.sql.execute(later).scalar() or NEVER_US
        return rows

    def cancel_timer(self, name: str, subject: str) -> None:
        """No TimerFired for it, unless it has left already."""
        self.delete(self.tables["timers"], name=name, subject=subject)

    # -- outbox --

    def post(self, messages: Iterable[Outgoing], cause: str = "") -> None:
        """Keep messages until the bus has taken them. `cause` is the id of the message that they answer."""
        now_us = clock.now_us()
        rows = [{**msgspec.structs.asdict(m), "cause": cause, "at_us": now_us} for m in messages]
        if rows:
            self.sql.execute(_insert(self.tables["outbox"]), rows)

    def unposted(self, before_us: int | None = None, cause: str | None = None) -> list[Outgoing]:
        """What the bus has not confirmed, oldest first: all, or what was posted before a time, or for one cause."""
        table = self.tables["outbox"]
        wanted = select(table).order_by(table.c.seq)
        if before_us is not None:
            wanted = wanted.where(table.c.at_us < before_us)
        if cause is not None:
            wanted = wanted.where(table.c.cause == cause)
        rows = self.sql.execute(wanted)
        return [Outgoing(r.id, r.delivery, r.routing_key, r.tenant, bytes(r.body), r.lives_us) for r in rows]

    def posted(self, ids: Sequence[str]) -> None:
        """The bus has confirmed these."""
        if ids:
            self.sql.execute(_delete_by(self.tables["outbox"], ("id",)), [{"id": one} for one in ids])

    def count_failure(self, message_id: str) -> int:
        """One more failed attempt at a message. How many there were."""
        table = self.tables["failures"]
        here = table.c.id == message_id
        attempts = int(self.sql.execute(select(table.c.attempts).where(here)).scalar() or 0) + 1
        self.sql.execute(delete(table).where(here))
        self.sql.execute(insert(table).values(id=message_id, attempts=attempts, at_us=clock.now_us()))
        return attempts

    def forget_failures(self, message_id: str) -> None:
        """The message is done or put aside: if it ever comes again, it starts anew."""
        self.delete(self.tables["failures"], id=message_id)

    def prune(self, before_us: int, limit: int = 2_000) -> int:
        """Forget ids seen, keys done and failures before this time, at most `limit` of each. Returns how many."""
        gone = 0
        for name in ("seen", "done", "failures"):
            table = self.tables[name]
            keys = list(table.primary_key.columns)
            old = self.sql.execute(select(*keys).where(table.c.at_us < before_us).limit(limit)).all()
            if old:
                here = and_(*(key == bindparam(f"old_{key.name}") for key in keys))
                values = [{f"old_{key.name}": value for key, value in zip(keys, row, strict=True)} for row in old]
                self.sql.execute(delete(table).where(here), values)
            gone += len(old)
        return gone

    def count(self, name: str) -> int:
        """Rows of a table."""
        return self.sql.execute(select(func.count()).select_from(self.tables[name])).scalar_one()


# Building a statement takes longer than running it: those of every message are built once per table.


@lru_cache(maxsize=64)
def _read_state(table: Table) -> Select[Any]:
    here = (table.c.kind == bindparam("at_kind")) & (table.c.name == bindparam("at_name"))
    return select(table.c.version, table.c.body).where(here)


@lru_cache(maxsize=64)
def _save_state(table: Table) -> Update:
    here = (table.c.kind == bindparam("at_kind")) & (table.c.name == bindparam("at_name"))
    values: dict[str, Any] = {"version": bindparam("version"), "body": bindparam("body")}
    return update(table).where(here, table.c.version == bindparam("at_version")).values(values)


@lru_cache(maxsize=512)
def _select_by(table: Table, key: tuple[str, ...], columns: tuple[str, ...]) -> Select[Any]:
    wanted = [table.c[name] for name in columns or table.c.keys()]
    return select(*wanted).where(*(table.c[name] == bindparam(name) for name in key))


@lru_cache(maxsize=512)
def _delete_by(table: Table, key: tuple[str, ...]) -> Delete:
    return delete(table).where(*(table.c[name] == bindparam(name) for name in key))


@lru_cache(maxsize=64)
def _insert(table: Table) -> Insert:
    return insert(table)


@lru_cache(maxsize=512)
def _insert_unless_there(table: Table, dialect: str) -> Executable:
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as pg_insert

        # After an INSERT psycopg's count is gone with the closed cursor (it would read -1).
        return pg_insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    from sqlalchemy.dialects.sqlite import insert as lite_insert

    return lite_insert(table).on_conflict_do_nothing()
