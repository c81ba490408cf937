"""What was heard from the switch and is not yet with the bus: in memory while little, then on disk, in order.

Enters: records from the reader, which is never held up. Leaves: the same records, oldest first, until they are done.
What is on disk survives a restart; a record may come twice after a crash, and consumers drop it by its id. A disk that
fails is told and tried again, never raised; disk work runs in the hub's threads. What records say belongs elsewhere.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import gevent
import gevent.event
import gevent.lock
import msgspec

from services.runtime import clock
from services.runtime.log import get_logger
from services.runtime.threads import in_thread

IN_MEMORY = 256
UNWRITTEN_BYTES = 256 * 1024 * 1024
"""More than this waiting for a disk that does not take it is thrown away, counted and logged: reading must go on."""
GATHER_S = 0.02
"""So long the writer lets records gather: each write costs a thread's turn and a file opened."""
DISK_PAUSE_S = 1.0
"""So long after the disk has failed it is tried again."""
SAY_AGAIN_US = 60_000_000
"""So often the log repeats that it fails."""
_LENGTH = struct.Struct(">I")

log = get_logger("spool")


class Item(msgspec.Struct, gc=False):
    """One record; `received_us` is the monotonic time of reading it, 0 if it came from an earlier life."""

    raw: bytes
    received_us: int = 0
    stored: bool = False


