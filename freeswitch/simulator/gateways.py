"""The gateways of the switch: known ones, their states, and what mod_sofia tells when one comes, changes or goes.

Enters: carriers, `sofia profile … rescan` and `killgw`, what carriers answer. Leaves: sofia::gateway_add, _state,
_delete, and the words of `sofia status gateway`. Source: sofia_reg.c (sofia_reg_check_gateway), mod_sofia.c.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from freeswitch.simulator.clock import Clock
from freeswitch.simulator.events import Core
from freeswitch.simulator.people import Carrier
from freeswitch.simulator.profile import Headers

CHECK_S = 1.0
"""Sofia looks at its gateways once a second."""
_RULE = "=" * 97 + "\n"


@dataclass
class Gateway:
    """One gateway."""

    carrier: Carrier
    since_us: int
    state: str = "NOREG"
    up: bool = True
    going: bool = False
    """Marked for deletion."""

    @property
    def name(self) -> str:
        """As dial strings have it."""
        return self.carrier.gateway


class Gateways:
    """Those of one switch."""

    def __init__(self, core: Core, carriers: Sequence[Carrier], spawn: Callable[..., Any]) -> None:
        self._core = core
        self._carriers = carriers
        """What the configuration says; a rescan reads it again."""
        self._spawn = spawn
        self._known: dict[str, Gateway] = {}

    @property
    def _clock(self) -> Clock:
        return self._core.clock

    def start(self) -> None:
        """Those of the configuration are there, without a word."""
        self._known = {one.gateway: self._new(one) for one in self._carriers if one.gateway}

    def __iter__(self) -> Iterator[Gateway]:
        return iter(list(self._known.values()))

    def find(self, name: str) -> Gateway | None:
        """By name."""
        return self._known.get(name)

    def rescan(self, profile: str) -> None:
        """New ones of the configuration come in; those that have left it stay until they are killed."""
        for carrier in self._carriers:
            if carrier.gateway and carrier.profile == profile and carrier.gateway not in self._known:
                self._known[carrier.gateway] = self._new(carrier)
                self._core.fire("CUSTOM", {"Gateway": carrier.gateway, "profile-name": profile}, "sofia::gateway_add")

    def _new(self, carrier: Carrier) -> Gateway:
        return Gateway(carrier, self._clock.now_us())

    def tell(self, name: str, state: str, *, up: bool, status: int = 0, phrase: str = "") -> None:
        """A gateway is in this state now (TRYING, REGISTER, REGED, FAILED, FAIL_WAIT, DOWN, NOREG)."""
        gateway = self._known[name]
        gateway.state, gateway.up = state, up
        about: Headers = {"Gateway": name, "State": state, "Ping-Status": "UP" if up else "DOWN"}
        if status:
            about |= {"Phrase": phrase, "Status": str(status)}
        self._core.fire("CUSTOM", about, "sofia::gateway_state")

    def kill(self, name: str) -> bool:
        """`killgw`: gone at the next look; whether there was one."""
        gateway = self._known.get(name)
        if gateway is None:
            return False
        gateway.going = True
        self._spawn(self._remove, gateway)
        return True

    def _remove(self, gateway: Gateway) -> None:
        if gateway.state not in ("NOREG", "DOWN"):
            self.tell(gateway.name, "DOWN", up=False)
        self._clock.sleep(CHECK_S)
        self._known.pop(gateway.name, None)
        self._deleted(gateway)

    def _deleted(self, gateway: Gateway) -> None:
        about: Headers = {"profile-name": gateway.carrier.profile, "Gateway": gateway.name}
        self._core.fire("CUSTOM", about, "sofia::gateway_delete")

    def shut_down(self) -> None:
        """The profiles end, and their gateways with them."""
        for gateway in self:
            self._deleted(gateway)
        self._known.clear()

    def describe(self, gateway: Gateway) -> str:
        """`sofia status gateway NAME`."""
        host, name = gateway.carrier.host or "127.0.0.1:5090", gateway.name
        up_s = (self._clock.now_us() - gateway.since_us) // 1_000_000
        lines = {
            "Name": name,
            "Profile": gateway.carrier.profile,
            "Scheme": "Digest",
            "Realm": host.partition(":")[0],
            "Username": name,
            "Password": "yes",
            "From": f"<sip:{name}@{host}>",
            "Contact": f"<sip:gw+{name}@127.0.0.1:5080;transport=udp;gw={name}>",
            "Exten": name,
            "To": f"sip:{name}@{host}",
            "Proxy": f"sip:{host}",
            "Context": "public",
            "Expires": "3600",
            "Freq": "3600",
            "Ping": "0",
            "PingFreq": "0",
            "PingTime": "0.00",
            "PingState": "0/0/0",
            "State": gateway.state,
            "Status": "UP" if gateway.up else "DOWN",
            "Uptime": f"{up_s}s",
        }
        counted = dict.fromkeys(("CallsIN", "CallsOUT", "FailedCallsIN", "FailedCallsOUT"), "0")
        text = "".join(f"{name:<8}\t{value}\n" for name, value in (lines | counted).items())
        return _RULE + text + _RULE
