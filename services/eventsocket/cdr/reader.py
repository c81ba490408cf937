"""The switch's own call records, read from its folder and told as facts: what no event told, exactly once.

Enters: files of mod_json_cdr. Leaves: records in the agent's spool, and files archived once the bus has what they gave.
One turn a second in a thread of its own; nothing here is held in memory beyond a few hundred records. Files belong to
`folder.py`, their content to `record.py`, what follows from them to `normalise.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import gevent
import gevent.event

from services.eventsocket.cdr.folder import BROKEN_AFTER_S, QUIET_S, CdrFolder, Found, Harvest
from services.eventsocket.cdr.record import CallRecord, families, life
from services.eventsocket.frames import Event
from services.eventsocket.parties import text
from services.eventsocket.records import LEG_RECORDED, source_of
from services.runtime import clock
from services.runtime.log import get_logger
from services.runtime.metrics import CDR_FILES, CDR_WAITING
from services.runtime.threads import in_thread

AT_ONCE = 200
"""Records under way to the bus; the others wait in the folder."""
UNARCHIVED = 20_000
"""So many that are told and cannot be moved are remembered; then no more are read until they can."""
ARCHIVED_AT_ONCE = 500
PARENT_WITHIN_S = 30.0
"""So long a leg waits for the record of the one that dialled it, unless that one is known: it may still be up."""
UNSEEN_S = 120.0
"""So long nothing is told while the switch does not say what is up: of a call that goes on, one leg may have ended."""
LOST_AFTER_S = 60.0
"""A record that was given to the agent and is in no spool any more is read again."""
ERASE_EVERY_S = 3600.0
SAY_EVERY_S = 60.0
NEVER_US = 1 << 62
log = get_logger("cdr")


class Agent(Protocol):
    """What is needed of the agent of the same switch."""

    on_told: list[Callable[[Event], None]]

    @property
    def waiting(self) -> int:
        """Records that the bus does not have yet."""

    def learn(self, record: Event) -> None:
        """Take it in, in its turn."""

    @property
    def sees_all(self) -> bool:
        """Whether all legs that are up have been told."""

    def knows_leg(self, leg: str) -> bool:
        """Whether anything was heard of it."""


@dataclass(frozen=True)
class CdrSettings:
    """Where a switch writes its call records, and what becomes of them."""

    folder: Path
    every_s: float = 1.0
    keep_days: int = 90
    """Archived files are erased after so many days (JAPAN: 通信の秘密)."""
    quiet_s: float = QUIET_S
    broken_after_s: float = BROKEN_AFTER_S


@dataclass
class _Given:
    name: str
    at_us: int
    told: bool = False


class CallRecords:
    """The part that reads one switch's folder; starts after the agent and stops before it."""

    def __init__(self, switch: str, settings: CdrSettings, agent: Agent) -> None:
        self._switch, self._settings, self._agent = switch, settings, agent
        self._folder = CdrFolder(settings.folder, settings.quiet_s, settings.broken_after_s)
        self._given: dict[str, _Given] = {}
        """By leg: files that stay where they are until the bus has what they gave."""
        self._wake = gevent.event.Event()
        self._stopping = False
        self._greenlet: gevent.Greenlet | None = None
        self._erased_us: int | None = None
        self._seen_us = clock.monotonic_us()
        self._said: dict[str, int] = {}

    def start(self) -> None:
        """Returns at once; a folder that is not there yet is looked for again."""
        log.info("reading call records", switch=self._switch, folder=str(self._settings.folder))
        self._agent.on_told.append(self._told)
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """What is told by now is archived; the rest stays in the folder for the next life."""
        self._stopping = True
        self._wake.set()
        if self._greenlet is not None:
            self._greenlet.join()
            self._agent.on_told.remove(self._told)

    def _told(self, record: Event) -> None:
        """The bus has it (on the agent's greenlet: must not block)."""
        if source_of(record) != "cdr" or text(record, "Event-Name") == LEG_RECORDED:
            return
        given = self._given.get(text(record, "Unique-ID"))
        if given is not None:
            given.told = True
            if all(one.told for one in self._given.values()):
                self._wake.set()

    # -- turns --

    def _run(self) -> None:
        try:
            while not self._stopping:
                more = False
                try:
                    more = self._turn()
                except OSError as error:
                    self._complain("the folder of call records cannot be used", error.strerror or str(error))
                except Exception as error:  # the next turn may do better; the files stay
                    log.error("call records could not be looked through", switch=self._switch, exc_info=error)
                self._wake.wait(0.0 if more else self._settings.every_s)
                self._wake.clear()
            self._archive()
        finally:
            in_thread(self._folder.release)

    def _turn(self) -> bool:
        """Whether there is more to read at once."""
        if not in_thread(self._folder.claim):
            self._complain("another process reads this folder of call records; this one stands by", "")
            return False
        self._archive()
        self._forget_lost()
        self._erase()
        if not self._may_tell():
            return False
        room = AT_ONCE - sum(not one.told for one in self._given.values())
        if room <= 0 or len(self._given) > UNARCHIVED:
            return False
        held = {given.name for given in self._given.values()}
        harvest = in_thread(lambda: self._folder.look(room, held))
        self._report(harvest)
        return self._give(harvest) > 0 and harvest.more

    def _may_tell(self) -> bool:
        now_us = clock.monotonic_us()
        if self._agent.sees_all:
            self._seen_us = now_us
        return self._agent.sees_all or now_us - self._seen_us > UNSEEN_S * 1_000_000

    def _give(self, harvest: Harvest) -> int:
        """Hand over the legs that can be told now. How many."""
        by_leg = {found.record.leg: found for found in harvest.found}
        ready: list[CallRecord] = []
        for family in families(found.record for found in by_leg.values()):
            if self._is_ripe(family, by_leg, harvest.unripe):
                ready += family
        now_us = clock.monotonic_us()
        for record in ready:
            self._given[record.leg] = _Given(by_leg[record.leg].name, now_us)
        for event in life(ready):
            self._agent.learn(event)
        return len(ready)

    def _is_ripe(self, family: list[CallRecord], by_leg: dict[str, Found], unripe: set[str]) -> bool:
        """Not while the record of a relative is being written, nor while the leg that dialled it may still be up."""
        for record in family:
            if unripe & {record.parent, *record.relatives}:
                return False
            lone = record.parent and record.parent not in by_leg and by_leg[record.leg].age_s < PARENT_WITHIN_S
            if lone and not any(self._agent.knows_leg(leg) for leg in (record.parent, record.leg)):
                return False
        return True

    def _archive(self) -> None:
        told = dict(islice(((leg, given) for leg, given in self._given.items() if given.told), ARCHIVED_AT_ONCE))
        if not told:
            return
        names = [given.name for given in told.values()]
        failed = in_thread(lambda: self._archived(names))
        for leg, given in told.items():
            if given.name not in failed:
                self._given.pop(leg, None)
        CDR_FILES.labels(self._switch, "archived").inc(len(told) - len(failed))
        if failed:
            self._complain("call records cannot be archived; they stay in the folder", next(iter(failed.values())))

    def _archived(self, names: list[str]) -> dict[str, str]:
        failed: dict[str, str] = {}
        for name in names:
            try:
                self._folder.archive(name)
            except OSError as error:
                failed[name] = error.strerror or str(error)
        return failed

    def _forget_lost(self) -> None:
        """What the spool had to throw away is read again, since its file is still there."""
        before_us = clock.monotonic_us() - int(LOST_AFTER_S * 1_000_000)
        if self._agent.waiting == 0:
            for leg in [leg for leg, one in self._given.items() if not one.told and one.at_us < before_us]:
                del self._given[leg]

    def _erase(self) -> None:
        now_us = clock.monotonic_us()
        if self._erased_us is not None and now_us - self._erased_us < ERASE_EVERY_S * 1_000_000:
            return
        self._erased_us = now_us
        days = self._settings.keep_days
        erased = in_thread(lambda: self._folder.erase_older_than(days))
        if erased:
            CDR_FILES.labels(self._switch, "erased").inc(erased)
            log.info("old call records erased", switch=self._switch, files=erased, days=days)

    # -- saying --

    def _report(self, harvest: Harvest) -> None:
        CDR_WAITING.labels(self._switch).set(len(harvest.unripe) + len(harvest.found) + len(harvest.trouble))
        for name, why in harvest.bad:
            CDR_FILES.labels(self._switch, "bad").inc()
            log.error("a call record that is none was put aside in bad/", switch=self._switch, file=name, reason=why)
        if harvest.trouble:
            CDR_FILES.labels(self._switch, "unreadable").inc(len(harvest.trouble))
            name, why = harvest.trouble[0]
            self._complain(f"{len(harvest.trouble)} call records cannot be read, for example {name}", why)

    def _complain(self, what: str, reason: str) -> None:
        """Once a minute each kind: the same trouble comes back with every turn."""
        kind, now_us = what.split(",")[0].lstrip("0123456789"), clock.monotonic_us()
        if now_us - self._said.get(kind, -NEVER_US) > SAY_EVERY_S * 1_000_000:
            self._said[kind] = now_us
            log.warning(what, switch=self._switch, folder=str(self._settings.folder), reason=reason)


@dataclass(frozen=True)
class NoCallRecords:
    """In the place of `CallRecords` for a switch without `cdr_dir`: says so once."""

    switch: str

    def start(self) -> None:
        """What ends while this process is away stays estimated, and is held back from charging."""
        log.info("no cdr_dir: this switch's call records are not read", switch=self.switch)

    def stop(self) -> None:
        """Nothing is kept."""
