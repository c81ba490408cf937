"""The room of the tenant files: reads the folder, keeps the last good copy of each, tells everybody.

Enters: the folder's files, ServiceStarted. Leaves: TenantRevised and PlatformRevised, each with its revision; problems
for whoever asked to hear them. What a file must look like stands in `tenants/`; who may log in, in `people/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import gevent.lock
import msgspec
from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, MetaData, Table, Text, select, update

from proto.envelope import Envelope
from proto.events import (
    PersonChanged,
    PhoneCredentialApplied,
    PhoneRegistered,
    PhoneUnregistered,
    PlatformRevised,
    PrivateSeen,
    RevisionApplied,
    ServiceAlive,
    ServiceStarted,
    TenantRevised,
)
from proto.message import Event
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.topics import Outgoing, outgoing
from proto.values import PLATFORM_TENANT, command_id
from services.directory.audit.rows import add_audit_table, audited
from services.directory.health.alive import add_alive_table, keep_alive
from services.directory.identity import records as identity
from services.directory.imports import kept as imports
from services.directory.numbers import stock
from services.directory.numbers.model import DAY_US
from services.directory.people import rows as people
from services.directory.people.second_factor import add_second_factor_tables
from services.directory.people.tokens import add_tokens_table
from services.directory.phone_book import entries as phone_book
from services.directory.phones import rows as phones
from services.directory.tenants import texts
from services.directory.tenants.applied import add_applied_table, keep_applied
from services.directory.tenants.documents import PLATFORM_FILE, Document, Folder, revision_of
from services.directory.tenants.problems import Problem, errors
from services.directory.tenants.settle import Held, InForce, Settled, settle
from services.directory.tenants.yaml_files import read_folder, stamps
from services.runtime import clock
from services.runtime.bus import Bus, Unavailable
from services.runtime.log import get_logger
from services.runtime.projections import keep_person
from services.runtime.store import Conflict, Store, Tx, of_room
from services.runtime.threads import in_thread
from services.runtime.web.api.once import add_writes_table
from services.runtime.worker import Cause, Emit, Handler, Service

NAME = "directory"
WITH_AGENTS = ("eventsocket", "house")
"""Processes that may hear of credentials, as they name themselves."""
WITH_HISTORY = ("history", "house")
"""Processes that show names beside calls."""
log = get_logger(NAME)


def build() -> Service:
    """The service as the shell sees it."""
    metadata = of_room(__package__)
    people.add_people_tables(metadata)
    add_revisions_table(metadata)
    add_applied_table(metadata)
    add_alive_table(metadata)
    add_audit_table(metadata)
    texts.add_text_tables(metadata)
    imports.add_import_tables(metadata)
    phone_book.add_phone_book_tables(metadata)
    add_second_factor_tables(metadata)
    add_tokens_table(metadata)
    add_writes_table(metadata)
    identity.add_identity_tables(metadata)
    phones.add_phone_tables(metadata)
    stock.add_number_tables(metadata)
    handlers: dict[type[Event], Handler] = {
        ServiceStarted: say_everything,
        PersonChanged: keep_person,
        RevisionApplied: keep_applied,
        ServiceAlive: keep_alive,
        PhoneCredentialApplied: phones.keep_applied_credential,
        PhoneRegistered: phones.keep_registration,
        PhoneUnregistered: phones.keep_registration,
        PrivateSeen: keep_look,
    }
    return Service(NAME, handlers, metadata)


def keep_look(tx: Tx, envelope: Envelope, _cause: Cause) -> list[Emit]:
    """Handler of PrivateSeen: an entry of the audit log, at the time of the look. Raises Conflict: again."""
    fact = envelope.body
    assert isinstance(fact, PrivateSeen)
    what = "call.looked" if fact.what in ("call", "report") else "call.exported"
    kind = {"as": fact.what}
    audited(tx, fact.person, what, envelope.tenant, fact.about, after=kind, now_us=envelope.occurred_at_us)
    return []


def add_revisions_table(metadata: MetaData) -> None:
    """One row per client (and `_platform`): the last good copy, and since when it holds."""
    Table(
        "revisions",
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("file", Text, nullable=False),
        Column("revision", Text, nullable=False),
        Column("since_us", BigInteger, nullable=False),
        Column("gone", Boolean, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )


def say_everything(tx: Tx, envelope: Envelope, _cause: Cause) -> list[Emit]:
    """Handler of ServiceStarted: all revisions and people again, revisions under the ids they had, platform last.

    Phones' credentials before them, and to agents alone: nobody else is told a secret again. What is suspended before
    them, too: no call slips through.
    """
    started = envelope.body
    assert isinstance(started, ServiceStarted)
    return [
        *(phones.say_all(tx) if started.service in WITH_AGENTS else ()),
        *stock.say_suspended(tx),
        *(
            Emit(told.body, tenant=told.tenant, call="", occurred_at_us=told.occurred_at_us, id=told.id)
            for told in _told_all(tx)
        ),
        *(phone_book.say_all(tx) if started.service in WITH_HISTORY else ()),
        *people.all_people(tx),
    ]


def _told_all(tx: Tx) -> list[Envelope]:
    """Clients first, the platform last: whoever has heard it has heard of every client, and knows whose nobody is."""
    table = tx.tables["revisions"]
    rows = tx.sql.execute(select(table).order_by(table.c.tenant == PLATFORM_TENANT, table.c.tenant))
    return [_told(row) for row in rows]


def _told(row: Any) -> Envelope:
    """The fact of one row. Its id holds the time, so that a file set back to what it was is news again."""
    body: PlatformRevised | TenantRevised
    if row.tenant == PLATFORM_TENANT:
        body = PlatformRevised(revision=row.revision, body=msgspec.json.decode(row.body, type=Platform))
    else:
        tenant = msgspec.json.decode(row.body, type=Tenant)
        body = TenantRevised(revision=row.revision, body=tenant, gone=row.gone)
    return Envelope(
        body=body,
        id=command_id(f"revision/{row.tenant}/{row.revision}/{int(row.gone)}", row.since_us),
        source=NAME,
        tenant=row.tenant,
        occurred_at_us=row.since_us,
    )


def in_force(tx: Tx, of: str | None = None) -> InForce:
    """What everybody works with now, from the last good copies; `of`: the platform and this client alone."""
    platform: Platform | None = None
    tenants: dict[str, Held] = {}
    table = tx.tables["revisions"]
    query = select(table) if of is None else select(table).where(table.c.tenant.in_((PLATFORM_TENANT, of)))
    for row in tx.sql.execute(query):
        if row.tenant == PLATFORM_TENANT:
            platform = msgspec.json.decode(row.body, type=Platform)
        elif not row.gone:
            tenants[row.tenant] = Held(row.file, msgspec.json.decode(row.body, type=Tenant))
    return InForce(
        platform, tenants, identity.confirmed(tx, clock.now_us(), of), stock.spoken_for(tx, clock.now_us(), of)
    )


def take(tx: Tx, folder: Folder, now_us: int) -> tuple[Settled, list[Outgoing]]:
    """Let the folder take effect: new rows, and the facts of what changed, already in the outbox."""
    before = in_force(tx)
    settled = settle(folder, before)
    changed: list[str] = []
    if settled.platform is not None and _keep(tx, PLATFORM_TENANT, PLATFORM_FILE, settled.platform, False, now_us):
        changed.append(PLATFORM_TENANT)
    for name, held in settled.tenants.items():
        if _keep(tx, name, held.file, held.body, False, now_us):
            changed.append(name)
    for name in settled.gone:
        _keep(tx, name, before.tenants[name].file, before.tenants[name].body, True, now_us)
        changed.append(name)
    _keep_texts(tx, folder, settled, now_us)
    news = [outgoing(told) for told in _told_all(tx) if told.tenant in changed]
    tx.post(news)
    if settled.platform is not None:
        owners = {entry.number: name for name, held in settled.tenants.items() for entry in held.body.numbers}
        news += stock.follow(tx, owners, settled.platform.quarantine_days * DAY_US, now_us)
    return settled, news


def _keep_texts(tx: Tx, folder: Folder, settled: Settled, now_us: int) -> None:
    """Whatever took effect as it stands in the folder; a refused file is no text of its client."""
    stands = texts.standing(tx)
    taken: list[tuple[str, Document[Tenant] | Document[Platform]]] = [
        (document.body.tenant, document)
        for document in folder.tenants
        if settled.tenants.get(document.body.tenant) == Held(document.file, document.body)
    ]
    if folder.platform is not None and folder.platform.body == settled.platform:
        taken.append((PLATFORM_TENANT, folder.platform))
    for name, document in taken:
        texts.keep(tx, stands.get(name), name, document, now_us)
    for name in settled.gone:
        if (last := stands.get(name)) is not None:
            texts.keep_end(tx, last, now_us)


def _keep(tx: Tx, tenant: str, file: str, body: Tenant | Platform, gone: bool, now_us: int) -> bool:
    """Whether this is news. Raises Conflict if another process wrote the first row of this client meanwhile."""
    table, revision = tx.tables["revisions"], revision_of(body)
    known = tx.sql.execute(select(table).where(table.c.tenant == tenant)).first()
    if known is not None and (known.revision, known.gone) == (revision, gone):
        if known.file != file:
            tx.sql.execute(update(table).where(table.c.tenant == tenant).values(file=file))
        return False
    row = {"file": file, "revision": revision, "gone": gone, "body": msgspec.json.encode(body)}
    if known is None:
        if not tx.insert_once(table, {"tenant": tenant, "since_us": now_us, **row}):
            raise Conflict(f"revision of {tenant}")
    else:  # later than before even if the machine's clock was set back
        since_us = max(now_us, known.since_us + 1)
        tx.sql.execute(update(table).where(table.c.tenant == tenant).values(since_us=since_us, **row))
    return True


def _say_nothing(_problems: Sequence[Problem]) -> None:
    return


@dataclass
class Files:
    """Watches one folder: reads it at the start and whenever a file changes."""

    store: Store
    bus: Bus
    folder: Path
    report: Callable[[Sequence[Problem]], None] = _say_nothing
    """Told the problems of each reading."""
    every_s: float = 1.0
    _seen: dict[str, tuple[int, int]] | None = None
    _unsaid: list[Outgoing] = field(default_factory=list)
    """Committed, but not yet taken by the bus."""
    _greenlet: gevent.Greenlet | None = None
    _stopping: gevent.event.Event = field(default_factory=gevent.event.Event)
    _one_at_a_time: gevent.lock.Semaphore = field(default_factory=gevent.lock.Semaphore)

    def start(self) -> None:
        """Read once, then watch. Raises OSError if the folder cannot be read, Unavailable if store or bus are away."""
        # Credentials first: an agent that knows the platform takes a phone without one for a phone that may not call.
        self._unsaid = self.store.run(
            lambda tx: [outgoing(told) for told in (*phones.told_all(tx), *stock.suspended_facts(tx), *_told_all(tx))]
        )
        self.reload()
        self._greenlet = gevent.spawn(self._watch)

    def stop(self) -> None:
        """Stop watching; what was published stays."""
        self._stopping.set()
        if self._greenlet is not None:
            self._greenlet.join()

    def reload(self) -> Settled:
        """Read the folder now; returns when the bus has what changed. Raises OSError, Unavailable."""
        with self._one_at_a_time:
            seen, self._seen = stamps(self.folder), None  # whatever fails from here on, the watch reads again
            folder = in_thread(lambda: read_folder(self.folder))  # a thousand files take their time
            settled, news = self.store.run(lambda tx: take(tx, folder, clock.now_us()), people.TRIES)
            self._unsaid += news
            self.bus.publish(self._unsaid)
            said, self._unsaid = [message.id for message in self._unsaid], []
            self.store.run(lambda tx: tx.posted(said), people.TRIES)
            self._seen = seen
        for problem in errors(settled.problems):
            log.error("tenant file", file=problem.file, line=problem.line, key=problem.key, problem=str(problem))
        self.report(settled.problems)
        return settled

    def _watch(self) -> None:
        while not self._stopping.wait(self.every_s):
            try:
                if stamps(self.folder) != self._seen:
                    self.reload()
            except (OSError, Unavailable) as error:
                log.warning("tenant files wait", reason=str(error))
            except Exception as error:  # the watch must outlive whatever it meets: nobody starts it again
                log.error("tenant files wait", exc_info=error)
