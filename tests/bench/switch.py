"""The simulated switch of a bench, a process: `python -m tests.bench.switch ROUTED STATIC GATEWAY UP MOST`.

Enters: a number that the house routes, one that a static dialplan bridges to the same far end, how many channels are up
all the time, and how many calls in a second the switch takes (-1: all). Leaves: on stdout its port and password. A line
`0312345678,0312345679 20 10` on stdin lets people call these numbers in turn, 20 a second for 10 s; when the last has
hung up it says how many called. `end` ends it.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
import time
from collections.abc import Sequence

import gevent
from gevent.fileobject import FileObjectThread

from freeswitch.simulator import Behaviour, Caller, Carrier, Simulator
from freeswitch.simulator.dialplan import Condition, Extension
from freeswitch.simulator.plan import App

FAR_END = "0311112222"
TALK_S = 1.0
PATIENCE_S = 30.0


def main(routed: str, static: str, gateway: str, channels_up: int, most: int) -> None:
    """Answers after 0.2 s, talks a second, hangs up."""
    password = secrets.token_urlsafe(16)
    carrier = Carrier(gateway, gateway=gateway, otherwise=Behaviour(after_s=0.2))
    simulator = Simulator(password=password, carriers=[carrier], numbers=[routed], arrivals_per_second=most)
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
    while (order := orders.readline().split()) and order[0] != "end":
        print(_call(simulator, order[0].split(","), float(order[1]), float(order[2])), flush=True)
    simulator.stop()


def _call(simulator: Simulator, numbers: Sequence[str], per_second: float, seconds: float) -> int:
    """People call at even intervals, whatever becomes of those before; how many."""
    began, count = time.monotonic(), 0
    before = len(simulator.switch.channels)
    while (late_s := time.monotonic() - began) < seconds:
        while count < late_s * per_second:
            simulator.call(Caller("09012345678", patience_s=20, talks_s=TALK_S), numbers[count % len(numbers)])
            count += 1
        gevent.sleep(0.5 / per_second)
    with gevent.Timeout(PATIENCE_S, False):
        while len(simulator.switch.channels) > before:
            gevent.sleep(0.1)
    return count


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
