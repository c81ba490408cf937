"""Whole calls as facts, for the tests of history and its pages: who called, what rang, how it ended, what it cost.

Enters: a call id and a start. Leaves: the facts that the services would say, in their natural order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

from proto import events as e
from proto.envelope import Envelope
from proto.message import Event
from proto.plan import Carrier, Forward, Phone, Plan, Reject, Ring
from proto.values import Money, Party, command_id

SECOND = 1_000_000
FRIDAY_US = 1_795_237_500 * SECOND
"""2026-11-21 14:05 in Japan."""
SATO = Phone("1001", "pbx.example")
PLAN: Plan = (Ring(phones=(SATO,), for_s=20), Forward(number="09012345678", carrier=Carrier("carrier"), for_s=30))


@dataclass
class Story:
    """Facts of one call; `at` is in seconds after its start."""

    call: str
    tenant: str = "acme"
    start_us: int = FRIDAY_US
    caller: Party = field(default_factory=lambda: Party(number="09011112222", name="山田 太郎"))
    dialled: str = "0312345678"
    facts: list[Envelope] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)

    @property
    def leg(self) -> str:
        """The caller's leg."""
        return f"{self.call}-a"

    @property
    def command(self) -> str:
        """The id of the plan."""
        return command_id(self.call, 0)

    def say(self, at: float, body: Event, cause: str = "", source: str = "switch/fs1", estimated: bool = False) -> str:
        """One more fact; its id."""
        envelope = Envelope(
            body=body,
            id=f"{self.call}.{next(self._numbers)}",
            source=source,
            tenant=self.tenant,
            call=self.call,
            cause=cause,
            occurred_at_us=self.us(at),
            estimated=estimated,
        )
        self.facts.append(envelope)
        return envelope.id

    def us(self, at: float) -> int:
        """Epoch of `at` seconds after the start."""
        return self.start_us + round(at * SECOND)

    def arrive(self, plan: Plan = PLAN, why: tuple[str, ...] = ("hours office: open", "rule 1 applies")) -> None:
        """It comes in, a plan is made and carried out."""
        arrived = self.say(
            0.0,
            e.CallArrived(
                switch="fs1",
                leg=self.leg,
                origin="trunk",
                dialled=self.dialled,
                caller=self.caller,
                received_at_us=self.us(0),
            ),
        )
        routed = e.CallRouted(leg=self.leg, command=self.command, plan=plan, why=why)
        self.say(0.004, routed, cause=arrived, source="routing")
        finished = e.CommandFinished(
            switch="fs1", command=self.command, name="command.route_call", leg=self.leg, decision_us=6200
        )
        self.say(0.008, finished, cause=self.command)

    def ring(self, leg: str, at: float, destination: str, kind: str = "ring", via: e.Via = "phone") -> None:
        """A leg is dialled and rings."""
        self.say(
            at,
            e.LegStarted(switch="fs1", leg=leg, kind=kind, direction="outbound", via=via, destination=destination),
        )
        self.say(at + 0.3, e.LegRinging(switch="fs1", leg=leg))

    def answer(self, leg: str, at: float, destination: str, kind: str = "ring", via: e.Via = "phone") -> None:
        """The leg answers; caller and it talk."""
        self.say(
            at,
            e.LegAnswered(switch="fs1", leg=leg, kind=kind, direction="outbound", via=via, destination=destination),
        )
        self.say(at + 0.01, e.LegAnswered(switch="fs1", leg=self.leg, kind="inbound", direction="inbound", via="trunk"))
        self.say(at + 0.02, e.LegsBridged(switch="fs1", leg=self.leg, other=leg))
        self.say(at + 0.02, e.CallAnswered(switch="fs1", leg=self.leg, by=leg))

    def end(
        self,
        leg: str,
        at: float,
        cause: str = "NORMAL_CLEARING",
        kind: str = "ring",
        via: e.Via = "phone",
        destination: str = "",
        started: float = 0.0,
        answered: float | None = None,
        sip_status: int | None = None,
        decision: str | None = None,
        estimated: bool = False,
    ) -> None:
        """A leg ends; an answered one is charged by `charge`."""
        body = e.LegEnded(
            switch="fs1",
            leg=leg,
            kind=kind,
            direction="inbound" if leg == self.leg else "outbound",
            via=via,
            payer=self.tenant,
            caller=self.caller,
            destination=destination,
            started_at_us=self.us(started),
            answered_at_us=None if answered is None else self.us(answered),
            ended_at_us=self.us(at),
            cause=cause,
            sip_status=sip_status,
            decision=self.command if decision is None else decision,
        )
        self.say(at, body, estimated=estimated)

    def charge(self, leg: str, at: float, amount: str, basis: str = "incl") -> None:
        """The leg's one charge."""
        body = e.LegCharged(
            leg=leg,
            payer=self.tenant,
            charge=Money(Decimal(amount)),
            basis="incl" if basis == "incl" else "excl",
            price="standard@2026-04-01:fixed" if Decimal(amount) else "",
            duration_us=60 * SECOND,
            arithmetic=f"1 x {amount}",
        )
        self.say(at, body, source="billing")


