"""The simulated switch: its legs, its timers, who is registered, and who calls in.

Enters: legs (calls/legs.py), commands through api.py. Leaves: the events of all legs, to the ESL server. What a leg
does belongs to calls/ and apps/.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import gevent

from freeswitch.simulator import conf_dir, hash_table
from freeswitch.simulator.calls import heartbeats
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.leg import Leg
from freeswitch.simulator.calls.media_needs import NEEDS_MEDIA
from freeswitch.simulator.calls.profile import Headers
from freeswitch.simulator.calls.recorder import Recorder
from freeswitch.simulator.calls.sip_leg import SipLeg
from freeswitch.simulator.calls.sounds import Library
from freeswitch.simulator.calls.waiting import HungUp, Turns
from freeswitch.simulator.cdr import CdrFolder
from freeswitch.simulator.clock import Clock
from freeswitch.simulator.core_table import CoreTable
from freeswitch.simulator.dialplan import Dialplan
from freeswitch.simulator.events import Core
from freeswitch.simulator.far_ends.people import Carrier, Phone
from freeswitch.simulator.gateways import Gateways
from freeswitch.simulator.limits import Limits
from freeswitch.simulator.plan import App
from freeswitch.simulator.registrations import Registrar
from freeswitch.simulator.scheduler import Scheduler
from freeswitch.simulator.vitals import Vitals

HEARTBEAT_S = 20
log = logging.getLogger("simulator")

Application = Callable[["Switch", Channel, str], str | None]
"""What runs on a leg with the data of the plan; its response, or None for none."""


class Plans(Protocol):
    """Where a leg learns what a call to a number does."""

    def apps(self, destination: str, channel: Channel) -> tuple[App, ...] | None:
        """The applications of the extensions that match; None where none does."""


class FarEnds(Protocol):
    """Whoever is at the far ends of the legs."""

    def called(self, leg: SipLeg) -> None:
        """The INVITE to this leg is out."""

    def calls(self, leg: SipLeg) -> None:
        """The INVITE of this leg is in."""


class Switch:
    """One FreeSWITCH, as far as the Event Socket shows it."""

    def __init__(
        self,
        publish: Callable[[Headers], None],
        *,
        domain: str,
        carriers: Sequence[Carrier],
        phones: Sequence[Phone],
        global_variables: Mapping[str, str],
        applications: Mapping[str, Application],
        recordings: Path | None = None,
        cdr: CdrFolder | None = None,
        clock: Clock | None = None,
        hostname: str = "simulator",
    ) -> None:
        self._greenlets: set[gevent.Greenlet[..., None]] = set()
        self._dies = False
        self.clock = clock or Clock()
        self.core = Core(self.clock, publish, hostname)
        self.domain = domain
        self.carriers = list(carriers)
        for phone in phones:
            phone.domain = phone.domain or domain
        self.phones = {phone.address: phone for phone in phones}
        """By address, `id@domain`."""
        self.global_variables = dict(global_variables)
        self.dialplan: Plans = Dialplan(self.global_variables)
        self.recorder = Recorder(self.spawn, recordings)
        self.applications = applications
        self.table = CoreTable()
        self.cdr = cdr
        """Where call records are written; None writes none."""
        self.sounds = Library()
        self.unknown_apps: list[str] = []
        self.limits = Limits()
        self.valet: dict[str, dict[str, str]] = {}
        """Lot -> slot -> the leg that waits there."""
        self.channels: dict[str, SipLeg] = {}
        self.sessions: dict[str, SipLeg] = {}
        """Also legs that have ended and are not destroyed yet, as who lost a race that goes on: they are counted and
        listed (switch_core_session.c, switch_core_sqldb.c)."""
        self.vitals = Vitals(self.core, lambda: len(self.sessions))
        self.registrar = Registrar(self.core, self.phones)
        self.keeps_presence = False
        """Whether its SIP profiles note who is busy (manage-presence); the shipped ones do not."""
        self._hashes: dict[str, str] = {}
        """Address -> what the agent's directory knows a phone by."""
        self.gateways = Gateways(self.core, self.carriers, self.spawn)
        self.turns = Turns()
        self.far_ends: FarEnds | None = None
        """Who plays the far ends of all legs; None leaves that to how each phone, carrier and caller behaves."""
        self.leg_ids: Callable[[str], str] = lambda _destination: str(uuid.uuid4())
        """The id of a leg that is dialled to this destination and whose dialler does not name it."""
        self.on_arrival: Callable[[Channel], None] = lambda _leg: None
        self.on_end: Callable[[Channel], None] = lambda _leg: None
        """Called once per leg that had a session, at its HANGUP_COMPLETE."""
        self.scheduler = Scheduler(self.clock, self.spawn)
        self.kept: dict[str, dict[tuple[str, str], str]] = {"hash": {}, "db": {}}
        """What `hash` and `db` remember, by realm and key."""

    # --- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Registers the phones and beats its heart."""
        self.vitals = Vitals(self.core, lambda: len(self.sessions))
        self.read_conf_dir()
        self.gateways.start()
        self.registrar.start()
        self.spawn(self._beat)

    def read_conf_dir(self) -> None:
        """What the agent wrote for this switch, if it has a folder. Raises ParseError, and nothing has changed."""
        folder = Path(self.global_variables.get("conf_dir", ""))
        if folder.is_absolute():
            found, phones = conf_dir.global_variables(folder), conf_dir.of_phones(folder)
            self._hashes = conf_dir.hashes_of_phones(folder)
            self.global_variables |= found
            for address, variables in phones.items():
                if address in self.phones:
                    self.phones[address].variables = variables

    def stop(self) -> None:
        """Dies at once, as by kill -9: no events, no call records."""
        self._dies = True  # whoever ends meanwhile, or because of it, says nothing any more
        while others := [one for one in self._greenlets if not one.ready() and one is not gevent.getcurrent()]:
            gevent.killall(others)
        self._dies = False
        self.channels.clear()
        self.sessions.clear()
        self.table = CoreTable()
        self.scheduler.clear()
        self.kept["hash"].clear()

    def spawn(self, run: Callable[..., None], *arguments: Any) -> gevent.Greenlet[..., None]:
        """A greenlet that ends with the switch."""
        greenlet: gevent.Greenlet[..., None] = gevent.spawn(run, *arguments)
        self._greenlets.add(greenlet)
        greenlet.rawlink(self._greenlets.discard)
        return greenlet

    def _beat(self) -> None:
        self.clock.sleep(self.clock.whole_second_in(HEARTBEAT_S) + self.scheduler.looks_after_s)
        while True:
            self.core.fire("HEARTBEAT", self.vitals.heartbeat())
            self.clock.sleep(HEARTBEAT_S)

    def reload(self) -> None:
        """The configuration is read again (RELOADXML)."""
        self.core.fire("RELOADXML")

    def shut_down(self) -> None:
        """Ends in order: SHUTDOWN, every leg with SYSTEM_SHUTDOWN and its record, then the gateways."""
        self.core.fire("SHUTDOWN", {"Event-Info": "System Shutting Down"})
        self.table = CoreTable()
        self.vitals.takes_inbound = self.vitals.takes_outbound = False
        legs = self.legs_to_end()
        for leg in legs:
            leg.hangup("SYSTEM_SHUTDOWN")
        for leg in legs:
            self.clock.wait(leg.gone, 2.0)
        self.gateways.shut_down()

    def legs_to_end(self) -> list[SipLeg]:
        """All legs, in the order in which the real one ends them: its table backwards (switch_core_session_hupall)."""
        found = (self.channels.get(leg) for leg in reversed(hash_table.iterated(self.sessions)))
        return [leg for leg in found if leg is not None]

    # --- legs --------------------------------------------------------------------------------------------------------

    def ended(self, leg: Channel) -> None:
        """A leg has reported its end."""
        self.channels.pop(leg.uuid, None)
        self.cancel_scheduled(leg)
        self.on_end(leg)

    def apps_for(self, channel: Channel, destination: str) -> tuple[App, ...] | None:
        """What the dialplan does with a call to this number; None where nothing matches."""
        return self.dialplan.apps(destination, channel)

    def need_app(self, channel: Channel, name: str) -> None:
        """An application that the switch does not have hangs the call up, before anything is told of it."""
        if name not in self.applications:
            self.unknown_apps.append(name)
            log.warning("application that this switch does not know: %s", name[:200])
            channel.hangup("DESTINATION_OUT_OF_ORDER")
            raise HungUp
        if name in NEEDS_MEDIA:
            channel.early_media()

    def run_app(self, channel: Channel, name: str, data: str) -> str:
        """One application on a leg; what it answers."""
        self.need_app(channel, name)
        return self.applications[name](self, channel, data) or "_none_"

    def tell(self, name: str, leg: Leg, before: Headers | None, after: Headers | None, subclass: str) -> None:
        """An event of a leg, to whoever listens."""
        if self._dies:
            return
        if name == "CHANNEL_DESTROY":
            self.sessions.pop(leg.uuid, None)
        if name == "CHANNEL_ANSWER" and (seconds := heartbeats.interval_s(leg)):
            self.spawn(heartbeats.beat, leg, seconds)
        if name == "CHANNEL_BRIDGE":
            leg.story.met(leg.other)
        self.table.told(name, leg, before or {}, after or {})
        self.core.fire_channel(name, leg, before=before, after=after, subclass=subclass)

    def release_limits(self, channel: Channel) -> None:
        """A leg has ended, or was sent elsewhere."""
        if channel.variables.pop("limit_backend", ""):
            self.limits.release(channel.uuid)

    def ending(self, channel: Channel) -> None:
        """A leg is about to report its end: its recordings stop, its place behind a limit is free."""
        self.release_limits(channel)
        self.recorder.stop_all(channel)
        for what, target in list(channel.bugs):
            channel.stop_bug(what, target)

    def report(self, channel: Channel) -> None:
        """The leg's call record, written before its HANGUP_COMPLETE is told."""
        if self.cdr is not None and not self._dies and channel.is_known:
            self.cdr.write(self.core.uuid, self.core.hostname, channel)

    # --- timers ------------------------------------------------------------------------------------------------------

    def schedule(self, channel: Channel, after: str, what: str, act: Callable[[], object]) -> int:
        """`+4` or an epoch second, unless the leg is gone by then; `what`: transfer, hangup, broadcast. The task's
        number."""

        def unless_gone() -> None:
            if channel.uuid in self.channels:
                act()

        number = self.scheduler.add(channel.uuid, after, unless_gone, f"switch_ivr_schedule_{what}")
        channel.variables["last_sched_id"] = str(number)
        return number

    def cancel_scheduled(self, channel: Channel) -> int:
        """All timers of a leg; how many there were."""
        return self.scheduler.cancel(channel.uuid)

    # --- registrations -----------------------------------------------------------------------------------------------

    def phone(self, name: str) -> Phone:
        """A phone by address, or by id in the switch's own domain. Raises KeyError."""
        return self.phones[name if "@" in name else f"{name}@{self.domain}"]

    def register(self, name: str) -> None:
        """A phone comes up."""
        self.registrar.register(self.phone(name))

    def sign_on(self, name: str, password: str, port: int = 0) -> bool:
        """A phone registers with a password; False: 403, as for any that the directory does not know it by (RFC 2617).

        A phone that was registered with the former one stays so until it is flushed (sofia_reg.c). Another device
        (`port`) takes the place of the first: multiple-registrations is false in our profile.
        """
        phone = self.phone(name)
        shown = hashlib.md5(f"{phone.id}:{phone.domain}:{password}".encode(), usedforsecurity=False).hexdigest()
        if self._hashes.get(phone.address) != shown:
            self.registrar.refuse(phone)
            return False
        phone.port = port or phone.port
        self.registrar.register(phone)
        return True

    def unregister(self, name: str) -> None:
        """A phone signs off."""
        self.registrar.unregister(self.phone(name))

    def expire(self, name: str) -> None:
        """A phone has not been heard of for too long."""
        self.registrar.expire(self.phone(name))
