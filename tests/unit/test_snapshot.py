"""What is up against what we believe: over any history of calls, lost events and failed questions, nobody is invented,
nobody forgotten, nobody ends twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proto import events as e
from proto.envelope import Envelope
from services.eventsocket.beliefs import Beliefs, Leg
from services.eventsocket.frames import Event
from services.eventsocket.normalise import Normaliser
from services.eventsocket.ownership import Directory
from services.eventsocket.records import LINK_ALIVE, LINK_FOUND, LINK_LOST, leg_gone, leg_seen, legs_up, link_record
from services.eventsocket.snapshot import APART_US, Snapshot, compare, read_channels

DIRECTORY = Directory({"0312345678": "acme"}, {}, frozenset({"acme"}))
T0 = 1_795_000_000_000_000


# -- the answer to `show channels as json` ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "legs"),
    [
        (b'{"row_count": 0}', set()),
        (b'{"row_count":2,"rows":[{"uuid":"a-1","name":"x"},{"uuid":"b-2"}]}\n', {"a-1", "b-2"}),
        (b'{"row_count":1,"rows":[{"uuid":"a-1","cid_name":"\xff\xfe"}]}', {"a-1"}),
    ],
)
def test_a_whole_answer_is_a_snapshot(said: bytes, legs: set[str]) -> None:
    snapshot = read_channels(said, "core-1", 5)
    assert snapshot is not None
    assert snapshot.legs == legs


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\n",
        b"-ERR show Command not found!\n",
        b"-USAGE: channels\n",
        b"0 total.\n",
        b"{}",
        b'{"row_count":2,"rows":[{"uuid":"a-1"}]}',
        b'{"row_count":1}',
        b'{"row_count":0,"rows":[{"uuid":"a-1"}]}',
        b'{"row_count":2,"rows":[{"uuid":"a-1"},{"uuid":"a-1"}]}',
        b'{"row_count":1,"rows":[{"uuid":"a 1\\n\\napi"}]}',
        b'{"row_count":1,"rows":[{"name":"sofia"}]}',
        b'{"row_count":2,"rows":[{"uuid":"a-1"},{"uu',
        b"[]",
    ],
)
def test_whatever_is_not_whole_never_means_no_calls(said: bytes) -> None:
    assert read_channels(said, "core-1", 5) is None


def test_a_core_without_a_name_has_no_snapshot() -> None:
    assert read_channels(b'{"row_count": 0}', "", 5) is None


# -- the comparison --------------------------------------------------------------------------------------------------


def leg(name: str, heard_us: int = 0, core: str = "core-1") -> Leg:
    return Leg(name, "inbound", "trunk", "inbound", name, core=core, heard_us=heard_us)


def test_missing_once_proves_nothing() -> None:
    first = compare([leg("a")], (), {}, Snapshot("core-1", T0, frozenset()))
    assert (first.gone, first.missing) == ({}, {"a": T0})
    sooner = compare([leg("a")], (), first.missing, Snapshot("core-1", T0 + APART_US - 1, frozenset()))
    assert sooner.gone == {}
    again = compare([leg("a")], (), first.missing, Snapshot("core-1", T0 + APART_US, frozenset()))
    assert again.gone == {"a": T0}


def test_a_leg_younger_than_the_question_is_not_missing() -> None:
    assert compare([leg("a", heard_us=T0 + 1)], (), {}, Snapshot("core-1", T0, frozenset())).missing == {}


def test_heard_of_between_two_snapshots_it_is_missing_anew() -> None:
    found = compare([leg("a", heard_us=T0 + 1)], (), {"a": T0}, Snapshot("core-1", T0 + APART_US, frozenset()))
    assert (found.gone, found.missing) == ({}, {"a": T0 + APART_US})


def test_listed_again_it_is_no_longer_missing() -> None:
    found = compare([leg("a")], (), {"a": T0}, Snapshot("core-1", T0 + APART_US, frozenset("a")))
    assert (found.still_up, found.missing) == (("a",), {})


def test_a_switch_started_anew_has_none_of_the_old_legs_once_its_call_records_had_their_time() -> None:
    legs = [leg("a"), leg("b", core="core-2")]
    first = compare(legs, (), {}, Snapshot("core-2", T0, frozenset("bc")))
    assert (first.old_core, first.still_up, first.unknown, first.missing) == ((), ("b",), ("c",), {"a": T0})
    again = compare(legs, (), first.missing, Snapshot("core-2", T0 + APART_US, frozenset("bc")))
    assert (again.old_core, again.gone) == (("a",), {})


def test_legs_that_a_switch_takes_up_again_after_a_crash_are_none_that_ended() -> None:
    """`sofia recover`: the same ids under a new core (switch_core_recovery_recover)."""
    recovered = compare([leg("a")], (), {}, Snapshot("core-2", T0, frozenset("a")))
    assert (recovered.still_up, recovered.missing) == (("a",), {})
    about = Normaliser("fs1", DIRECTORY)
    truth = Truth("a", "core-1", T0, inbound=True)
    about.facts_of(truth.event("CHANNEL_PARK", T0, 1))
    about.facts_of(leg_gone("a", "core-2", T0 + 1))
    assert not about.beliefs.up, "it was not up again yet"
    truth.core = "core-2"
    about.facts_of(leg_seen(truth.event("CHANNEL_DATA", T0 + 2, 1)))
    (found,) = about.beliefs.legs_up()
    later = Snapshot("core-2", T0 + 3, frozenset())
    assert compare([found], (), {"a": T0 - APART_US}, later).old_core == (), "it is a leg of the new core"


def test_gone_is_told_once_however_often_it_is_concluded() -> None:
    """The bus was away meanwhile: every look concluded the same again."""
    about = Normaliser("fs1", DIRECTORY)
    about.facts_of(Truth("a", "core-1", T0, inbound=True).event("CHANNEL_PARK", T0, 1))
    gone = leg_gone("a", "core-1", T0 + APART_US)
    assert [type(told.body) for told in about.facts_of(gone).envelopes] == [e.LegEnded]
    assert about.facts_of(gone).envelopes == ()


def test_a_dump_of_before_the_last_event_is_old_news() -> None:
    about = Normaliser("fs1", DIRECTORY)
    one, other = Truth("a", "core-1", T0, True), Truth("b", "core-1", T0, False, answered_us=T0 + 1)
    about.facts_of(one.event("CHANNEL_PARK", T0, 1))
    about.facts_of(other.event("CHANNEL_ANSWER", T0 + 2, 2))
    one.answered_us, one.bridged_to = T0 + 3, "b"
    dump = one.event("CHANNEL_DATA", T0 + 4, 4)
    about.facts_of(one.event("CHANNEL_BRIDGE", T0 + 3, 3))
    about.facts_of(one.event("CHANNEL_UNBRIDGE", T0 + 5, 5))
    assert about.facts_of(leg_seen(dump)).envelopes == ()


# -- any history -----------------------------------------------------------------------------------------------------


@dataclass
class Truth:
    """A leg as it really is on the switch."""

    name: str
    core: str
    started_us: int
    inbound: bool
    answered_us: int = 0
    bridged_to: str = ""
    ended_us: int = 0

    def event(self, name: str, at_us: int, sequence: int) -> Event:
        found: Event = {
            "Event-Name": name,
            "Core-UUID": self.core,
            "Event-Sequence": str(sequence),
            "Event-Date-Timestamp": str(at_us),
            "Unique-ID": self.name,
            "Call-Direction": "inbound" if self.inbound else "outbound",
            "Channel-State": "CS_EXECUTE",
            "Caller-Dialplan": "XML",
            "Caller-Profile-Index": "1",
            "Caller-Profile-Created-Time": str(self.started_us),
            "Caller-Channel-Created-Time": str(self.started_us),
            "Caller-Channel-Answered-Time": str(self.answered_us),
            "Caller-Caller-ID-Number": "09012345678",
            "Caller-Destination-Number": "0312345678",
            "Answer-State": "answered" if self.answered_us else "ringing",
            "variable_sofia_profile_name": "external",
            "variable_tt_did": "0312345678",
            "variable_current_application": "bridge" if self.bridged_to else "park",
        }
        if self.bridged_to:
            found["variable_bridge_to"] = found["Bridge-B-Unique-ID"] = self.bridged_to
            found["Bridge-A-Unique-ID"] = self.name
        if name == "CHANNEL_HANGUP_COMPLETE":
            found |= {"Caller-Channel-Hangup-Time": str(at_us), "Hangup-Cause": "NORMAL_CLEARING"}
        return found


@dataclass
class World:
    """A switch, a link that comes and goes, and the agent's pure parts as `lookout.py` and `agent.py` use them."""

    now_us: int = T0
    core: str = "core-1"
    linked: bool = True
    sequence: int = 0
    truth: dict[str, Truth] = field(default_factory=dict)
    told: list[Envelope] = field(default_factory=list)
    sights: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    lag: list[Event] = field(default_factory=list)
    """Heard, and not worked off yet: the bus is away."""
    lagging: bool = False

    def __post_init__(self) -> None:
        self.about = Normaliser("fs1", DIRECTORY)
        self.record(link_record(LINK_FOUND, self.core, self.now_us))

    def record(self, event: Event) -> None:
        self.lag.append(event)
        if not self.lagging:
            self.work_off()

    def work_off(self) -> None:
        for event in self.lag:
            self.told += self.about.facts_of(event).envelopes
        self.lag.clear()

    def happens(self, one: Truth, name: str) -> None:
        self.now_us += 1_000
        self.sequence += 1
        if self.linked:
            self.sights[one.name] = self.now_us
            self.record(one.event(name, self.now_us, self.sequence))

    def up(self) -> list[Truth]:
        return [one for one in self.truth.values() if not one.ended_us]

    # -- what may happen --

    def start(self, inbound: bool) -> None:
        one = Truth(f"leg-{len(self.truth)}", self.core, self.now_us + 1_000, inbound)
        self.truth[one.name] = one
        self.happens(one, "CHANNEL_PARK" if inbound else "CHANNEL_CREATE")

    def answer(self, which: int) -> None:
        ringing = [one for one in self.up() if not one.answered_us]
        if ringing:
            one = ringing[which % len(ringing)]
            one.answered_us = self.now_us + 1_000
            self.happens(one, "CHANNEL_ANSWER")

    def bridge(self, which: int) -> None:
        callers = [one for one in self.up() if one.inbound and not one.bridged_to]
        callees = [one for one in self.up() if not one.inbound and not one.bridged_to and one.answered_us]
        if callers and callees:
            one, other = callers[which % len(callers)], callees[which % len(callees)]
            one.bridged_to, other.bridged_to = other.name, one.name
            self.happens(one, "CHANNEL_BRIDGE")

    def unbridge(self, which: int) -> None:
        talking = [one for one in self.up() if one.inbound and one.bridged_to]
        if talking:
            one = talking[which % len(talking)]
            self.happens(one, "CHANNEL_UNBRIDGE")
            self.truth[one.bridged_to].bridged_to = one.bridged_to = ""

    def end(self, which: int) -> None:
        if self.up():
            self._end(self.up()[which % len(self.up())])

    def _end(self, one: Truth) -> None:
        other = self.truth.get(one.bridged_to)
        one.ended_us = self.now_us + 1_000
        self.happens(one, "CHANNEL_HANGUP_COMPLETE")
        if other is not None:
            self.happens(other, "CHANNEL_UNBRIDGE")
            other.bridged_to = ""

    def lose(self) -> None:
        if self.linked:
            self.linked = False
            self.record(link_record(LINK_LOST, self.core, self.now_us))

    def find(self) -> None:
        if not self.linked:
            self.linked = True
            self.record(link_record(LINK_FOUND, self.core, self.now_us))

    def alive(self) -> None:
        if self.linked:
            self.record(link_record(LINK_ALIVE, self.core, self.now_us))

    def wait(self, seconds: int) -> None:
        self.now_us += seconds * 1_000_000

    def restart(self) -> None:
        """kill -9 of the switch: no event tells the ends."""
        self.lose()
        for one in self.up():
            one.ended_us, one.bridged_to = self.now_us, ""
        self.core = f"core-{int(self.core[5:]) + 1}"
        self.now_us += 1_000

    def crash(self) -> None:
        """kill -9 of the agent, with everything told: what is up is in its journal."""
        self.work_off()
        legs = msgspec.json.decode(msgspec.json.encode(self.about.beliefs.legs_up()), type=list[Leg])
        beliefs = Beliefs()
        beliefs.take_over(legs, self.about.beliefs.alive_us)
        self.about = Normaliser("fs1", DIRECTORY, beliefs)
        if self.linked:
            self.record(link_record(LINK_FOUND, self.core, self.now_us))

    def look(self, answer: str, late: Sequence[str] = ()) -> None:
        """A snapshot; between the switch's answer and our working it in, other things may happen."""
        if not self.linked:
            return
        rows = [{"uuid": one.name} for one in self.up()]
        said = {
            "whole": {"row_count": len(rows), "rows": rows} if rows else {"row_count": 0},
            "half": {"row_count": len(rows) + 1, "rows": rows},
            "error": "-ERR",
            "silence": None,
        }[answer]
        now = read_channels(json.dumps(said).encode() if said is not None else b"", self.core, self.now_us)
        if answer != "whole":
            assert now is None
            return
        assert now is not None
        found = compare(self.about.beliefs.legs_up(), (), self.missing, now)
        self.missing = dict(found.missing)
        dumps = [one.event("CHANNEL_DATA", self.now_us, self.sequence) for one in self.up()]
        gone = {name: since for name, since in found.gone.items() if self.truth[name].ended_us}
        for name in late:
            getattr(self, name)(0)
        self.record(legs_up(self.core, now.asked_us, found.still_up))
        for dump in dumps:
            self.record(leg_seen(dump))
        for name in found.old_core:
            self.record(leg_gone(name, self.core, now.asked_us))
        for name, since in gone.items():
            self.record(leg_gone(name, self.core, since))
        if not self.lagging:
            self.agrees()

    def agrees(self) -> None:
        """Of every leg that is up, we believe what is so."""
        for one in self.up():
            believed = self.about.beliefs.get(one.name)
            assert believed is not None
            assert not believed.over
            assert (believed.answered, believed.bridged_to) == (bool(one.answered_us), one.bridged_to), one.name

    def settle(self) -> None:
        """The link is there and the bus takes everything: what the agent then knows is what is so."""
        self.lagging = False
        self.work_off()
        self.find()
        for _ in range(3):
            self.look("whole")
            self.now_us += APART_US