def forwarded(call: str, **named: object) -> Story:
    """A phone does not answer, the mobile does; 2 minutes 5 seconds of talk, recorded, charged for the mobile leg."""
    story = Story(call, **named)  # type: ignore[arg-type]
    desk, mobile = f"{call}-b", f"{call}-c"
    story.arrive()
    story.ring(desk, 0.1, "1001")
    story.end(desk, 20.1, "NO_ANSWER", destination="1001", started=0.1)
    story.ring(mobile, 20.2, "09012345678", "forward", "trunk")
    story.answer(mobile, 25.0, "09012345678", "forward", "trunk")
    path = f"acme/{call}.wav"
    story.say(25.1, e.RecordingStarted(switch="fs1", leg=story.leg, path=path, recording=f"{call}-rec"))
    story.say(150.1, e.RecordingStopped(switch="fs1", leg=story.leg, path=path, length_ms=125_000))
    stored = e.RecordingStored(recording=f"{call}-rec", leg=story.leg, path=path, length_ms=125_000, asked=True)
    story.say(150.2, stored, source="recording")
    story.end(mobile, 150.0, kind="forward", via="trunk", destination="09012345678", started=20.2, answered=25.0)
    story.end(story.leg, 150.02, kind="inbound", via="trunk", destination=story.dialled, answered=25.01)
    story.charge(mobile, 150.0, "52.8")
    story.charge(story.leg, 150.02, "0")
    return story


def abandoned(call: str, **named: object) -> Story:
    """The caller hangs up while a phone rings."""
    story = Story(call, **named)  # type: ignore[arg-type]
    story.arrive()
    story.ring(f"{call}-b", 0.1, "1001")
    story.end(f"{call}-b", 8.0, "ORIGINATOR_CANCEL", destination="1001", started=0.1)
    story.end(story.leg, 8.01, "ORIGINATOR_CANCEL", kind="inbound", via="trunk", destination=story.dialled)
    return story


def not_in_use(call: str, **named: object) -> Story:
    """Nobody has the number that was dialled."""
    story = Story(call, tenant="_unknown", dialled="0399999999", **named)  # type: ignore[arg-type]
    story.arrive(plan=(Reject("UNALLOCATED_NUMBER"),), why=("nobody has this number",))
    story.end(story.leg, 3.0, "UNALLOCATED_NUMBER", kind="inbound", via="trunk", destination=story.dialled)
    return story


def emergency(call: str, **named: object) -> Story:
    """110 from a desk phone: the static dialplan connects it, no service is asked, nothing is ever parked."""
    story = Story(call, dialled="110", **named)  # type: ignore[arg-type]
    police = f"{call}-b"
    story.say(
        0.05,
        e.LegStarted(
            switch="fs1",
            leg=police,
            kind="emergency",
            direction="outbound",
            via="trunk",
            destination="110",
            joined="inherited",
        ),
    )
    story.say(
        2.0,
        e.LegAnswered(switch="fs1", leg=police, kind="emergency", direction="outbound", via="trunk", destination="110"),
    )
    story.say(2.02, e.CallAnswered(switch="fs1", leg=story.leg, by=police))
    story.end(
        police, 40.0, kind="emergency", via="trunk", destination="110", started=0.05, answered=2.0, decision="static"
    )
    story.end(story.leg, 40.02, kind="inbound", destination="110", answered=2.01, decision="static")
    return story


def queued(call: str, **named: object) -> Story:
    """A caller waits for an operator, gets one after 30 seconds, and is still talking."""
    story = Story(call, dialled="05012345678", **named)  # type: ignore[arg-type]
    operator = f"{call}-op"
    story.arrive()
    waiting = e.CallWaiting(
        switch="fs1", leg=story.leg, queue="tokyo-pool", decision=story.command, caller=story.caller
    )
    story.say(0.5, waiting)
    offered = e.OperatorOffered(caller_leg=story.leg, operator_leg=operator, pool="tokyo-pool", phone="op1")
    story.say(24.9, offered, source="answering")
    story.ring(operator, 25.0, "op1", "operator")
    story.answer(operator, 30.0, "op1", "operator")
    return story


STORIES = (forwarded, abandoned, not_in_use, emergency, queued)
