"""People who call, all day long: a realistic mix at a given rate, repeatable by its seed, with its own books.

Enters: a switch, the numbers that can be called, calls per second. Leaves: calls, and counts against which the
services' stores are compared (nothing lost, nothing doubled). The behaviour of one person belongs to people.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import gevent
from gevent.event import Event as Signal

from freeswitch.simulator.calls import legs
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.far_ends import people
from freeswitch.simulator.far_ends.people import Behaviour, Caller, Phone
from freeswitch.simulator.switch import Switch


@dataclass(frozen=True)
class Counts:
    """What the simulator itself has counted; legs by their uuid."""

    calls_arrived: int
    legs_ended: int
    legs_answered: int
    arrived: frozenset[str] = field(default_factory=frozenset)
    """First legs of the calls that came in, emergency calls included."""
    emergency: frozenset[str] = field(default_factory=frozenset)
    """Those among them that the static dialplan handles without any service."""
    ended: frozenset[str] = field(default_factory=frozenset)
    answered: frozenset[str] = field(default_factory=frozenset)
    """Ended legs that were answered."""


_EMERGENCY = ("110", "118", "119")
_NAMES = (
    "",
    "",
    "",
    "山田 太郎",
    "(株)青葉商事",
    "O'Brien, Ltd",
    "A\nEvent-Name: FAKE",
    "x,tt_tenant=victim",
    "${system(id)}",
    "x]sofia/external/evil@192.0.2.1,[tt_q=1",
)
"""Display names as the switch has decoded them: none, ordinary ones, and what attackers send."""


class Traffic:
    """Calls at a rate, until intake stops."""

    def __init__(
        self,
        switch: Switch,
        numbers: Sequence[str],
        *,
        calls_per_second: float,
        seed: int = 0,
        unknown: str = "0399999999",
    ) -> None:
        self.switch = switch
        self.numbers = tuple(numbers)
        self.unknown = unknown
        self._mean_s = 1.0 / calls_per_second
        self._random = random.Random(seed)
        self._serial = 0
        self._arrived: list[str] = []
        self._emergency: list[str] = []
        self._ended: list[str] = []
        self._answered: list[str] = []
        self._intake: gevent.Greenlet[..., None] | None = None
        self._quiet = Signal()
        self._quiet.set()
        self._kinds: tuple[tuple[int, Callable[[], Channel]], ...] = (
            (46, self._ordinary),
            (12, self._impatient),
            (8, self._leaves_message),
            (6, self._withheld),
            (4, self._unknown_number),
            (12, self._goes_out),
            (10, self._internal),
            (1, self._emergency_call),
        )

    def start(self) -> None:
        """Begins to call. Phones and carriers behave differently from call to call from now on."""
        self.switch.on_arrival = self._count_arrival
        self.switch.on_end = self._count_end
        self._intake = self.switch.spawn(self._run)

    def stop_intake(self) -> None:
        """No new calls; those that are up go on."""
        if self._intake is not None:
            self._intake.kill()
            self._intake = None

    def hang_up_all(self, timeout_s: float = 10.0) -> bool:
        """Ends through the switch whatever is up, and waits for the last event; whether all are gone."""
        deadline_us = self.switch.clock.now_us() + int(timeout_s * 1_000_000)
        while self.switch.channels and self.switch.clock.now_us() < deadline_us:
            legs = list(self.switch.channels.values())
            for leg in legs:
                leg.hangup("NORMAL_CLEARING")
            for leg in legs:
                self.switch.clock.wait(leg.gone, max(0.0, (deadline_us - self.switch.clock.now_us()) / 1_000_000))
        return not self.switch.channels

    def counts(self) -> Counts:
        """The books, now."""
        return Counts(
            calls_arrived=len(self._arrived),
            legs_ended=len(self._ended),
            legs_answered=len(self._answered),
            arrived=frozenset(self._arrived),
            emergency=frozenset(self._emergency),
            ended=frozenset(self._ended),
            answered=frozenset(self._answered),
        )

    def _count_arrival(self, leg: Channel) -> None:
        self._arrived.append(leg.uuid)
        if leg.profile.context == "default" and leg.profile.destination in _EMERGENCY:
            self._emergency.append(leg.uuid)

    def _count_end(self, leg: Channel) -> None:
        self._ended.append(leg.uuid)
        if leg.times.answered:
            self._answered.append(leg.uuid)

    def _run(self) -> None:
        while True:
            self.switch.clock.sleep(self._random.expovariate(1.0) * self._mean_s)
            self._mood()
            weights = [weight for weight, _kind in self._kinds]
            kind = self._random.choices([kind for _weight, kind in self._kinds], weights)[0]
            kind()

    def _mood(self) -> None:
        """Whoever is called next behaves in one way or another."""
        for phone in self.switch.phones.values():
            phone.behaviour = self._someone()
        for carrier in self.switch.carriers:
            carrier.otherwise = self._someone()

    def _someone(self) -> Behaviour:
        draw = self._random.random()
        if draw < 0.08:
            return people.BUSY
        if draw < 0.11:
            return people.REJECTS
        if draw < 0.26:
            return people.RINGS_OUT
        presses = "1" if self._random.random() < 0.9 else ""
        talks_s = self._between(1.0, 6.0) if self._random.random() < 0.5 else None
        return Behaviour(
            after_s=self._between(0.3, 2.5),
            early_media=self._random.random() < 0.1,
            presses=presses,
            talks_s=talks_s,
        )

    def _between(self, low: float, high: float) -> float:
        return round(self._random.uniform(low, high), 3)

    def _number(self) -> str:
        """A mobile number of the range that is used in examples here."""
        self._serial += 1
        return f"0900000{self._serial % 10_000:04d}"

    def _callable(self) -> str:
        return self._random.choice(self.numbers) if self.numbers else self.unknown

    def _in(self, caller: Caller, number: str) -> Channel:
        carriers = self.switch.carriers
        return legs.incoming(self.switch, caller, number, carrier=self._random.choice(carriers) if carriers else None)

    def _caller(self, **about: float | bool) -> Caller:
        return Caller(
            self._number(),
            name=self._random.choice(_NAMES),
            patience_s=float(about.get("patience_s", 60.0)),
            waits_s=float(about.get("waits_s", self._between(6.0, 15.0))),
            talks_s=float(about.get("talks_s", self._between(1.0, 8.0))),
            withheld=bool(about.get("withheld", False)),
            message_s=self._between(1.0, 4.0),
        )

    def _ordinary(self) -> Channel:
        return self._in(self._caller(), self._callable())

    def _impatient(self) -> Channel:
        patience_s = self._between(0.2, 2.0)
        return self._in(self._caller(patience_s=patience_s, waits_s=patience_s), self._callable())

    def _leaves_message(self) -> Channel:
        return self._in(self._caller(waits_s=20.0), self._callable())

    def _withheld(self) -> Channel:
        return self._in(self._caller(withheld=True), self._callable())

    def _unknown_number(self) -> Channel:
        return self._in(self._caller(patience_s=8.0), self.unknown)

    def _goes_out(self) -> Channel:
        return self._from_phone(lambda _phone: self._number())

    def _internal(self) -> Channel:
        """Within one client, as its phones can."""
        return self._from_phone(lambda phone: self._random.choice([one.id for one in self._colleagues(phone)]))

    def _emergency_call(self) -> Channel:
        return self._from_phone(lambda _phone: self._random.choice(_EMERGENCY))

    def _from_phone(self, number_for: Callable[[Phone], str]) -> Channel:
        """Operators' phones, which belong to no client, only answer."""
        dialling = [phone for phone in self.switch.phones.values() if phone.tenant and phone.registered]
        if not dialling:
            return self._ordinary()
        phone = self._random.choice(dialling)
        return legs.incoming(self.switch, self._caller(), number_for(phone), phone=phone.address)

    def _colleagues(self, phone: Phone) -> list[Phone]:
        same = [one for one in self.switch.phones.values() if one.tenant == phone.tenant]
        return [one for one in same if one is not phone] or same
