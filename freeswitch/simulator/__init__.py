"""A switch for people without one: it speaks the real ESL wire and follows the traces of the real FreeSWITCH.

Enters: phones, carriers, numbers and people who call. Leaves: a port that `services/eventsocket` connects to as to a
real FreeSWITCH. What a real one cannot do, this one must not do either.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gevent

from freeswitch.simulator import apps, legs
from freeswitch.simulator.api import Commands
from freeswitch.simulator.cdr import CdrFolder
from freeswitch.simulator.channel import Channel
from freeswitch.simulator.clock import Clock
from freeswitch.simulator.esl_server import EslServer
from freeswitch.simulator.people import Behaviour, Caller, Carrier, Phone
from freeswitch.simulator.profile import Headers
from freeswitch.simulator.sip_leg import SipLeg
from freeswitch.simulator.switch import Switch
from freeswitch.simulator.traffic import Counts, Traffic


class Simulator:
    """The switch with its Event Socket: what the composition root starts in place of a FreeSWITCH."""

    def __init__(
        self,
        *,
        password: str,
        domain: str = "pbx.example",
        carriers: Sequence[Carrier] = (),
        phones: Sequence[Phone | str] = (),
        numbers: Sequence[str] = (),
        recordings: Path | None = None,
        cdr: CdrFolder | Path | None = None,
        emergency_gateway: str = "",
        main_number: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
    ) -> None:
        """`numbers`: what people call (Traffic). `recordings`, `cdr`: the folders in which sounds and call
        records are really written."""
        self.numbers = tuple(numbers)
        gateways = [one.gateway for one in carriers if one.gateway]
        self.switch = Switch(
            lambda event: self.server.publish(event),
            domain=domain,
            carriers=carriers,
            phones=[one if isinstance(one, Phone) else Phone(one) for one in phones],
            global_variables={
                "tt_emergency_gateway": emergency_gateway or next(iter(gateways), ""),
                "tt_main_number": main_number or next(iter(numbers), ""),
            },
            applications=apps.TABLE,
            recordings=recordings,
            cdr=CdrFolder(cdr) if isinstance(cdr, Path) else cdr,
            clock=clock,
        )
        self.server = EslServer(Commands(self.switch, self._shut_down), password, host, port)
        self.server.stamp = self.switch.core.stamp

    @property
    def port(self) -> int:
        """The Event Socket's port; 0 before start()."""
        return self.server.port

    def start(self) -> int:
        """Listens and registers the phones; the port."""
        port = self.server.start()
        self.switch.start()
        return port

    def stop(self) -> None:
        """Ends without a word, as a killed switch does."""
        self.switch.stop()
        self.server.stop()

    def call(self, caller: Caller, number: str, *, carrier: Carrier | None = None) -> SipLeg:
        """Somebody calls one of our numbers."""
        return legs.incoming(self.switch, caller, number, carrier=carrier)

    def call_from_phone(self, phone: str, number: str, caller: Caller | None = None) -> SipLeg:
        """One of our phones dials."""
        return legs.incoming(self.switch, caller or Caller(phone), number, phone=phone)

    def traffic(self, *, calls_per_second: float, seed: int = 0) -> Traffic:
        """People who call `numbers`, and phones that dial."""
        return Traffic(self.switch, self.numbers, calls_per_second=calls_per_second, seed=seed)

    def _shut_down(self) -> None:
        """`fsctl shutdown`: SHUTDOWN, every leg ends with SYSTEM_SHUTDOWN, then the listeners get their notice."""

        def go() -> None:
            self.switch.core.fire("SHUTDOWN", {"Event-Info": "System Shutting Down"})
            legs = list(self.switch.channels.values())
            for leg in legs:
                leg.hangup("SYSTEM_SHUTDOWN")
            for leg in legs:
                self.switch.clock.wait(leg.gone, 2.0)
            self.stop()

        gevent.spawn(go)


__all__ = [
    "Behaviour",
    "Caller",
    "Carrier",
    "CdrFolder",
    "Channel",
    "Counts",
    "Headers",
    "Phone",
    "Simulator",
    "Switch",
    "Traffic",
]
