"""A switch for people without one: it speaks the real ESL wire and follows the traces of the real FreeSWITCH.

Enters: phones, carriers, numbers and people who call. Leaves: a port that `services/eventsocket` connects to as to a
real FreeSWITCH. What a real one cannot do, this one must not do either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import gevent

from freeswitch.simulator import apps
from freeswitch.simulator.api import Commands
from freeswitch.simulator.calls import legs
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.profile import Headers
from freeswitch.simulator.calls.sip_leg import SipLeg
from freeswitch.simulator.cdr import CdrFolder
from freeswitch.simulator.clock import Clock
from freeswitch.simulator.esl.server import EslServer, EslUser
from freeswitch.simulator.far_ends.people import Behaviour, Caller, Carrier, Phone
from freeswitch.simulator.far_ends.traffic import Counts, Traffic
from freeswitch.simulator.switch import Switch

APOLOGY = "tone_stream://%(200,100,500);%(200,100,400);loops=4"


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
        emergency_number: str = "",
        conf_dir: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        users: Mapping[str, EslUser] | None = None,
        clock: Clock | None = None,
        arrivals_per_second: int = -1,
        calls_at_once: int = -1,
    ) -> None:
        """`numbers`: what people call (Traffic). `recordings`, `cdr`: the folders in which sounds and call records are
        really written. `users`: who may use `userauth`, by `id@domain`. `arrivals_per_second`: those from carriers that
        are taken; `calls_at_once`: those from carriers and phones; -1: all."""
        self.numbers = tuple(numbers)
        gateways = [one.gateway for one in carriers if one.gateway]
        self.switch = Switch(
            lambda event: self.server.publish(event),
            domain=domain,
            carriers=carriers,
            phones=[one if isinstance(one, Phone) else Phone(one) for one in phones],
            global_variables={
                "tt_emergency_gateway": emergency_gateway or next(iter(gateways), ""),
                "tt_emergency_number": emergency_number or next(iter(numbers), "none"),
                "tt_apology": APOLOGY,
                "tt_use_a_mobile": APOLOGY,
                "tt_arrivals_per_second": str(arrivals_per_second),
                "tt_calls_at_once": str(calls_at_once),
                "conf_dir": str(conf_dir or ""),
                "tt_fallback_files": "written" if conf_dir else "none",
            },
            applications=apps.TABLE,
            recordings=recordings,
            cdr=CdrFolder(cdr) if isinstance(cdr, Path) else cdr,
            clock=clock,
        )
        self.server = EslServer(Commands(self.switch, self._power), password, host, port, users=users)
        self.server.stamp = self.switch.core.stamp
        self.switch.core.heard = self.server.heard

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
        """Ends at once: the listeners get their notice, of the calls nothing is told."""
        self.switch.stop()
        self.server.stop()

    # --- faults ------------------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """`kill -9`, or `fsctl shutdown now`: connections end, without notice, events or call records."""
        self.switch.stop()
        self.server.stop(notice=False)

    def restart(self) -> int:
        """Starts again on the same port, without calls, with another Core-UUID; the port."""
        self.switch.core.renew()
        self.switch.vitals.renew()
        return self.start()

    def shut_down(self) -> None:
        """`fsctl shutdown`: every call ends with its events and record, then the connections with a notice."""
        self.switch.shut_down()
        self.stop()

    def freeze(self) -> None:
        """The Event Socket neither reads nor writes (a stopped process); calls go on. New connections just hang."""
        self.server.freeze()

    def thaw(self) -> None:
        """It goes on, with all that has gathered."""
        self.server.thaw()

    def lose_peers(self) -> None:
        """Half-open: whoever is connected now hears nothing any more, not even an end. New connections are served."""
        self.server.vanish()

    # --- people ------------------------------------------------------------------------------------------------------

    def call(self, caller: Caller, number: str, *, carrier: Carrier | None = None) -> SipLeg:
        """Somebody calls one of our numbers."""
        return legs.incoming(self.switch, caller, number, carrier=carrier)

    def call_from_phone(self, phone: str, number: str, caller: Caller | None = None) -> SipLeg:
        """One of our phones dials."""
        return legs.incoming(self.switch, caller or Caller(phone), number, phone=phone)

    def traffic(self, *, calls_per_second: float, seed: int = 0) -> Traffic:
        """People who call `numbers`, and phones that dial."""
        return Traffic(self.switch, self.numbers, calls_per_second=calls_per_second, seed=seed)

    def _power(self, how: str) -> None:
        """What `fsctl shutdown [now|restart]` does, once the reply is out."""

        def go() -> None:
            if how.startswith("now"):
                self.kill()
            else:
                self.shut_down()
            if how.endswith("restart"):
                self.restart()

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
