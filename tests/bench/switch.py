"""The simulated switch of a bench, a process: `python -m tests.bench.switch ROUTED STATIC GATEWAY PER_SECOND UP`.

Enters: a number that the house routes, one that a static dialplan bridges to the same far end, how many people call
either per second, and how many channels are up all the time. Leaves: on stdout its port and password; the word `go`
lets people call, the next line ends it.
"""

from __future__ import annotations

import json
import re
import secrets
import sys

import gevent
from gevent.fileobject import FileObjectThread

from freeswitch.simulator import Behaviour, Caller, Carrier, Simulator
from freeswitch.simulator.dialplan import Condition, Extension
from freeswitch.simulator.plan import App

FAR_END = "0311112222"
TALK_S = 1.0


def main(routed: str, static: str, gateway: str, calls_per_second: float, channels_up: int) -> None:
    """Answers after 0.2 s, talks a second, hangs up."""
    password = secrets.token_urlsafe(16)
    carrier = Carrier(gateway, gateway=gateway, otherwise=Behaviour(after_s=0.2))
    simulator = Simulator(password=password, carriers=[carrier], numbers=[routed])
    bridge = App("bridge", f"[tt_leg=forward]sofia/gateway/{gateway}/{FAR_END}")
    plan = (App("set", "hangup_after_bridge=true"), bridge)
    own = Extension("static", (Condition("destination_number", re.compile(f"^{static}$"), plan),))
    contexts = simulator.switch.dialplan.contexts
    contexts["public"] = (own, *contexts["public"])
    port = simulator.start()
    talks = [simulator.call(Caller(f"0901{n:07d}"), static) for n in range(channels_up // 2)]
    for leg in talks:
        leg.bridged.wait()
    print(json.dumps({"port": port, "password": password}), flush=True)
    orders = FileObjectThread(sys.stdin)
    orders.readline()  # "go"
    calling = gevent.spawn(_call, simulator, (routed, static), calls_per_second)
    orders.readline()
    calling.kill()
    gevent.sleep(TALK_S + 1)
    simulator.stop()


def _call(simulator: Simulator, numbers: tuple[str, str], calls_per_second: float) -> None:
    count = 0
    while True:
        simulator.call(Caller("09012345678", patience_s=20, talks_s=TALK_S), numbers[count % 2])
        count += 1
        gevent.sleep(1 / calls_per_second)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5]))
