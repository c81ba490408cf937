"""One transaction of a service's store: what a closure may read and change.

Enters: a connection within a transaction. Leaves: versioned states, ids seen, keys done, the outbox, timers, failures;
`sql` and `tables` for the service's own. When it commits, and on which thread, belongs to `store.py`.

What nobody waits for is written behind: what is given to `add`, `change` and `save` is gathered, and written by one
statement per table (rows added, then rows changed) before anything else is asked of that table, before anything at all
is asked through `sql`, and at the latest before the commit. So whoever reads here reads what was written here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec
from sqlalchemy import Connection, Row, Table, Update, and_, bindparam, delete, func, insert, select

from proto.topics import Outgoing
from services.runtime import clock
from services.runtime.store import statements
from services.runtime.store.errors import Conflict

T = TypeVar("T")

NEVER_US = 2**62

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    if kind not in _decoders:
        _decoders[kind] = msgspec.json.Decoder(kind)
    return _decoders[kind]


@dataclass(slots=True)
class _State:
    """A versioned state as it was read, or as it is to be written."""

    version: int
    """0: there is none."""
    body: bytes | None
    changed: bool = False


class Tx:
    """One transaction. Only closures given to `Store.run` ever see one."""

    def __init__(self, connection: Connection, tables: dict[str, Table], next_timer_us: int = NEVER_US) -> None:
        self.tables = tables
        self.next_timer_us = next_timer_us
        """No timer that this process knows of is due before."""
        self._connection = connection
        self._added: dict[tuple[Table, tuple[str, ...]], list[dict[str, Any]]] = {}
        self._changed: dict[Table, dict[tuple[tuple[str, Any], ...], dict[str, Any]]] = {}
        self._states: dict[tuple[str, str], _State] = {}
        self._known: dict[Hashable, Any] = {}

    # -- what a batch of messages asks again and again --

    def known(self, what: Hashable, read: Callable[[], T]) -> T:
        """What `read` says, asked once in this transaction. Whoever writes such a thing says so, here or below."""
        if what not in self._known:
            self._known[what] = read()
        return cast(T, self._known[what])

    def learn(self, what: Hashable, says: object) -> None:
        """What `known` is to answer from now on."""
        self._known[what] = says

    def forget_known(self) -> None:
        """Something that may be known was written."""
        self._known.clear()

    # -- what is written behind --

    @property
    def sql(self) -> Connection:
        """For any statement; it sees all that was written here. Ask for it anew each time."""
        self.write()
        return self._connection

    def add(self, table: Table, row: dict[str, Any]) -> None:
        """Insert a row, behind, unless its unique key stands already: for those who need not know which it was."""
        self._added.setdefault((table, tuple(row)), []).append(row)

    def change(self, table: Table, key: dict[str, Any], values: dict[str, Any]) -> None:
        """Change the row with this key, behind; of several changes only what stands at last is written."""
        rows, here = self._changed.setdefault(table, {}), tuple(key.items())
        rows[here] = rows.get(here, {}) | values

    def write(self) -> None:
        """Write now what was gathered. Raises Conflict."""
        for table in dict.fromkeys([*(table for table, _ in self._added), *self._changed]):
            self._write_rows(table)
        changed = {key: state for key, state in self._states.items() if state.changed}
        if changed:
            self._write_states(changed)

    def _on(self, table: Table) -> Connection:
        """For a statement that concerns this table alone."""
        if self._added or self._changed:
            self._write_rows(table)
        return self._connection

    def _write_rows(self, table: Table) -> None:
        for key in [key for key in self._added if key[0] is table]:
            self._connection.execute(statements.insert_unless_there(table, self._dialect), self._added.pop(key))
        alike: dict[Update, list[dict[str, Any]]] = {}
        for here, values in self._changed.pop(table, {}).items():
            statement = statements.update_by(table, tuple(name for name, _ in here), tuple(values))
            alike.setdefault(statement, []).append({f"at_{name}": value for name, value in here} | values)
        for statement, rows in alike.items():
            self._connection.execute(statement, rows)

    @property
    def _dialect(self) -> str:
        return self._connection.dialect.name

    # -- versioned states --

    def state(self, kind: str, name: str, shape: type[T]) -> T | None:
        """The state stored under (kind, name), or None. Remembers its version for `save`."""
        known = self._states.get((kind, name))
        if known is None:
            table = self.tables["states"]
            row = self._connection.execute(statements.read_state(table), {"at_kind": kind, "at_name": name}).first()
            known = _State(row.version, bytes(row.body)) if row else _State(0, None)
            self._states[kind, name] = known
        return None if known.body is None else _decoder(shape).decode(known.body)

    def save(self, kind: str, name: str, state: object | None) -> None:
        """Store (None: delete), behind, the state read before; Conflict, when it is written, if somebody changed it."""
        known = self._states[kind, name]
        known.body, known.changed = None if state is None else msgspec.json.encode(state), True

    def _write_states(self, changed: dict[tuple[str, str], _State]) -> None:
        table = self.tables["states"]
        made, kept, gone = [], [], []
        for (kind, name), state in changed.items():
            here = {"at_kind": kind, "at_name": name, "at_version": state.version}
            if state.version == 0 and state.body is not None:
                made.append({"kind": kind, "name": name, "version": 1, "body": state.body})
            elif state.body is not None:
                kept.append({**here, "version": state.version + 1, "body": state.body})
            elif state.version:
                gone.append(here)
        for statement, rows in (
            (statements.insert_unless_there(table, self._dialect), made),
            (statements.save_state(table), kept),
            (statements.delete_state(table), gone),
        ):
            if rows and self._connection.execute(statement, rows).rowcount != len(rows):
                raise Conflict("states: " + ", ".join(f"{kind} {name}" for kind, name in changed))
        for state in changed.values():
            state.version, state.changed = 0 if state.body is None else state.version + 1, False

    def states(self, kind: str, shape: type[T]) -> Iterator[tuple[str, T]]:
        """All states of a kind, by name."""
        table = self.tables["states"]
        for row in self.sql.execute(
            select(table.c.name, table.c.body).where(table.c.kind == kind).order_by(table.c.name)
        ):
            yield row.name, _decoder(shape).decode(row.body)

    # -- once only --

    def first_times(self, message_ids: Sequence[str], at_us: int) -> set[str]:
        """Which of these messages were never processed here; remembers all."""
        return self.insert_new(self.tables["seen"], [{"id": one, "at_us": at_us} for one in message_ids], "id")

    def once(self, scope: str, key: str, at_us: int) -> bool:
        """Whether (scope, key) was never done here; remembers it. For effects named alike by several sources."""
        return self.insert_once(self.tables["done"], {"scope": scope, "key": key, "at_us": at_us})

    def was_done(self, scope: str, key: str) -> bool:
        """Whether `once` remembers it."""
        return self.first(self.tables["done"], ("key",), scope=scope, key=key) is not None

    def insert_once(self, table: Table, row: dict[str, Any]) -> bool:
        """Insert a row of the service's own unless its unique key stands already. False: it stood."""
        return self._on(table).execute(statements.insert_unless_there(table, self._dialect), row).rowcount == 1

    def insert_new(self, table: Table, rows: Sequence[dict[str, Any]], key: str) -> set[str]:
        """Insert rows whose unique column `key` stands nowhere yet, by one statement: the keys of those inserted."""
        if not rows:
            return set()
        return set(self._on(table).execute(statements.insert_new(table, self._dialect, key), rows).scalars())

    def first(self, table: Table, columns: tuple[str, ...] = (), **key: object) -> Row[Any] | None:
        """The first row whose columns have these values (all its columns if none are named), or None."""
        return self._on(table).execute(statements.select_by(table, tuple(key), columns), key).first()

    def delete(self, table: Table, **key: object) -> None:
        """Delete the rows whose columns have these values."""
        self._on(table).execute(statements.delete_by(table, tuple(key)), key)

    # -- timers --

    def set_timer(self, name: str, subject: str, due_at_us: int, tenant: str, call: str = "") -> None:
        """TimerFired(name, subject) comes to this service at `due_at_us`; a timer of that name is moved."""
        self.cancel_timer(name, subject)
        self.add(
            self.tables["timers"],
            {"name": name, "subject": subject, "due_at_us": due_at_us, "tenant": tenant, "call": call},
        )
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
        """Keep messages, behind, until the bus has taken them. `cause` is the id of the message that they answer."""
        now_us, table = clock.now_us(), self.tables["outbox"]
        for message in messages:
            self.add(table, {**msgspec.structs.asdict(message), "cause": cause, "at_us": now_us})

    def unposted(self, before_us: int | None = None, causes: Sequence[str] | None = None) -> list[Outgoing]:
        """What the bus has not confirmed, oldest first: all, or what was posted before a time, or for some causes."""
        table = self.tables["outbox"]
        wanted = select(table).order_by(table.c.seq)
        if before_us is not None:
            wanted = wanted.where(table.c.at_us < before_us)
        if causes is not None:
            wanted = wanted.where(table.c.cause.in_(causes))
        rows = self._on(table).execute(wanted)
        return [Outgoing(r.id, r.delivery, r.routing_key, r.tenant, bytes(r.body), r.lives_us) for r in rows]

    def posted(self, ids: Sequence[str]) -> None:
        """The bus has confirmed these."""
        if ids:
            outbox = self.tables["outbox"]
            self._on(outbox).execute(statements.delete_by(outbox, ("id",)), [{"id": one} for one in ids])

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
