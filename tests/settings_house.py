"""Directory with its files and pages, for tests of the settings pages: the watch reads nothing by itself.

Enters: a folder, a database, a client's file. Leaves: a web server on a free port, with a platform operator (`admin`)
and an administrator of the client acme (`keiri`).
"""

from __future__ import annotations

from pathlib import Path

from proto.events import PersonChanged
from proto.topics import service_queue
from services.directory import service as directory
from services.directory.audit import web as audit_web
from services.directory.explaining import web as explaining_web
from services.directory.people import rows as people
from services.directory.people import staff
from services.directory.people import web as people_web
from services.directory.people.ranks import Actor
from services.directory.phones import web as phones_web
from services.directory.phones.issuing import Reach
from services.directory.settings import web as settings_web
from services.routing.explain import explain
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.store import Store
from services.runtime.web import create_app
from services.runtime.web.server import WebServer
from tests.stores import Database

SAMPLES = Path(__file__).parents[1] / "deploy" / "tenants"


class SettingsHouse:
    """The pages over the sample of acme, and another client that is none of its business."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder / "tenants"
        self.folder.mkdir(parents=True)
        for name in ("platform.yaml", "acme.yaml", "sakura-tax.yaml"):
            (self.folder / name).write_bytes((SAMPLES / name).read_bytes())
        self.bus = EmbeddedBus(folder / "bus.sqlite")
        self.store = Store(database.store("directory"), directory.build().metadata)
        self.files = directory.Files(self.store, self.bus, self.folder)
        self._key = folder / "session.key"
        self.passwords: dict[str, str] = {}

    def start(self) -> None:
        """Everything up, files in force."""
        self.bus.start([service_queue("directory")])
        self.store.start()
        self.files.reload()
        self.passwords["admin"] = people.ensure_first_person(self.store)[1] or ""
        keiri = PersonChanged(
            person="keiri", name="経理", role="tenant_administrator", tenants=("acme",), session_version=1
        )
        self.passwords["keiri"] = staff.add(self.store, Actor("admin", "platform_operator", ()), keiri)
        app = create_app(
            [
                people_web.blueprint(self.store, self.bus),
                audit_web.blueprint(self.store),
                settings_web.blueprint(self.store, self.folder, self.files.reload, explain),
                explaining_web.blueprint(self.store, explain),
                phones_web.blueprint(self.store, self.bus, {"fs1": Reach("sip.example", secure=True)}),
            ],
            key_file=self._key,
            people=lambda name: self.store.run(lambda tx: people.find(tx, name)),
        )
        self.server = WebServer(app)
        self.server.start()

    def stop(self) -> None:
        """Everything down."""
        self.server.stop()
        self.bus.stop()
        self.store.stop()

    def acme(self) -> str:
        """The client's file as it stands."""
        return (self.folder / "acme.yaml").read_text(encoding="utf-8")
