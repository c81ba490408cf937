"""What the house makes of an end that nobody saw: shown and told as estimated, and told once more when it is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proto.envelope import Envelope
from proto.events import CallEnded
from services.history import service as history
from tests import stories
from tests.integration.one_room import OneRoom, running
from tests.pages_house import PagesHouse
from tests.stores import Database
from tests.stories import Story
from tests.visitor import Visitor


@pytest.fixture
def room(tmp_path: Path, database: Database) -> Iterator[OneRoom]:
    with running(history.build(), tmp_path, database) as room:
        yield room


def talk(call: str = "c1") -> Story:
    """A mobile answers a forwarded call; then the switch is heard no more."""
    story = Story(call)
    story.arrive()
    story.ring(f"{call}-b", 0.2, "09012345678", "forward", "trunk")
    story.answer(f"{call}-b", 5.0, "09012345678", "forward", "trunk")
    return story


def ends(story: Story, at: float, *, estimated: bool) -> list[Envelope]:
    """Both legs, from one source."""
    before = len(story.facts)
    mobile = {"kind": "forward", "via": "trunk", "destination": "09012345678"}
    story.end(f"{story.call}-b", at, started=0.2, answered=5.0, estimated=estimated, **mobile)
    caller = {"kind": "inbound", "via": "trunk", "destination": story.dialled}
    story.end(story.leg, at, answered=5.01, estimated=estimated, **caller)
    return story.facts[before:]


def over(room: OneRoom) -> list[tuple[bool, int]]:
    """What was told of the call's end: whether estimated, and how long they talked."""
    unique = {envelope.id: envelope for envelope in room.envelopes(CallEnded)}
    return [(one.estimated, one.body.talk_ms) for one in unique.values()]


@pytest.mark.requirement("B16")
def test_an_estimated_end_is_told_as_such_and_once_more_when_it_is_known(room: OneRoom) -> None:
    story = talk()
    room.tell(*story.facts)
    room.tell(*ends(story, 65.02, estimated=True))
    room.await_(CallEnded)
    assert over(room) == [(True, 60_000)]
    exact = ends(story, 35.02, estimated=False)
    room.tell(exact[0])
    room.tell(*exact, *ends(story, 99.0, estimated=True))
    room.await_(CallEnded, 2)
    assert over(room) == [(True, 60_000), (False, 30_000)]


def test_a_guess_behind_the_exact_ends_changes_and_tells_nothing(room: OneRoom) -> None:
    story = talk()
    room.tell(*story.facts, *ends(story, 35.02, estimated=False))
    room.tell(*ends(story, 99.0, estimated=True))
    assert over(room) == [(False, 30_000)]


@pytest.mark.requirement("B16")
def test_pages_say_that_an_end_is_estimated_until_it_is_known(house: PagesHouse, admin: Visitor) -> None:
    story = talk()
    house.tell([*story.facts, *ends(story, 65.02, estimated=True)])
    house.drained()
    for page in (admin.get("/").text, admin.get("/calls/acme/c1").text):
        assert "推定" in page
    assert "確認されるまで課金しません" in admin.get("/calls/acme/c1").text
    assert "Nothing is charged until" in admin.get("/calls/acme/c1?lang=en").text
    house.tell(ends(story, 35.02, estimated=False))
    house.drained()
    for page in (admin.get("/?lang=ja").text, admin.get("/calls/acme/c1").text):
        assert "推定" not in page
        assert "30秒" in page


def test_stories_of_calls_that_were_seen_to_the_end_say_nothing_of_estimates(house: PagesHouse, admin: Visitor) -> None:
    house.tell(stories.forwarded("c1").facts)
    house.drained()
    assert "推定" not in admin.get("/").text
