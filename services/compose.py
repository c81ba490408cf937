"""Puts the rooms together in one process: all services, or the one that is named.

Enters: settings and the names of services. Leaves: parts in the order in which they start, each with its own store.
This is the composition root: the only place that knows every room. What a room does stands in its `service.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from flask import Blueprint, Flask

from proto.envelope import Envelope
from proto.events import PersonChanged
from proto.topics import agent_queue, all_queues, command_queue, service_queue
from services.connectors import service as connectors
from services.directory import api as directory_api
from services.directory import service as directory
from services.directory.audit import web as audit_web
from services.directory.audit.letters import keep_deed
from services.directory.explaining import web as explaining_web
from services.directory.health import web as health_web
from services.directory.health.standing import HealthPage
from services.directory.identity import web as identity_web
from services.directory.imports import web as imports_web
from services.directory.numbers import api as numbers_api
from services.directory.numbers import web as numbers_web
from services.directory.people import web as people_web
from services.directory.phone_book import api as phone_book_api
from services.directory.phone_book import web as phone_book_web
from services.directory.phones import api as phones_api
from services.directory.phones import web as phones_web
from services.directory.phones.issuing import Reach
from services.directory.settings import api as settings_api
from services.directory.settings import web as settings_web
from services.eventsocket import service as eventsocket
from services.history import api as history_api
from services.history import web as history_web
from services.letters import kept, view
from services.letters import web as letters_web
from services.letters.desk import Desk
from services.pulse import Pulse
from services.rooms import AGENT, BUILDS, ERASES, EVERYTHING, store_url
from services.routing.explain import explain
from services.runtime import projections
from services.runtime.app import Part
from services.runtime.bus import Bus
from services.runtime.bus.choose import letter_box
from services.runtime.erasure import Erasure
from services.runtime.metrics_server import MetricsServer
from services.runtime.settings import Settings, SwitchLink
from services.runtime.store import Store
from services.runtime.threads import in_thread
from services.runtime.web import create_app
from services.runtime.web.api import Room
from services.runtime.web.server import WebServer
from services.runtime.worker import Timers, Worker

AfterCommit = Callable[[Sequence[Envelope]], None]


@dataclass
class House:
    """The rooms of this process; `runtime.app.App` starts and stops their parts."""

    settings: Settings
    bus: Bus
    parts: list[tuple[str, Part]] = field(default_factory=list)
    stores: dict[str, Store] = field(default_factory=dict)
    agents: list[eventsocket.Agent] = field(default_factory=list)
    queues: list[str] = field(default_factory=list)
    """Partition queues that are read in this process."""
    web: WebServer | None = None
    files: directory.Files | None = None
    """The clients' files, where directory is in this process."""


def compose(settings: Settings, bus: Bus, names: Sequence[str] = EVERYTHING, heard: AfterCommit | None = None) -> House:
    """The house for `names`. `heard` is told, on the hub, what connectors has committed (ended calls)."""
    house = House(settings, bus)
    house.parts.append(("bus", _OpenBus(bus, settings)))
    for name in names:
        if name == AGENT:
            _add_agents(house)
        else:
            _add_service(house, name, heard if name == "connectors" else None)
    if settings.metrics_port is not None:
        house.parts.append(("metrics", MetricsServer(settings.metrics_port)))
    if {"history", "directory"} & set(names):
        web = settings.web
        house.web = WebServer(
            pages(house), web.host, web.port, certificate_file=web.certificate_file, key_file=web.key_file
        )
        house.parts.append(("web", house.web))
    house.parts.append(("pulse", Pulse(bus, tuple(names), lambda: [agent.state for agent in house.agents])))
    return house


def _add_service(house: House, name: str, heard: AfterCommit | None) -> None:
    settings, service = house.settings, BUILDS[name]()
    if heard is not None:
        service = replace(service, after_commit=_both(service.after_commit, heard))
    store = house.stores[name] = Store(store_url(settings, name), service.metadata)
    house.parts.append((f"{name} store", store))
    courier = None
    if name == "connectors":
        courier = connectors.Courier(store, allow_private=settings.allow_private_webhooks)
        service = replace(service, after_commit=_both(service.after_commit, courier.look))
    if name == "directory":
        book = house.stores[kept.NAME] = Store(store_url(settings, kept.NAME), kept.metadata())
        house.parts.append((f"{kept.NAME} store", book))
        house.files = directory.Files(store, house.bus, settings.tenants_dir)
        house.parts.append((f"{name} files", house.files))
    for queue in service_queue(name, settings.partitions).parts():
        house.queues.append(queue)
        house.parts.append((queue, Worker(service, store, house.bus, queue)))
    house.parts.append((f"{name} timers", Timers(service, store, house.bus)))
    if name in ERASES:
        house.parts.append((f"{name} erasure", Erasure(name, store, ERASES[name])))
    if courier is not None:
        house.parts.append((f"{name} courier", courier))


def _both(first: AfterCommit | None, second: AfterCommit) -> AfterCommit:
    def tell(envelopes: Sequence[Envelope]) -> None:
        if first is not None:
            first(envelopes)
        second(envelopes)

    return tell


