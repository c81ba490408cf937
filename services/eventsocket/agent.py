"""The agent of one switch: hears it, tells the bus in our own language, and carries out commands.

Enters: event frames, tenants, commands. Leaves: facts in the order of the wire, and answers to commands. The reader
only fills the spool; nothing on the way blocks. What empties it, and makes facts of it, is `telling.py`; rules stand in
`normalise.py`, commands in `commander.py`, connections in `supervisor.py`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import gevent
import gevent.event

from proto.envelope import Envelope
from proto.events import AgentState, PlatformRevised, SwitchConnected, SwitchLost, TenantRevised
from proto.message import Event as Fact
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.topics import agent_queue, outgoing
from proto.values import PLATFORM_TENANT, command_id
from services.eventsocket.arrivals import Arrivals
from services.eventsocket.commander import Commander
from services.eventsocket.frames import Event, Frame, event_of
from services.eventsocket.journal import Journal
from services.eventsocket.lookout import Lookout
from services.eventsocket.normalise import Normaliser
from services.eventsocket.ownership import directory_of, switch_named
from services.eventsocket.parties import text
from services.eventsocket.records import LINK_ALIVE, LINK_FOUND, LINK_LOST, link_record, raw_of
from services.eventsocket.spool import Spool
from services.eventsocket.supervisor import Found, Supervisor
from services.eventsocket.telling import Telling
from services.eventsocket.watch import Poker, Watchdog
from services.eventsocket.words import RenderSettings
from services.runtime import clock, projections
from services.runtime.bus import Bus
from services.runtime.log import get_logger
from services.runtime.metrics import ESL_EVENTS, SPOOL_LOST, SPOOLED
from services.runtime.store import Store
from services.runtime.worker import Service, Worker

ANSWERS = 64
"""Told at once at most."""
WELL_KNOWN_PASSWORD = "ClueCon"  # noqa: S105  (what FreeSWITCH ships with)
KEEP_EVERY_S = 1.0
WARN_AFTER_S = 10.0
"""So long at a first start until it is said that directory has not spoken."""
_APART = re.compile(rb'\s*\{\s*"Event-Name"\s*:\s*"(BACKGROUND_JOB|HEARTBEAT|SHUTDOWN)"')
"""Events that are of no leg. Event-Name is an event's first header (switch_event.c), and no caller's."""
log = get_logger("agent")


@dataclass(frozen=True)
class SwitchSettings:
    """One FreeSWITCH as its agent reaches it."""

    name: str
    spool_dir: Path
    agent: str = ""
    """Which of several agents of this switch; empty: the only one, or the first."""
    host: str = "127.0.0.1"
    port: int = 8021
    password: str = field(default=WELL_KNOWN_PASSWORD, repr=False)
    user: str = ""
    """`id@domain` of the switch's directory to log in as (userauth); empty: with the one password."""
    render: RenderSettings = field(default_factory=RenderSettings)
    timeout_s: float = 5.0
    check_every_s: float = 30.0
    newline_every_ms: float = 0.0
    """While a call is up, a lone newline so often keeps the event delivery at 2 instead of 10 ms; 0: off."""