class Spool:
    """A queue of one process: one greenlet puts, one takes."""

    def __init__(
        self,
        path: Path,
        in_memory: int = IN_MEMORY,
        on_spill: Callable[[int], None] | None = None,
        on_lost: Callable[[int], None] | None = None,
    ) -> None:
        """`path`: the file used when memory is full; `on_spill` is told how many records went there, `on_lost` how many
        were thrown away because neither it nor memory had room."""
        self._path = path
        self._limit = in_memory
        self._on_spill, self._on_lost = on_spill, on_lost
        self._memory: deque[Item] = deque()
        self._tail: list[Item] = []
        self._tail_bytes = 0
        self._writing = 0
        self._unread = 0
        self._read_at = 0
        self._size = 0
        """Bytes of the file that count; what a failed write left behind them is cut off by the next one."""
        self._left_over = False
        """Whether a failed write left some. Until they are done, a crash may find whole records among them."""
        self._disk = gevent.lock.BoundedSemaphore(1)
        self._arrived = gevent.event.Event()
        self._to_write = gevent.event.Event()
        self._writer: gevent.Greenlet | None = None
        self._stopping = False
        self._said_us: int | None = None
        """When it was last said that the disk fails; None: it works."""
        self.lost = 0

    def __len__(self) -> int:
        return len(self._memory) + self._unread + len(self._tail)

    @property
    def in_memory(self) -> int:
        """Records held in memory, those on their way to the disk included."""
        return len(self._memory) + len(self._tail) + self._writing

    def start(self) -> None:
        """Take over what an earlier life left."""
        self._unread = in_thread(self._open)
        if self._unread:
            log.info("spool taken over", records=self._unread)
            self._arrived.set()
        self._writer = gevent.spawn(self._write_on)

    def stop(self) -> None:
        """Everything undone goes to the file."""
        if self._writer is not None:
            # Not killed: the thread that writes for it would go on, into a file that is being replaced.
            self._stopping = True
            self._to_write.set()
            self._writer.join()
        with self._disk:
            try:
                in_thread(lambda: self._rewrite([*self._memory], [*self._tail]))
            except OSError:
                self._keep_the_rest()
        self._memory.clear()
        self._tail.clear()

    def _keep_the_rest(self) -> None:
        """No room for a new file: there may be some for what is on no disk; its oldest first.

        What was done then comes again, and is dropped by its id.
        """
        rest = [*(item for item in self._memory if not item.stored), *self._tail]
        try:
            self._write(rest)
        except OSError as error:
            log.error("spool cannot be written at the end", reason=error.strerror, records=len(rest))

    def put(self, raw: bytes, received_us: int = 0) -> None:
        """Never waits, never fails. What has no bytes says nothing, and is not kept."""
        if not raw:
            return
        item = Item(raw, received_us)
        if not self._tail and not self._unread and len(self._memory) < self._limit:
            self._memory.append(item)
        elif self._tail_bytes > UNWRITTEN_BYTES:
            self._lose(1)
        else:
            self._tail.append(item)
            self._tail_bytes += len(raw)
            self._to_write.set()
        self._arrived.set()

    def _lose(self, records: int) -> None:
        if self.lost // 1000 < (self.lost + records) // 1000 or not self.lost:
            log.error("the disk does not take the spool: records are lost", lost=self.lost + records)
        self.lost += records
        if self._on_lost is not None:
            self._on_lost(records)

    def peek(self, limit: int, timeout_s: float | None = None, beyond: int = 0) -> list[Item]:
        """The oldest behind the first `beyond`, up to `limit`; waits for one. They stay until `done`.

        None while the disk fails, and while those behind are on disk and the first are not done.
        """
        if len(self) <= beyond:
            self._arrived.clear()
            self._arrived.wait(timeout_s)
        if not self._memory and not self._refill():
            gevent.sleep(DISK_PAUSE_S)
        return list(islice(self._memory, beyond, beyond + limit))

    def wake(self) -> None:
        """Whoever waits in `peek` gets what is there, even if it is nothing."""
        self._arrived.set()

    def done(self, number: int) -> None:
        """The oldest `number` records are with the bus."""
        for _ in range(number):
            self._memory.popleft()
        if not self._memory and not self._unread and (self._read_at or self._left_over):
            with self._disk:
                if self._memory or self._unread:
                    return
                try:
                    in_thread(lambda: self._path.write_bytes(b""))
                    self._read_at = self._size = 0
                    self._left_over = False
                except OSError as error:
                    self._failed("spool cannot be emptied", error)

    def keep(self) -> None:
        """The bus is away: put what is only in memory on the disk too, so that a crash loses nothing of it."""
        with self._disk:
            if not self._unread:  # else the writer has kept it already: it does so before the file grows beyond it
                try:
                    self._store_memory()
                except OSError as error:
                    self._failed("spool cannot be written", error)

    def _store_memory(self) -> None:
        """Append the part of memory that is on no disk: always its end. Nothing unread may stand in the file."""
        items = [item for item in self._memory if not item.stored]
        if items:
            self._write(items)
            for item in items:
                item.stored = True
            self._read_at = self._size

    def _refill(self) -> bool:
        """More into memory; False if the disk fails."""
        with self._disk:
            if self._unread:
                at, limit = self._read_at, self._limit
                try:
                    loaded, self._read_at = in_thread(lambda: self._load(at, limit))
                except OSError as error:
                    self._failed("spool cannot be read", error)
                    return False
                if not loaded:
                    log.error("the spool's file is shorter than it was", lost=self._unread)
                    self._lose(self._unread)
                self._unread = self._unread - len(loaded) if loaded else 0
                self._memory.extend(loaded)
            elif self._tail:
                self._memory.extend(self._tail)
                self._tail.clear()
                self._tail_bytes = 0
        return True

    def _write_on(self) -> None:
        while True:
            self._to_write.wait()
            gevent.sleep(0 if self._stopping else GATHER_S)
            self._to_write.clear()
            if self._stopping:
                return
            if not self._spill():
                gevent.sleep(DISK_PAUSE_S)
                self._to_write.set()

    def _spill(self) -> bool:
        """What came behind a full memory goes to the file; False if the disk fails."""
        with self._disk:
            items, self._tail, self._tail_bytes = self._tail, [], 0
            if not items:
                return True
            first = not self._unread
            self._unread += len(items)  # from here on no new record may pass them by way of memory
            self._writing = len(items)
            try:
                if first:
                    self._store_memory()
                self._write(items)
            except OSError as error:
                self._failed("spool cannot be written", error)
                self._unread -= len(items)
                self._tail = items + self._tail
                self._tail_bytes = sum(len(item.raw) for item in self._tail)
                return False
            finally:
                self._writing = 0
        if self._on_spill is not None:
            self._on_spill(len(items))
        return True

    def _write(self, items: Sequence[Item]) -> None:
        size, self._left_over = self._size, True
        self._size += in_thread(partial(self._append, items, size))
        self._left_over = False
        if self._said_us is not None:
            self._said_us = None
            log.warning("the disk takes the spool again", records=len(self), lost=self.lost)

    def _failed(self, what: str, error: OSError) -> None:
        """Say so, and again once a minute: records wait in memory, and memory has an end."""
        now_us = clock.monotonic_us()
        if self._said_us is None or now_us - self._said_us > SAY_AGAIN_US:
            self._said_us = now_us
            log.error(what, reason=error.strerror, records=len(self), in_memory=self.in_memory, lost=self.lost)

    # -- in a native thread --

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch()
        whole, at = 0, 0
        with self._path.open("r+b") as file:
            size = self._path.stat().st_size
            while head := file.read(_LENGTH.size):
                length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
                if not length or at + _LENGTH.size + length > size:
                    file.truncate(at)  # the process died while writing this one, or the machine: then zeros may follow
                    break
                at += _LENGTH.size + length
                file.seek(at)
                whole += 1
        self._size = at
        return whole

    def _append(self, items: Sequence[Item], size: int) -> int:
        data = b"".join(_LENGTH.pack(len(item.raw)) + item.raw for item in items)
        with self._path.open("r+b" if size else "wb") as file:
            file.truncate(size)
            file.seek(size)
            file.write(data)
        return len(data)

    def _load(self, at: int, limit: int) -> tuple[list[Item], int]:
        items: list[Item] = []
        with self._path.open("rb") as file:
            file.seek(at)
            while len(items) < limit and len(head := file.read(_LENGTH.size)) == _LENGTH.size:
                raw = file.read(_LENGTH.unpack(head)[0])
                items.append(Item(raw, stored=True))
                at += _LENGTH.size + len(raw)
        return items, at

    def _rewrite(self, first: Sequence[Item], last: Sequence[Item]) -> None:
        fresh = self._path.with_suffix(".new")
        rest = self._path.read_bytes()[self._read_at : self._size] if self._unread else b""
        try:
            with fresh.open("wb") as file:
                file.writelines(_LENGTH.pack(len(item.raw)) + item.raw for item in first)
                file.write(rest)
                file.writelines(_LENGTH.pack(len(item.raw)) + item.raw for item in last)
        except OSError:
            fresh.unlink(missing_ok=True)  # a full disk needs the room
            raise
        fresh.replace(self._path)
