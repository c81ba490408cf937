"""The simulated switch of the faults, and what really happened on it: when each leg began, talked and ended.

Enters: people who call and hang up, kills. Leaves: the truth about each leg, and every command that the switch was
given. What the services make of it belongs to `verdict.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freeswitch.simulator import Behaviour, Caller, Carrier, Channel, Phone, Simulator
from freeswitch.simulator.clock import Clock

PASSWORD = "faults"  # noqa: S105
NUMBER, MOBILE = "0312345678", "09011112222"
PLATFORM = """
switches: [{switch: fs1, domain: pbx.example}, {switch: fs2, domain: pbx.example}]
carriers: [{name: main, gateway: trunk1}]
prices:
- table: standard
  versions: [{from: 2026-04-01, basis: excl, rules: [{name: all, prefixes: ['0'], unit_s: 9, unit: 1}]}]
"""
ACME = f"""
tenant: acme
name: 株式会社アクメ
contract: {{from: '2026-04-01', closing_day: 20, plan: cloud-pbx, prices: standard}}
numbers: [{{number: '{NUMBER}', kind: representative, route: main}}]
ids: [{{id: '1001', name: 佐藤, device: desk}}]
lines: [{{line: sato, ids: ['1001']}}]
routes: {{main: [{{do: [{{forward: '{MOBILE}', for_s: 60}}]}}]}}
"""
_PLAN = re.compile(r"uuid_transfer .*tt_decision=([\w.:-]+)")
_EXPECTED = re.compile(
    r"(uuid_transfer|uuid_setvar|uuid_record|uuid_dump|uuid_exists|uuid_getvar|uuid_kill|show|expand|global_getvar"
    r"|version|strmicroepoch|originate|hash)\b"
)
_FORBIDDEN = re.compile(r"[\r\n\0]|system|evil|victim|FAKE|X-Evil|script|\$\{(?!strepoch\(\)\})")
_SHOWN = re.compile(r"effective_caller_id_name=[^|~]*\|effective_caller_id_number=[^|~]*")
"""The name that phones show is harmless text, whatever words it has (tests/integration/test_hostile.py)."""


def write_clients(folder: Path, *, recorded: bool = False) -> Path:
    """One client whose only number is forwarded to a mobile: each call has a leg that costs."""
    folder.mkdir()
    (folder / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    (folder / "acme.yaml").write_text(ACME + "recording: {calls: all}\n" * recorded, encoding="utf-8")
    return folder


@dataclass
class Truth:
    """What really became of one leg, µs of the switch; 0: not."""

    started_us: int
    answered_us: int
    ended_us: int
    untold: bool = False
    """The switch died with it: no event and no call record tells its end."""


class Switch:
    """The simulated switch with everything that really happened on it."""

    def __init__(self, folder: Path, *, cdr: bool = True, recordings: Path | None = None) -> None:
        self.cdr = folder / "cdr" if cdr else None
        if self.cdr is not None:
            self.cdr.mkdir(exist_ok=True)
        self.recordings = recordings or folder / "recordings"
        self.truth: dict[str, Truth] = {}
        self.plans: Counter[str] = Counter()
        """How often the switch was given each plan, by its command's id."""
        self.executions: list[str] = []
        """What no command of ours looks like: somebody's text became one."""
        self.callers: list[str] = []
        """Legs of everybody who called."""
        self.runs = True
        """Whether anybody gets through to it."""
        self.ahead_us = 0
        """By how much its clock is wrong."""
        self.mobile = Carrier("main", gateway="trunk1")
        right = Clock()
        self.simulator = Simulator(
            password=PASSWORD,
            carriers=[self.mobile],
            phones=[Phone("1001", tenant="acme")],
            numbers=[NUMBER],
            recordings=self.recordings,
            cdr=self.cdr,
            clock=Clock(lambda: right.now_us() + self.ahead_us),
        )
        self.simulator.switch.on_end = self._ended
        self.simulator.server.on_command = self._commanded
        self.behave(Behaviour(after_s=0.05))

    @property
    def port(self) -> int:
        """Its own Event Socket."""
        return self.simulator.port

    def behave(self, behaviour: Behaviour) -> None:
        """How the mobile behaves from now on."""
        self.mobile.otherwise = behaviour

    def call(self, number: int = 1) -> list[Channel]:
        """So many people call; they stay until they are hung up."""
        return [self.call_from(Caller(f"0901234{n:04d}")) for n in range(number)]

    def call_from(self, caller: Caller) -> Channel:
        """This person calls."""
        leg = self.simulator.call(caller, NUMBER, carrier=self.mobile)
        self.callers.append(leg.uuid)
        return leg

    def up(self) -> list[Channel]:
        """Every leg that is up."""
        return list(self.simulator.switch.channels.values())

    def talking(self, legs: int) -> bool:
        """Whether so many legs are up and all are answered."""
        return len(self.up()) == legs and all(leg.times.answered for leg in self.up())

    def hang_up(self, caller: Channel) -> None:
        """The caller hangs up, if still there; both legs end."""
        if caller.uuid in self.simulator.switch.channels:
            caller.hangup("NORMAL_CLEARING")

    def kill(self) -> None:
        """kill -9: whatever is up is gone in this moment, without a word."""
        now_us = self.simulator.switch.clock.now_us()
        for leg in self.up():
            self.truth[leg.uuid] = Truth(leg.times.created, leg.times.answered, now_us, untold=True)
        self.runs = False
        self.simulator.kill()

    def restart(self) -> None:
        """Again, on the same port, with nobody on it."""
        self.simulator.restart()
        self.runs = True

    def _ended(self, leg: Channel) -> None:
        if leg.uuid not in self.truth:  # else it was killed with the switch
            self.truth[leg.uuid] = Truth(leg.times.created, leg.times.answered, leg.times.hangup)

    def _commanded(self, _client: Any, command: Any) -> None:
        word, _, said = command.line.partition(" ")
        if word in ("api", "bgapi"):
            if plan := _PLAN.match(said):
                self.plans[plan[1]] += 1
            if not _EXPECTED.match(said) or _FORBIDDEN.search(_SHOWN.sub("", said)):
                self.executions.append(said)
