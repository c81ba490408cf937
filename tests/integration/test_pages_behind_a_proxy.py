"""The pages as they stand at scale: two processes with folders of their own, behind a web server that speaks TLS."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from flask import Flask
from flask.testing import FlaskClient

from proto.envelope import Envelope
from proto.events import PersonChanged
from services.compose import House, pages
from services.directory.people import rows as people
from services.letters import kept
from services.rooms import BUILDS
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.metrics import HANDLED
from services.runtime.metrics_server import MetricsServer
from services.runtime.settings import Settings, load
from services.runtime.store import Store
from services.runtime.worker import Cause
from tests.stores import Database

SAMPLES = Path(__file__).parents[2] / "deploy" / "settings"
VISITOR, OTHER = "198.51.100.7", "198.51.100.8"


def sample(name: str, folder: Path) -> Settings:
    """The shipped settings of a process, moved from /var/lib/toritsugi into `folder`."""
    text = (SAMPLES / f"{name}.yaml").read_text(encoding="utf-8").replace("/var/lib/toritsugi", str(folder))
    file = folder / f"{name}.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, {"TORITSUGI_BUS": "amqp://rabbit"})


class AtScale:
    """directory and history, each with its own store and its own application."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.stores: dict[str, Store] = {}
        self.apps: dict[str, Flask] = {}
        self.stores[kept.NAME] = Store(database.store(kept.NAME), kept.metadata())
        self.stores[kept.NAME].start()
        self.settings = {name: sample(name, folder) for name in ("directory", "history")}
        for name, settings in self.settings.items():
            settings.data_dir.mkdir()
            letters = {kept.NAME: self.stores[kept.NAME]}
            house = House(settings, EmbeddedBus(folder / "never-opened"), stores=letters)
            store = Store(database.store(name), BUILDS[name]().metadata)
            store.start()
            self.stores[name] = house.stores[name] = store
            self.apps[name] = pages(house)

    def stop(self) -> None:
        for store in self.stores.values():
            store.stop()

    def first_person(self) -> str:
        """Made by directory, heard by both; the password."""
        person, password = people.ensure_first_person(self.stores["directory"])
        told = Envelope(body=person, id="person-1", source="directory", tenant="_platform", occurred_at_us=1)
        for name in self.apps:
            hear = BUILDS[name]().handlers[PersonChanged]
            cause = Cause(told, name)
            self.stores[name].run(lambda tx, hear=hear, cause=cause: hear(tx, told, cause))  # type: ignore[misc]
        assert password is not None
        return password


@pytest.fixture
def scale(tmp_path: Path, database: Database) -> Iterator[AtScale]:
    """Two processes."""
    made = AtScale(tmp_path, database)
    yield made
    made.stop()


def through_the_proxy(address: str = VISITOR) -> dict[str, str]:
    """What the web server in front adds; the visitor's own claim stands before it."""
    return {"X-Forwarded-For": f"203.0.113.99, {address}", "X-Forwarded-Proto": "https"}


def log_in(client: FlaskClient, password: str, address: str = VISITOR) -> int:
    headers = through_the_proxy(address)
    page = client.get("/login", headers=headers)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert token is not None
    form = {"name": "admin", "password": password, "csrf_token": token[1]}
    referer = {"Referer": "https://localhost/login"}
    return client.post("/login", data=form, headers=headers | referer, base_url="http://localhost").status_code


def test_whoever_logs_in_at_directory_is_known_to_history_in_another_folder(scale: AtScale) -> None:
    assert scale.settings["directory"].data_dir != scale.settings["history"].data_dir
    client = scale.apps["directory"].test_client()
    assert log_in(client, scale.first_person()) == 303
    cookie = client.get_cookie("toritsugi")
    assert cookie is not None
    reader = scale.apps["history"].test_client()
    reader.set_cookie("toritsugi", cookie.value)
    assert reader.get("/", headers=through_the_proxy()).status_code == 200


def test_behind_tls_cookies_are_secure(scale: AtScale) -> None:
    client = scale.apps["directory"].test_client()
    assert log_in(client, scale.first_person()) == 303
    cookie = client.get_cookie("toritsugi")
    assert cookie is not None
    assert cookie.secure
    said = client.get("/login?lang=en", headers=through_the_proxy()).headers["Set-Cookie"]
    assert "toritsugi_lang=en" in said
    assert "Secure" in said


def test_tries_are_counted_for_the_visitor_not_for_the_proxy(scale: AtScale) -> None:
    password = scale.first_person()
    client = scale.apps["directory"].test_client()
    while log_in(client, "guess") == 422:
        """Until this visitor has to wait."""
    assert log_in(client, password) == 429
    assert log_in(client, password, OTHER) == 303


def test_without_a_proxy_in_the_settings_nobody_chooses_their_own_address(scale: AtScale, tmp_path: Path) -> None:
    direct = msgspec.structs.replace(Settings(), data_dir=tmp_path / "direct")
    house = House(direct, EmbeddedBus(tmp_path / "never-opened"), stores=scale.stores)
    client = pages(house).test_client()
    password = scale.first_person()
    for n in range(100):
        status = log_in(client, "guess", f"198.51.100.{n}")
        if status == 429:
            break
    assert status == 429
    assert log_in(client, password, "198.51.100.200") == 429


def test_figures_for_prometheus_stand_on_this_machine_alone() -> None:
    HANDLED.labels("routing", "call.arrived").inc()
    server = MetricsServer()
    server.start()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        assert 'toritsugi_handled_total{service="routing",type="call.arrived"}' in text
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=30)
    finally:
        server.stop()