def _add_agents(house: House) -> None:
    for switch in house.settings.switches:
        name = f"{AGENT}.{switch.name}"
        store = house.stores[name] = Store(store_url(house.settings, name), eventsocket.metadata())
        agent = eventsocket.Agent(_as_agent_sees(switch, house.settings), house.bus, store)
        house.agents.append(agent)
        own = agent_queue(switch.name, switch.agent)
        house.queues += [*own.parts(), *command_queue(switch.name).parts()]
        house.parts += [(f"{name} store", store), (name, agent), (f"{name} cdr", _call_records(switch, agent))]
        if switch.conf_dir is not None:
            settings = eventsocket.ConfSettings(switch.conf_dir, switch.credentials_file)
            house.parts.append((f"{name} conf", eventsocket.ConfFiles(settings, agent)))


def _call_records(switch: SwitchLink, agent: eventsocket.Agent) -> Part:
    if switch.cdr_dir is None:
        return eventsocket.NoCallRecords(switch.name)
    every_s = switch.cdr_every_ms / 1000
    settings = eventsocket.CdrSettings(switch.cdr_dir, every_s=every_s, keep_days=switch.cdr_keep_days)
    return eventsocket.CallRecords(switch.name, settings, agent)


def _as_agent_sees(switch: SwitchLink, settings: Settings) -> eventsocket.SwitchSettings:
    render = eventsocket.RenderSettings(
        recordings_dir=str(switch.recordings_dir), sounds_dir=str(switch.sounds_dir or ""), srtp=switch.srtp
    )
    return eventsocket.SwitchSettings(
        switch.name,
        settings.data_dir,
        agent=switch.agent,
        host=switch.host,
        port=switch.port,
        password=switch.password,
        user=switch.user,
        render=render,
        newline_every_ms=switch.newline_every_ms,
    )


def pages(house: House) -> Flask:
    """Pages and API of those rooms that are in this process, under one log-in."""
    blueprints: list[Blueprint] = []
    if "history" in house.stores:
        blueprints.append(history_web.blueprint(house.stores["history"]))
        blueprints.append(history_api.room(house.stores["history"]))
    if "directory" in house.stores:
        store, bus, partitions = house.stores["directory"], house.bus, house.settings.partitions
        blueprints.append(people_web.blueprint(store, bus))
        blueprints.append(audit_web.blueprint(store))
        blueprints.append(health_web.blueprint(store, bus, partitions))
        blueprints.append(letters_web.blueprint(_desk(house)))
        blueprints.append(_api_of_directory(house, lambda: health_web.page(store, bus, partitions)))
        blueprints.append(numbers_web.blueprint(house.stores["directory"], house.bus))
    if "directory" in house.stores:
        reach = {one.name: Reach(one.phone_server, bool(one.srtp)) for one in house.settings.switches}
        blueprints.append(phones_web.blueprint(house.stores["directory"], house.bus, reach))
    if house.files is not None:
        files = house.files
        blueprints.append(settings_web.blueprint(files.store, files.folder, files.reload, explain))
        blueprints.append(explaining_web.blueprint(files.store, explain))
        blueprints.append(phone_book_web.blueprint(files.store, files.bus))
        blueprints.append(imports_web.blueprint(files.store, files.bus, files.folder, files.reload))
        blueprints.append(identity_web.blueprint(files.store, files.reload))
    people = house.stores.get("history") or house.stores["directory"]

    def look_up(person: str) -> PersonChanged | None:
        return people.run(lambda tx: projections.person(tx, person))

    settings = house.settings
    return create_app(
        blueprints,
        key_file=settings.session_key_file or settings.data_dir / "session.key",
        people=look_up,
        https=settings.web.https or settings.web.certificate_file is not None,
        trusted_proxies=settings.web.trusted_proxies,
    )


def _desk(house: House) -> Desk:
    """The dead letters; what is done with them is in the audit log beside their own book."""
    settings, store = house.settings, house.stores["directory"]
    box = letter_box(settings.bus, settings.data_dir, settings.bus_tls, in_thread)
    return Desk(
        box,
        house.stores[kept.NAME],
        lambda deed, letter: keep_deed(
            store, deed.by, deed.what, view.client_of(letter), deed.letter, {"queue": deed.queue, "why": deed.why}
        ),
    )


def _api_of_directory(house: House, health: Callable[[], HealthPage]) -> Room:
    store, files = house.stores["directory"], house.files
    room = directory_api.room(store, health)
    books = phone_book_web.Books(store, house.bus)
    phone_book_api.add_phone_book(room, books)
    numbers_api.add_numbers(room, store, books.tell)
    phones_api.add_phones(room, store, books.tell)
    if files is not None:
        settings_api.add_settings(room, store, files.folder, files.reload, explain)
    return room


@dataclass
class _OpenBus:
    """Every queue stands before anybody publishes."""

    bus: Bus
    settings: Settings

    def start(self) -> None:
        switches = self.settings.switches
        seconds = [agent_queue(switch.name, switch.agent) for switch in switches if switch.agent]
        self.bus.start([*all_queues(tuple(switch.name for switch in switches), self.settings.partitions), *seconds])

    def stop(self) -> None:
        self.bus.stop()
