"""The simulated switch for `toritsugi run`, and the people who call it from start to stop.

Enters: the folder of clients' files, the house. Leaves: calls, and the switch's own count compared with the books of
history and billing where they are in this process. It belongs to the composition root: services never know whether the
switch is real.
"""

from __future__ import annotations

import secrets
import sys
from collections import Counter
from pathlib import Path

import gevent

from freeswitch.simulator import Carrier, Phone, Simulator, Traffic
from freeswitch.simulator.clock import Clock
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from services import trial
from services.billing.service import entries
from services.compose import House
from services.directory.tenants.settle import InForce, settle
from services.directory.tenants.yaml_files import read_folder
from services.history.summary import summary
from services.runtime import clock
from services.runtime.bus import Unavailable
from services.runtime.store import Tx

DRAIN_S = 15.0
PATIENCE_S = 3.0
"""So long it waits in silence for the clients' files."""
HANG_UP_S = 1.0
LOOK_AGAIN_S = 0.1


class NothingToSimulate(Exception):
    """The folder holds no usable platform.yaml or no number: there is nobody to call."""


def simulator_for(tenants_dir: Path, recordings: Path, conf_dir: Path | None = None) -> tuple[Simulator, str]:
    """A simulator for these clients, and the password of its Event Socket. Raises NothingToSimulate.

    `conf_dir`: where an agent writes its files; None: it has none, and its fallback is the apology.
    """
    try:
        settled = settle(read_folder(tenants_dir), InForce())
    except OSError as error:
        raise NothingToSimulate(f"{tenants_dir}: the clients' files cannot be read: {error.strerror}") from None
    tenants = [held.body for held in settled.tenants.values()]
    numbers = [entry.number for tenant in tenants for entry in tenant.numbers]
    if settled.platform is None or not numbers:
        raise NothingToSimulate(f"{tenants_dir}: no usable platform.yaml or no number; see `toritsugi tenants check`")
    password = secrets.token_urlsafe(16)
    platform = settled.platform
    simulator = Simulator(
        password=password,
        domain=platform.switches[0].domain,
        carriers=[Carrier(name=c.name, gateway=c.gateway, host=c.host, profile=c.profile) for c in platform.carriers],
        phones=_phones(tenants, platform),
        numbers=numbers,
        recordings=recordings,
        conf_dir=conf_dir,
        clock=Clock(clock.now_us),
    )
    return simulator, password


def _phones(tenants: list[Tenant], platform: Platform) -> list[Phone]:
    default = platform.switches[0].domain
    own = [
        Phone(entry.id, tenant=tenant.tenant, domain=tenant.domain or default)
        for tenant in tenants
        for entry in tenant.ids
    ]
    known = {(phone.id, phone.domain) for phone in own}
    pools = [
        Phone(phone.id, domain=phone.domain)
        for pool in platform.pools
        for phone in pool.phones
        if (phone.id, phone.domain) not in known
    ]
    return own + pools


class Callers:
    """People who call while the house runs; a part with start and stop."""

    def __init__(self, house: House, simulator: Simulator, calls_per_second: float, seed: int) -> None:
        self._house = house
        self._traffic: Traffic = simulator.traffic(calls_per_second=calls_per_second, seed=seed)
        self._keeps_books = {"history", "billing"} <= set(house.stores)
        self._before: trial.Books | None = None
        self._began = False
        self.drained = False
        """Whether all calls had ended and all was written when it stopped."""

    def start(self) -> None:
        """Wait until the agent knows the clients and an earlier life's messages are worked off; then calls come in."""
        self._wait_for_clients()
        with gevent.Timeout(DRAIN_S, False):
            while not self._quiet():
                gevent.sleep(LOOK_AGAIN_S)
        if self._keeps_books:
            self._before = self._books()
        self._began = True
        self._traffic.start()

    def stop(self) -> None:
        """No new calls; hang up what is up through the switch; wait until the books agree or the time is over."""
        self._traffic.stop_intake()
        with gevent.Timeout(DRAIN_S, False):
            while not self.drained:
                # Again and again: an operator may be called for a caller who has just been hung up.
                self._traffic.hang_up_all(HANG_UP_S)
                self.drained = self._quiet() and self._agree() and not self._traffic.switch.channels
                gevent.sleep(0 if self.drained else LOOK_AGAIN_S)

    def result(self) -> trial.Result | None:
        """What the run came to, once everything has stopped; None if it never began."""
        if not self._began:
            return None
        if self._before is None:
            return trial.not_compared(self._seen())
        stores = [self._house.stores[name] for name in ("history", "billing")]
        for store in stores:
            store.start()
        try:
            return self._compared(self._before)
        finally:
            for store in stores:
                store.stop()

    def _wait_for_clients(self) -> None:
        for agent in self._house.agents:
            if not agent.wait_ready(PATIENCE_S):
                print("Waiting for the clients' files: `toritsugi run directory` tells them.", file=sys.stderr)
            while not agent.knows_tenants:
                gevent.sleep(LOOK_AGAIN_S)

    def _quiet(self) -> bool:
        """Nothing is on its way inside this process, nor in a queue that it reads."""
        try:
            return not any(agent.waiting for agent in self._house.agents) and not any(
                self._house.bus.depth(queue) for queue in self._house.queues
            )
        except Unavailable:
            return False

    def _agree(self) -> bool:
        return self._before is None or self._compared(self._before).lost == 0

    def _compared(self, before: trial.Books) -> trial.Result:
        return trial.compare(self._seen(), trial.since(before, self._books()))

    def _seen(self) -> trial.SwitchCount:
        counts = self._traffic.counts()
        return trial.SwitchCount(arrived=counts.arrived, ended=counts.ended, answered=counts.answered)

    def _books(self) -> trial.Books:
        """Legs ended and routed as history heard them; charges as they stand in the ledger itself."""
        heard = self._house.stores["history"].run(summary)
        return trial.Books(
            calls=heard.calls,
            legs_ended=heard.legs_ended,
            legs_charged=Counter(self._house.stores["billing"].run(_charged_legs)),
            routed=heard.decided,
            decision_us=heard.decision_us,
            legs=heard.legs,
        )


def _charged_legs(tx: Tx) -> list[str]:
    return [entry.leg for entry in entries(tx)]