class Agent:
    """One per switch; `start` returns at once, whether the switch is there or not."""

    def __init__(self, switch: SwitchSettings, bus: Bus, store: Store, service: Service) -> None:
        """`store` was made with `service.metadata`."""
        self.switch = switch
        self.on_told: list[Callable[[Event], None]] = []
        """Told each record given to `learn`, in this life or an earlier one, once the bus has what it gave."""
        self.on_learned: list[Callable[[Sequence[Envelope]], None]] = []
        """Told what directory said anew, once it is kept."""
        self._bus, self._store = bus, store
        self._tenants: dict[str, Tenant] = {}
        self._platform: Platform | None = None
        self._normaliser = Normaliser(switch.name)
        self._arrivals = Arrivals()
        self._events = ESL_EVENTS.labels(switch.name)
        self._spool = Spool(
            switch.spool_dir / f"{switch.name}.spool",
            on_spill=lambda number: SPOOLED.labels(switch.name).inc(number),
            on_lost=lambda number: SPOOL_LOST.labels(switch.name).inc(number),
        )
        self.supervisor = Supervisor(
            switch.host,
            switch.port,
            switch.password,
            self._heard,
            self._found,
            self._lost,
            timeout_s=switch.timeout_s,
            check_every_s=switch.check_every_s,
            on_alive=lambda at_us: self._learn_of_link(LINK_ALIVE, at_us),
            user=switch.user,
        )
        self._journal = Journal(switch.spool_dir / f"{switch.name}.legs")
        self.lookout = Lookout(
            self.supervisor, self._normaliser.beliefs, self.learn, switch.check_every_s, self._spool.__len__
        )
        self._shutting_down = False
        self._commander = Commander(
            switch.name, bus, store, self.supervisor, self._arrivals, self._answer, switch.agent
        )
        worker = Service(service.name, service.handlers, service.metadata, self._learned)
        self._worker = Worker(worker, store, bus, agent_queue(switch.name, switch.agent).parts()[0])
        self._watchdog = Watchdog(self.supervisor.drop_events_link)
        self._poker = Poker(self.supervisor.poke, lambda: bool(self._normaliser.beliefs.up), switch.newline_every_ms)
        self._to_tell: deque[tuple[Envelope, str]] = deque()
        self._told = gevent.event.Event()
        self._stopping = gevent.event.Event()
        self._telling = Telling(
            switch.name,
            bus,
            self._spool,
            self._journal,
            self._normaliser,
            self._arrivals,
            self._stopping,
            self.on_told,
        )
        self._knows_tenants = gevent.event.Event()
        self._greenlets: list[gevent.Greenlet] = []

    # -- life --

    def start(self) -> None:
        """What is known and unsent is taken up first; then the switch is listened to."""
        for tenant in self._store.run(projections.tenants):
            self._tenants[tenant.tenant] = tenant
        self._platform = self._store.run(projections.platform)
        self._use_directory()
        if self.switch.password == WELL_KNOWN_PASSWORD:
            log.warning("the switch's password is the one everybody knows (event_socket.conf)", switch=self.switch.name)
        self._journal.take_over(self._normaliser.beliefs)
        self._spool.start()
        self._worker.start()
        self._commander.start()
        self._greenlets = [gevent.spawn(self._tell_records), gevent.spawn(self._tell_answers)]
        self._watchdog.start()
        self._poker.start()
        self.lookout.start()
        self.supervisor.start()

    def stop(self) -> None:
        """Finish what is in hand; what the bus has not taken stays on disk."""
        self._commander.stop()
        self._watchdog.stop()
        self._poker.stop()
        self.supervisor.stop()
        self.lookout.stop()
        self._stopping.set()
        self._told.set()
        self._spool.wake()
        gevent.joinall(self._greenlets, timeout=10)
        self._commander.taken.settle()
        self._worker.stop()
        self._spool.stop()
        self._journal.close()

    def wait_ready(self, timeout_s: float) -> bool:
        """Until the switch is heard and the tenants are known; False after the time."""
        return bool(self.supervisor.connected.wait(timeout_s) and self._knows_tenants.wait(timeout_s))

    @property
    def knows_tenants(self) -> bool:
        """Whether directory has spoken, in this life or an earlier one: it tells the platform after all tenants."""
        return self._platform is not None

    @property
    def legs_up(self) -> frozenset[str]:
        """Legs that we believe to be up."""
        return frozenset(self._normaliser.beliefs.up)

    @property
    def state(self) -> AgentState:
        """How it stands now."""
        connected = self.supervisor.connected.is_set()
        return AgentState(switch=self.switch.name, agent=self.switch.agent, connected=connected, waiting=self.waiting)

    @property
    def waiting(self) -> int:
        """Records and answers that the bus does not have yet."""
        return len(self._spool) + len(self._to_tell)

    # -- heard from the switch (on the reader's greenlet: must not block) --

    def _heard(self, frame: Frame) -> None:
        self._events.inc()
        apart = _APART.match(frame.body)
        if apart is None:
            self._spool.put(frame.body, clock.monotonic_us())
        elif apart[1] == b"BACKGROUND_JOB":
            self._commander.job_ended(event_of(frame))
        elif apart[1] == b"SHUTDOWN":
            self._shutting_down = True
        elif text(event_of(frame), "Session-Count") != str(len(self._normaliser.beliefs.up)):
            self.lookout.soon()

    def _learn_of_link(self, name: str, at_us: int) -> None:
        found = self.supervisor.found
        if found is not None:
            self.learn(link_record(name, found.core, at_us))

    def learn(self, record: Event) -> None:
        """Take in what was learned otherwise than from an event (`records.py`): in its turn, and over a crash.

        Never waits. It may be told twice; whoever gave it hears of it in `on_told`.
        """
        self._spool.put(raw_of(record))

    @property
    def sees_all(self) -> bool:
        """Whether all legs that are up have been told, as far as the link goes."""
        return bool(self.supervisor.connected.is_set() and self.lookout.seen.is_set())

    def knows_leg(self, leg: str) -> bool:
        """Whether anything was told of this leg, as far as it is remembered."""
        return self._normaliser.beliefs.get(leg) is not None

    def _found(self, found: Found) -> None:
        log.info("switch found", switch=self.switch.name, core=found.core, version=found.version)
        self._shutting_down = False
        self._learn_of_link(LINK_FOUND, self.supervisor.switch_now_us())
        self.lookout.found()
        self.tell(SwitchConnected(switch=self.switch.name, core=found.core, version=found.version))
        self._commander.switch_found()

    def _lost(self, reason: str) -> None:
        if self._shutting_down:
            reason = "the switch was shut down"
        self._learn_of_link(LINK_LOST, self.supervisor.switch_now_us())
        say = log.info if self.supervisor.stopping else log.warning
        say("switch lost", switch=self.switch.name, reason=reason)
        self.tell(SwitchLost(switch=self.switch.name, reason=reason))

    # -- tenants --

    def _learned(self, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            fact = envelope.body
            if isinstance(fact, TenantRevised):
                if fact.gone:
                    self._tenants.pop(fact.body.tenant, None)
                else:
                    self._tenants[fact.body.tenant] = fact.body
            elif isinstance(fact, PlatformRevised):
                self._platform = fact.body
        self._use_directory()
        if self.knows_tenants:
            self._knows_tenants.set()
        for told in self.on_learned:
            told(envelopes)

    def _use_directory(self) -> None:
        tenants = [self._tenants[name] for name in sorted(self._tenants)]
        self._normaliser.directory = directory_of(tenants, self._platform, self.switch.name)
        here = switch_named(self._platform, self.switch.name)
        from_settings = self.switch.render
        self._commander.settings = RenderSettings(
            phone_profile=here.phone_profile,
            recordings_dir=from_settings.recordings_dir,
            sounds_dir=from_settings.sounds_dir,
            srtp=from_settings.srtp,
        )

    def _await_tenants(self) -> None:
        """An arrival published before directory has spoken would be nobody's, and its caller told so.

        Meanwhile the static fallbacks have the calls; what is heard of them waits on disk.
        """
        if self.knows_tenants:
            self._knows_tenants.set()
        silent_s = 0.0
        while not self._knows_tenants.wait(KEEP_EVERY_S) and not self._stopping.is_set():
            self._spool.keep()
            if silent_s < WARN_AFTER_S <= silent_s + KEEP_EVERY_S:
                log.error("directory has told no clients yet: events wait", switch=self.switch.name)
            silent_s += KEEP_EVERY_S

    def known(self) -> Sequence[Envelope]:
        """What directory said last of every client and of the platform."""
        return self._store.run(projections.told)

    # -- telling --

    def _tell_records(self) -> None:
        self._await_tenants()
        if self._knows_tenants.is_set():
            self._telling.run()

    def _answer(self, fact: Fact, about: Envelope) -> None:
        envelope = Envelope(
            body=fact,
            id=f"{about.id}.result",
            source=f"switch/{self.switch.name}",
            tenant=about.tenant,
            call=about.call,
            cause=about.id,
            occurred_at_us=self.supervisor.switch_now_us(),
        )
        self._to_tell.append((envelope, about.id))
        self._told.set()

    def tell(self, fact: Fact, tenant: str = PLATFORM_TENANT, about: str = "") -> None:
        """Publish a fact about this switch, again until the bus has it; `about`: the message that it answers."""
        now_us = clock.now_us()
        cause = f"switch/{self.switch.name}/{fact.NAME}"
        envelope = Envelope(
            body=fact,
            id=command_id(f"{cause}/{about}", 0) if about else command_id(cause, now_us),
            source=f"switch/{self.switch.name}",
            tenant=tenant,
            cause=about,
            occurred_at_us=self.supervisor.switch_now_us(),
        )
        self._to_tell.append((envelope, ""))
        self._told.set()

    def _tell_answers(self) -> None:
        """Answers and news of the switch; an answer counts as given once the bus has it."""
        while not self._stopping.is_set() or self._to_tell:
            if not self._to_tell:
                self._told.clear()
                if not self._told.wait(self._commander.taken.patience_s):
                    self._commander.taken.settle()
                continue
            batch = [self._to_tell[n] for n in range(min(ANSWERS, len(self._to_tell)))]
            if not self._telling.say([outgoing(envelope) for envelope, _ in batch]):
                return
            answered = [command for _, command in batch if command]
            for _ in batch:
                self._to_tell.popleft()
            self._commander.taken.answered(answered)
