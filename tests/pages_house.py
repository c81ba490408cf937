"""History and directory with their pages, for tests: real stores, the embedded bus, real workers, the real web server.

Enters: a folder, and facts to be told. Leaves: a web server on a free port and the password of its first person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import gevent
import msgspec

from proto.envelope import Envelope
from proto.events import PersonChanged, TenantRevised
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.topics import Queue, all_queues, outgoing
from proto.values import PLATFORM_TENANT
from services.directory import api as directory_api
from services.directory import service as directory
from services.directory.audit import web as audit_web
from services.directory.audit.letters import keep_deed
from services.directory.explaining import web as explaining_web
from services.directory.health import web as health_web
from services.directory.identity import web as identity_web
from services.directory.imports import web as imports_web
from services.directory.numbers import api as numbers_api
from services.directory.numbers import web as numbers_web
from services.directory.people import rows as people
from services.directory.people import staff
from services.directory.people import web as people_web
from services.directory.phone_book import api as phone_book_api
from services.directory.phone_book import web as phone_book_web
from services.directory.phones import api as phones_api
from services.directory.phones import web as phones_web
from services.directory.settings import api as settings_api
from services.directory.settings import web as settings_web
from services.directory.tenants import texts
from services.directory.tenants.documents import PLATFORM_FILE
from services.history import api as history_api
from services.history import service as history
from services.history import web as history_web
from services.history.model import Call
from services.letters import kept, view
from services.letters import web as letters_web
from services.letters.desk import Desk
from services.letters.kept import Deed
from services.routing.explain import explain
from services.runtime import clock, projections
from services.runtime.bus import DeadLetter
from services.runtime.bus.choose import letter_box
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.store import Store, Tx
from services.runtime.threads import in_thread
from services.runtime.web import create_app
from services.runtime.web.access import TOKEN_SCOPES
from services.runtime.web.live import Feed
from services.runtime.web.server import WebServer
from services.runtime.worker import Worker
from tests.clients import ACME, PLATFORM
from tests.stores import Database
from tests.visitor import Visitor

DEADLINE_S = 30.0


class PagesHouse:
    """The two rooms that pages need."""

    def __init__(
        self,
        folder: Path,
        database: Database,
        comment_every_s: float = 15.0,
        certificate: Path | None = None,
        per_minute: int = 600,
        also: tuple[Queue, ...] = (),
    ) -> None:
        """`certificate`: chain and key with which pages are served by https; `per_minute`: requests of a program.

        `also`: queues beside those of the services.
        """
        self._also = also
        self._certificate, self._per_minute = certificate, per_minute
        self.feed = Feed(comment_every_s)
        self.bus = EmbeddedBus(folder / "bus.sqlite")
        directory_service, history_service = directory.build(), history.build(self.feed)
        self.directory = Store(database.store("directory"), directory_service.metadata)
        self.history = Store(database.store("history"), history_service.metadata)
        self.letters = Store(database.store(kept.NAME), kept.metadata())
        self._workers = [
            Worker(directory_service, self.directory, self.bus, "directory.0"),
            Worker(history_service, self.history, self.bus, "history.0"),
        ]
        self._folder, self._tenants = folder, folder / "tenants"
        self._files = directory.Files(self.directory, self.bus, self._tenants)
        self.taking: Callable[[], object] = self._files.reload
        """How a change by API is taken into force; a test may hold it up."""
        self.password = ""
        self.asked_in_vain = 0
        """How often a page looked for a person of whom it had not heard the latest."""

    def start(self) -> None:
        """Everything up, the first person known to the pages."""
        self.bus.start((*all_queues(("fs1",)), *self._also))
        self.directory.start()
        self.history.start()
        self.letters.start()
        self._tenants.mkdir()
        self._in_force(PLATFORM_TENANT, PLATFORM_FILE, PLATFORM)
        self.admin, password = people.ensure_first_person(self.directory)
        self.password = password or ""
        for worker in self._workers:
            worker.start()
        api = directory_api.room(self.directory, lambda: health_web.page(self.directory, self.bus))
        books = phone_book_web.Books(self.directory, self.bus)
        phone_book_api.add_phone_book(api, books)
        numbers_api.add_numbers(api, self.directory, books.tell)
        phones_api.add_phones(api, self.directory, books.tell)
        settings_api.add_settings(api, self.directory, self._tenants, lambda: self.taking(), explain)
        app = create_app(
            [
                people_web.blueprint(self.directory, self.bus),
                audit_web.blueprint(self.directory),
                health_web.blueprint(self.directory, self.bus),
                letters_web.blueprint(self._desk()),
                settings_web.blueprint(self.directory, self._tenants, self._files.reload, explain),
                explaining_web.blueprint(self.directory, explain),
                phone_book_web.blueprint(self.directory, self.bus),
                imports_web.blueprint(self.directory, self.bus, self._tenants, self._files.reload),
                phones_web.blueprint(self.directory, self.bus),
                numbers_web.blueprint(self.directory, self.bus),
                identity_web.blueprint(self.directory, self._files.reload),
                history_web.blueprint(self.history, self.feed),
                history_api.room(self.history),
                api,
            ],
            key_file=self._folder / "session.key",
            people=self.person,
            https=self._certificate is not None,
            per_minute=self._per_minute,
        )
        self.app = app
        self.server = WebServer(app, certificate_file=self._certificate)
        self.server.start()
        self.add_client(msgspec.convert(ACME, Tenant))
        self.until(lambda: self.person("admin") is not None)

    def _desk(self) -> Desk:
        box = letter_box("embedded:", self._folder, aside=in_thread)

        def told(deed: Deed, letter: DeadLetter) -> None:
            keep_deed(self.directory, deed.by, deed.what, view.client_of(letter), deed.letter, {"why": deed.why})

        return Desk(box, self.letters, told)

    def stop(self) -> None:
        """Everything down."""
        self.server.stop()
        for worker in self._workers:
            worker.stop()
        self.bus.stop()
        self.directory.stop()
        self.history.stop()
        self.letters.stop()

    def person(self, name: str) -> PersonChanged | None:
        """The projection that pages check sessions against."""
        known = self.history.run(lambda tx: projections.person(tx, name))
        told = self.directory.run(lambda tx: people.find(tx, name))
        if known != told:
            self.asked_in_vain += 1
        return known

    def visitor(self, name: str, role: str, *tenants: str) -> Visitor:
        """Somebody of this role for these clients, logged in."""
        row = PersonChanged(person=name, name=name, role=role, tenants=tenants, session_version=1)  # type: ignore[arg-type]
        people.add_person(self.directory, row, "correct horse")
        self.publish_people()
        self.until(lambda: self.person(name) is not None)
        visitor = Visitor(self.server.port)
        assert visitor.log_in(name, "correct horse").status == 303
        return visitor

    def program(self, person: str = "admin", *scopes: str) -> Visitor:
        """A program with a token of this person, good for everything unless scopes are named."""
        token = staff.make_token(self.directory, person, "program", scopes or tuple(sorted(TOKEN_SCOPES)), 30)
        self.publish_people()
        self.drained()
        return Visitor(self.server.port, token=token)

    def publish_people(self) -> None:
        """Tell the pages of people who were added or renewed."""
        people.tell(self.directory, self.bus)

    def add_client(self, tenant: Tenant) -> None:
        """A client whose file directory has read."""
        self._in_force(tenant.tenant, f"{tenant.tenant}.yaml", tenant)
        self.tell([revised(tenant)])

    def _in_force(self, name: str, file: str, body: Tenant | Platform) -> None:
        """The file (JSON is YAML), its revision and its text, of which nobody is told."""
        text, now_us = msgspec.json.encode(body), clock.now_us()
        (self._tenants / file).write_bytes(text)
        row = {"tenant": name, "file": file, "revision": "1", "gone": False}
        of_text = {
            "number": 1,
            "at_us": now_us,
            "who": "file",
            "why": "",
            "digest": texts.digest_of(text),
            "text": text,
        }

        def insert(tx: Tx) -> None:
            tx.insert_once(tx.tables["revisions"], {**row, "since_us": now_us, "body": text})
            tx.insert_once(tx.tables["file_texts"], {**row, **of_text})

        self.directory.run(insert)

    def tell(self, facts: Iterable[Envelope]) -> None:
        """Put facts on the bus."""
        self.bus.publish([outgoing(fact) for fact in facts])

    def call(self, tenant: str, call: str) -> Call | None:
        """What history knows of a call."""
        return self.history.run(lambda tx: tx.state("call", f"{tenant}/{call}", Call))

    def drained(self) -> None:
        """Wait until history has heard everything."""
        self.until(lambda: self.bus.depth("history.0") == 0)

    def until(self, holds: object) -> None:
        """Wait for a condition. Raises gevent.Timeout after the deadline."""
        with gevent.Timeout(DEADLINE_S):
            while not holds():  # type: ignore[operator]
                gevent.sleep(0.01)


def revised(tenant: Tenant) -> Envelope:
    """A client's file, told to everybody."""
    return Envelope(
        body=TenantRevised(revision="1", body=tenant),
        id=f"revision.{tenant.tenant}",
        source="directory",
        tenant=tenant.tenant,
        occurred_at_us=clock.now_us(),
    )
