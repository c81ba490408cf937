"""Client files as they are kept and brought into force: the commands beside a directory that watches its folder."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gevent
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from proto.envelope import Envelope
from proto.events import RevisionApplied
from proto.topics import outgoing, service_queue
from services.cli import main
from services.directory import service as directory
from services.directory.tenants.applied import applied
from services.history import service as history
from services.runtime import clock
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.store import Store
from services.runtime.worker import Worker
from tests.stores import Database

PLATFORM = "switches: [{switch: fs1}]\ncarriers: [{name: trunk, gateway: trunk}]\n"
ACME = "# アクメ\ntenant: acme\nname: {0}\ncontract: {{from: 2026-04-01}}\n"


@dataclass
class House:
    """Directory with its watch, and history, on one bus; commands are typed beside them."""

    folder: Path
    database: Database
    bus: EmbeddedBus
    store: Store
    files: directory.Files
    history_worker: Worker

    def write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.yaml").write_text(text, encoding="utf-8")

    def acme(self) -> str:
        return (self.folder / "acme.yaml").read_text(encoding="utf-8")

    def type(self, *words: str) -> Result:
        settings = {
            "TORITSUGI_DATABASE": self.database.url,
            "TORITSUGI_DATA_DIR": str(self.folder.parent),
            "TORITSUGI_TENANTS_DIR": str(self.folder),
        }
        return CliRunner(env=settings).invoke(main, ["tenants", *words], catch_exceptions=False)

    def history(self) -> list[tuple[int, str, str]]:
        """Number, who and why of acme's revisions, newest first."""
        entries = [json.loads(line) for line in self.type("history", "acme", "--json").stdout.splitlines()]
        return [(entry["number"], entry["who"].partition(":")[0], entry["why"]) for entry in entries]

    def report(self, switch: str) -> None:
        """What the agent beside a switch says once it works with what holds now."""
        rows = self.store.run(lambda tx: tx.sql.execute(select(tx.tables["revisions"])).all())
        facts = []
        for row in rows:
            fact = RevisionApplied(switch=switch, revision=row.revision)
            key = f"{switch}/{row.tenant}/{row.revision}"
            facts.append(Envelope(body=fact, id=key, source=switch, tenant=row.tenant, occurred_at_us=clock.now_us()))
        self.bus.publish([outgoing(fact) for fact in facts])


