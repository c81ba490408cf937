"""The gateways of the switch: known ones, their states, and what mod_sofia tells when one comes, changes or goes.

Enters: carriers, `sofia profile … rescan` and `killgw`, what carriers answer. Leaves: sofia::gateway_add, _state,
_delete, and the words of `sofia status gateway`. Source: sofia_reg.c (sofia_reg_check_gateway), mod_sofia.c.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from freeswitch.simulator.calls.profile import Headers
from freeswitch.simulator.clock import Clock
from freeswitch.simulator.events import Core
from freeswitch.simulator.far_ends.people import Carrier

CHECK_S = 1.0015
"""Sofia looks at its gateways once a second, and each look takes a moment."""
RETRY_S = 30
"""After a failure, before it registers again."""
_RULE = "=" * 97 + "\n"


@dataclass
class Gateway:
    """One gateway."""

    carrier: Carrier
    since_us: int
    ping_due_s: int
    """Epoch second of the next OPTIONS."""
    state: str = "NOREG"
    up: bool = True
    going: bool = False
    """Marked for deletion."""
    retry_due_us: int = 0
    responded: bool = False

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
        self.first_look_s = CHECK_S
        """After the start."""

    @property
    def _clock(self) -> Clock:
        return self._core.clock

    def start(self) -> None:
        """Those of the configuration are there, without a word; then sofia looks at them once a second."""
        self._known = {one.gateway: self._new(one) for one in self._carriers if one.gateway}
        self._spawn(self._look_again)

    def _look_again(self) -> None:
        self._clock.sleep(self.first_look_s)
        while True:
            for gateway in self:
                self._look(gateway)
            self._clock.sleep(CHECK_S)

    def _look(self, gateway: Gateway) -> None:
        """One step of its registration, or of its end."""
        now_us = self._clock.now_us()
        code, phrase = gateway.carrier.responds
        if gateway.going:
            self._go(gateway)
        elif gateway.state == "UNREGED" or (gateway.state == "FAIL_WAIT" and now_us >= gateway.retry_due_us):
            self.tell(gateway.name, "TRYING", up=False)
            answered = "REGISTER" if code == 200 else "FAILED"
            self.tell(gateway.name, answered, up=False, status=code, phrase=phrase)
        elif gateway.state == "REGISTER":
            self.tell(gateway.name, "REGED", up=True)
        elif gateway.state == "FAILED":
            gateway.retry_due_us = now_us + RETRY_S * 1_000_000
            self.tell(gateway.name, "FAIL_WAIT", up=False)
        elif gateway.state == "REGED" and gateway.carrier.ping_s and now_us // 1_000_000 >= gateway.ping_due_s:
            gateway.ping_due_s = now_us // 1_000_000 + gateway.carrier.ping_s
            if code != 200:
                self.tell(gateway.name, "FAILED", up=False, status=code, phrase=phrase)

    def _go(self, gateway: Gateway) -> None:
        if gateway.state not in ("NOREG", "DOWN"):
            self.tell(gateway.name, "DOWN", up=False)
            return
        self._known.pop(gateway.name, None)
        self._deleted(gateway)

    def __iter__(self) -> Iterator[Gateway]:
        return iter(list(self._known.values()))

    def find(self, name: str) -> Gateway | None:
        """By name."""
        return self._known.get(name)

    def rescan(self, profile: str) -> None:
        """New ones of the configuration come in; those that have left it stay until they are killed."""
        for carrier in self._carriers:
            known = self._known.get(carrier.gateway or "")
            if carrier.gateway and carrier.profile == profile and (known is None or known.going):
                self._known[carrier.gateway] = self._new(carrier)
                self._core.fire("CUSTOM", {"Gateway": carrier.gateway, "profile-name": profile}, "sofia::gateway_add")

    def _new(self, carrier: Carrier) -> Gateway:
        now_us = self._clock.now_us()
        state = "UNREGED" if carrier.registers else "NOREG"
        return Gateway(carrier, now_us, now_us // 1_000_000 + carrier.ping_s, state, up=not carrier.registers)

    def tell(self, name: str, state: str, *, up: bool, status: int = 0, phrase: str = "") -> None:
        """A gateway is in this state now (TRYING, REGISTER, REGED, FAILED, FAIL_WAIT, DOWN, NOREG)."""
        gateway = self._known[name]
        gateway.state, gateway.up = state, up
        about: Headers = {"Gateway": name, "State": state, "Ping-Status": "UP" if up else "DOWN"}
        gateway.responded = gateway.responded or bool(status)
        if gateway.responded and gateway.carrier.registers:
            host, _, port = (gateway.carrier.host or "127.0.0.1:5090").partition(":")
            about |= {"Register-Network-IP": host, "Register-Network-Port": port or "5060"}
        if status:
            about |= {"Phrase": phrase, "Status": str(status)}
        self._core.fire("CUSTOM", about, "sofia::gateway_state")

    def kill(self, name: str) -> bool:
        """`killgw`: gone at the next look; whether there was one."""
        gateway = self._known.get(name)
        if gateway is None:
            return False
        gateway.going = True
        return True

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
        user = gateway.carrier.username or name
        up_s = (self._clock.now_us() - gateway.since_us) // 1_000_000
        lines = {
            "Name": name,
            "Profile": gateway.carrier.profile,
            "Scheme": "Digest",
            "Realm": host.partition(":")[0],
            "Username": user,
            "Password": "yes",
            "From": f"<sip:{user}@{host}>",
            "Contact": f"<sip:gw+{name}@127.0.0.1:5080;transport=udp;gw={name}>",
            "Exten": user,
            "To": f"sip:{user}@{host}",
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