STEPS = st.one_of(
    st.tuples(st.just("start"), st.booleans()),
    st.tuples(st.just("answer"), st.integers(0, 9)),
    st.tuples(st.just("bridge"), st.integers(0, 9)),
    st.tuples(st.just("unbridge"), st.integers(0, 9)),
    st.tuples(st.just("end"), st.integers(0, 9)),
    st.tuples(st.sampled_from(["lose", "find", "alive", "restart", "crash"])),
    st.tuples(st.just("wait"), st.integers(1, 40)),
    st.tuples(st.just("look"), st.sampled_from(["half", "error", "silence"])),
    st.tuples(
        st.just("look"),
        st.just("whole"),
        st.lists(st.sampled_from(["answer", "bridge", "unbridge", "end"]), max_size=2),
    ),
    st.tuples(st.just("lag"), st.booleans()),
)


@settings(max_examples=400)
@given(st.lists(STEPS, max_size=40))
def test_nobody_is_invented_forgotten_or_ended_twice(steps: list[tuple[object, ...]]) -> None:
    world = World()
    for name, *arguments in steps:
        if name == "lag":
            world.lagging = bool(arguments[0])
        else:
            getattr(world, str(name))(*arguments)
    world.settle()
    check(world)


def check(world: World) -> None:
    beliefs = world.about.beliefs
    up = {one.name for one in world.up()}
    assert beliefs.up == up, "what is up is believed to be up, and nothing else"
    world.agrees()
    ends = [told for told in world.told if isinstance(told.body, e.LegEnded)]
    count = Counter((told.body.leg, told.estimated) for told in ends if isinstance(told.body, e.LegEnded))
    assert all(number == 1 for number in count.values()), "no end is told twice"
    for told in ends:
        assert isinstance(told.body, e.LegEnded)
        one = world.truth[told.body.leg]
        assert one.ended_us, "a leg that is up was ended"
        assert told.body.ended_at_us <= one.ended_us
        assert (told.body.answered_at_us or one.answered_us) == one.answered_us
        if told.estimated:
            assert told.body.ended_at_us >= world.sights.get(one.name, 0), "before its last sight"
        else:
            assert told.body.ended_at_us == one.ended_us
    heard = {str(getattr(told.body, name, "")) for told in world.told for name in ("leg", "other", "by")} - {""}
    assert heard <= set(world.truth)
    assert heard | {name for name, _ in count} >= up
    over = {name for name, _ in count}
    assert {name for name in heard if name not in up} <= over, "every leg that was told has an end"