@pytest.fixture
def house(tmp_path: Path, database: Database) -> Iterator[House]:
    folder = tmp_path / "tenants"
    folder.mkdir()
    (folder / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    (folder / "acme.yaml").write_text(ACME.format("アクメ"), encoding="utf-8")
    bus = EmbeddedBus(tmp_path / "bus.sqlite")
    bus.start([service_queue("directory"), service_queue("history")])
    rooms = {"directory": directory.build(), "history": history.build()}
    stores = {name: Store(database.store(name), room.metadata) for name, room in rooms.items()}
    for store in stores.values():
        store.start()
    files = directory.Files(stores["directory"], bus, folder, every_s=0.02)
    workers = [Worker(room, stores[name], bus, f"{name}.0") for name, room in rooms.items()]
    for worker in workers:
        worker.start()
    files.start()
    yield House(folder, database, bus, stores["directory"], files, workers[1])
    files.stop()
    for worker in workers:
        worker.stop()
    bus.stop()
    for store in stores.values():
        store.stop()


def draft(folder: Path, text: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "acme.yaml").write_text(text, encoding="utf-8")
    return str(folder)


def test_a_change_is_checked_logged_in_force_and_taken_back(house: House, tmp_path: Path) -> None:
    told = house.type("apply", draft(tmp_path / "draft", ACME.format("新アクメ")), "--why", "社名変更")
    assert (told.exit_code, told.stdout) == (0, "acme.yaml written\nin force: acme\n")
    assert "新アクメ" in house.acme()
    assert house.history() == [(2, "console", "社名変更"), (1, "file", "")]
    assert (
        "新アクメ" in house.type("show", "acme").stdout
        and "name: アクメ" in house.type("show", "acme", "--revision", "1").stdout
    )

    told = house.type("undo", "acme")
    assert (told.exit_code, told.stdout) == (0, "acme.yaml is as in revision 1 again\nin force: acme\n")
    assert house.acme() == ACME.format("アクメ"), "comments too"
    assert house.history()[0] == (3, "console", "back to 1")
    assert house.type("undo", "acme").exit_code == 0 and "新アクメ" in house.acme(), "taken back, taken back"
    assert house.type("undo", "acme", "--to", "9").stderr == "Error: acme has no revision 9: nothing was written\n"

    log = CliRunner(env={"TORITSUGI_DATABASE": house.database.url}).invoke(
        main, ["audit", "export", "--data", str(house.folder.parent)]
    )
    assert log.stdout.count("tenant_file.changed") >= 4 and "社名変更" in log.stdout


def test_a_wrong_draft_changes_no_file_at_all(house: House, tmp_path: Path) -> None:
    folder = draft(tmp_path / "draft", ACME.format("新アクメ"))
    (tmp_path / "draft" / "other.yaml").write_text("tenant: other\nname: x\n", encoding="utf-8")
    told = house.type("apply", folder)
    assert told.exit_code == 1 and "other.yaml:1: contract: is missing" in told.stdout
    assert house.acme() == ACME.format("アクメ") and not (house.folder / "other.yaml").exists()


def test_a_file_that_somebody_is_changing_is_not_written_over(house: House) -> None:
    house.type("apply")
    half = ACME.format("半分") + "numbers: [\n"
    house.write("acme", half)
    house.write("acme", ACME.format("二").replace("2026-04-01", "2026-04-31"))
    told = house.type("undo", "acme", "--to", "1")
    assert told.exit_code == 1 and "acme.yaml was changed meanwhile" in told.stderr
    assert "2026-04-31" in house.acme()
    assert house.type("undo", "acme", "--to", "1", "--force").exit_code == 0
    assert house.acme() == ACME.format("アクメ")


def test_a_removed_client_comes_back_by_undo(house: House) -> None:
    house.type("apply")
    (house.folder / "acme.yaml").unlink()
    with gevent.Timeout(10):
        while house.history()[0][0] < 2:
            house.files.reload()
    assert house.type("undo", "acme").exit_code == 0
    assert house.acme() == ACME.format("アクメ")
    assert [number for number, *_ in house.history()] == [3, 2, 1]


def test_comments_are_kept_though_they_make_no_revision(house: House) -> None:
    house.type("apply")
    house.write("acme", "# 注\n" + ACME.format("アクメ"))
    house.files.reload()
    first, second = [json.loads(line) for line in house.type("history", "acme", "--json").stdout.splitlines()]
    assert first["revision"] == second["revision"] and first["digest"] != second["digest"]


def test_apply_names_the_switch_that_has_not_come_so_far(house: House, tmp_path: Path) -> None:
    house.report("fs1")
    with gevent.Timeout(10):
        while not house.store.run(applied):
            gevent.sleep(0)
    folder = draft(tmp_path / "draft", ACME.format("新アクメ"))
    told = house.type("apply", folder, "--within", "0.5")
    assert (told.exit_code, told.stderr) == (1, "not within 0.5 s: switch fs1: acme\n")
    house.report("fs1")
    assert house.type("apply", "--within", "10").stdout == "in force: acme, _platform\n"


def test_apply_names_the_service_that_has_not_come_so_far(house: House, tmp_path: Path) -> None:
    house.type("apply")
    house.history_worker.stop()
    told = house.type("apply", draft(tmp_path / "draft", ACME.format("新アクメ")), "--within", "0.5")
    assert (told.exit_code, told.stderr) == (1, "not within 0.5 s: history: acme\n")
    assert "新アクメ" in house.acme(), "it takes effect when they come"


def test_everything_in_force_is_exported_as_a_zip_and_as_a_folder(house: House, tmp_path: Path) -> None:
    house.type("apply")
    house.write("acme", "tenant: [\n")  # in force is what was right
    assert house.type("export", str(tmp_path / "all.zip")).exit_code == 0
    with zipfile.ZipFile(io.BytesIO((tmp_path / "all.zip").read_bytes())) as archive:
        assert archive.namelist() == ["acme.yaml", "platform.yaml"]
        assert archive.read("acme.yaml").decode() == ACME.format("アクメ")
    assert house.type("export", str(tmp_path / "all")).exit_code == 0
    assert (tmp_path / "all" / "platform.yaml").read_text(encoding="utf-8") == PLATFORM
    assert "is not empty" in house.type("export", str(tmp_path / "all")).stderr


def test_the_platform_has_a_history_too(house: House) -> None:
    house.write("platform", PLATFORM + "timezone: Asia/Tokyo\n")
    assert house.type("apply").exit_code == 0
    assert house.type("undo", "platform").exit_code == 0
    assert (house.folder / "platform.yaml").read_text(encoding="utf-8") == PLATFORM
