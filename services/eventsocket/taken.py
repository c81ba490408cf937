"""The commands that this agent has taken, so that none is carried out twice: one table of the agent's store.

Enters: bodies as they came from the bus, ids that were answered. Leaves: which are new, which have no answer yet. That
answers are with the bus is written with the next commands: lost in a crash, it is found out again, and an answer told
twice is dropped by its id. What is done with commands belongs to `commander.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, MetaData, Table, Text, func, select, update

from services.runtime import clock
from services.runtime.bus import Unavailable
from services.runtime.log import get_logger
from services.runtime.store import Store, Tx

LAST_US = 10 * 60 * 1_000_000
"""Longer than any command of ours has time, and its mark is kept after that."""
LAST_AT_MOST = 50_000
KEPT_FOR_US = 14 * 24 * 3600 * 1_000_000
PRUNE_EVERY_US = 3600 * 1_000_000
SETTLE_AFTER_S = 0.5
"""So long the answers wait for other commands to be written with."""
T = TypeVar("T")
log = get_logger("commander")


def add_commands_table(metadata: MetaData) -> None:
    """Commands taken: `done` once their answer is with the bus."""
    Table(
        "commands",
        metadata,
        Column("id", Text, primary_key=True),
        Column("at_us", BigInteger, nullable=False, index=True),
        Column("done", Boolean, nullable=False, index=True),
        Column("body", LargeBinary, nullable=False),
    )


class Taken:
    """The commands of one agent. Whatever asks the database raises Unavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._answered: list[str] = []
        """Their answers are with the bus, which is not written yet."""
        self._pruned_us = 0

    @property
    def patience_s(self) -> float | None:
        """How long to wait for new commands before `settle`; None: there is nothing to settle."""
        return SETTLE_AFTER_S if self._answered else None

    def answered(self, ids: Sequence[str]) -> None:
        """Their answers are with the bus."""
        self._answered += ids

    def keep_new(self, bodies: Mapping[str, bytes]) -> list[str]:
        """Ids of those that were never taken before, in their order; from now on all are."""
        now_us = clock.now_us()
        rows = [{"id": command, "at_us": now_us, "done": False, "body": body} for command, body in bodies.items()]
        new = self._run(lambda tx: tx.insert_new(tx.tables["commands"], rows, "id"))
        return [command for command in bodies if command in new]

    def settle(self) -> None:
        """Write down which are answered, if no command has done so; again later while the database is away."""
        if self._answered:
            try:
                self._run(lambda _tx: None)
            except Unavailable as error:
                log.warning("answers are noted later", reason=str(error))

    def prune(self) -> None:
        """Once an hour: forget commands that were answered long ago; no message of that age can come again."""
        now_us = clock.monotonic_us()
        if self._pruned_us and now_us - self._pruned_us < PRUNE_EVERY_US:
            return
        try:
            self._store.run(lambda tx: _prune(tx, clock.now_us() - KEPT_FOR_US))
            self._pruned_us = now_us
        except Unavailable as error:
            log.warning("old commands stay for now", reason=str(error))

    def _run(self, work: Callable[[Tx], T]) -> T:
        answered, self._answered = self._answered, []

        def with_answers(tx: Tx) -> T:
            if answered:
                table = tx.tables["commands"]
                tx.sql.execute(update(table).where(table.c.id.in_(answered)).values(done=True))
            return work(tx)

        try:
            return self._store.run(with_answers)
        except BaseException:
            self._answered = answered + self._answered
            raise

    def unanswered(self) -> list[bytes]:
        """Bodies of those taken by an earlier life that nobody was told the end of, oldest first."""
        return self._store.run(_unanswered)

    def last(self) -> list[bytes]:
        """Bodies of those that an earlier life took in its last minutes, latest first, answered or not."""
        return self._store.run(_last)


def _unanswered(tx: Tx) -> list[bytes]:
    table = tx.tables["commands"]
    rows = tx.sql.execute(select(table.c.body).where(table.c.done.is_(False)).order_by(table.c.at_us))
    return [bytes(row.body) for row in rows]


def _last(tx: Tx) -> list[bytes]:
    table = tx.tables["commands"]
    end_us = tx.sql.execute(select(func.max(table.c.at_us))).scalar() or 0
    late = select(table.c.body).where(table.c.at_us > end_us - LAST_US).order_by(table.c.at_us.desc())
    return [bytes(row.body) for row in tx.sql.execute(late.limit(LAST_AT_MOST))]


def _prune(tx: Tx, before_us: int) -> None:
    table = tx.tables["commands"]
    tx.sql.execute(table.delete().where(table.c.at_us < before_us, table.c.done.is_(True)))
