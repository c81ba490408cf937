"""Five hundred open pages on one process: each hears all news of its client, also over a break, and nobody else's."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import gevent
import pytest

from services.runtime.web.access import Person
from services.runtime.web.live import KEPT, PER_CLIENT, Feed

PAGES, CLIENTS, NEWS = 500, 50, 400
DEADLINE_S = 60
EVENT = re.compile(r"id: (\S+)\nevent: (\S+)\ndata: (\S*)\n")


@dataclass
class Page:
    """A browser that loses its line now and then, and comes again with the last id that it has seen."""

    feed: Feed
    name: str
    tenant: str
    last: str = ""
    heard: list[str] = field(default_factory=list)
    resets: int = 0

    def watch(self) -> Person:
        return Person(self.name, self.name, "tenant_administrator", (self.tenant,))

    def read(self, leaves: Callable[[], bool]) -> None:
        while True:
            for piece in self.feed.stream(self.name, self.watch, self.last):
                for number, event, data in EVENT.findall(piece.decode()):
                    self.last = number
                    self.resets += event == "reset"
                    if event == "changed":
                        self.heard.append(data)
                if f"{self.tenant}-last" in self.heard:
                    return
                if leaves():
                    break


@pytest.mark.requirement("D7")
def test_five_hundred_pages_hear_all_news_of_their_client_over_breaks_too() -> None:
    feed, dice = Feed(rest_s=0.01, apart_s=0), random.Random(7)
    pages = [Page(feed, f"p{n}", f"c{n % CLIENTS}") for n in range(PAGES)]
    readers = [gevent.spawn(page.read, lambda: dice.random() < 0.05) for page in pages]
    gevent.sleep(0)
    told: dict[str, list[str]] = {f"c{n}": [] for n in range(CLIENTS)}
    for n in range(NEWS):
        tenant = f"c{dice.randrange(CLIENTS)}"
        told[tenant].append(f"{tenant}-{n}")
        feed.publish("changed", tenant, told[tenant][-1])
        gevent.sleep(0.001)
    for tenant, news in told.items():
        news.append(f"{tenant}-last")
        feed.publish("changed", tenant, news[-1])
    gevent.joinall(readers, timeout=DEADLINE_S)
    assert all(reader.ready() for reader in readers), "somebody still waits for the last word"
    assert sum(page.resets for page in pages) == 0, "nobody was away for longer than what is kept"
    for page in pages:
        assert page.heard == told[page.tenant]


def test_a_busy_house_makes_no_page_of_a_quiet_client_load_anew() -> None:
    """Neither while it is open nor when it comes back: the others' news are none of its own."""
    feed = Feed(rest_s=0.01, apart_s=0)
    page = Page(feed, "p", "quiet")
    leave: list[bool] = []
    reader = gevent.spawn(page.read, lambda: bool(leave and leave.pop()))

    def told(name: str) -> None:
        for n in range(2 * PER_CLIENT):
            feed.publish("changed", f"busy-{n}", str(n))
        feed.publish("changed", "quiet", name)
        with gevent.Timeout(10, AssertionError(f"{name} was not heard")):
            while name not in page.heard:
                gevent.sleep(0.005)

    gevent.sleep(0.05)
    told("first")
    leave.append(True)
    told("second")
    told("quiet-last")
    reader.join(10)
    assert (page.heard, page.resets) == (["first", "second", "quiet-last"], 0)


def test_what_comes_while_pages_are_left_alone_is_told_once_and_loads_no_page_from_before_it() -> None:
    """What an open page fetches is made for all after they were told; whoever comes by himself sees what is now."""
    feed = Feed(rest_s=0.05, apart_s=0)
    page = Page(feed, "p", "acme")
    reader = gevent.spawn(page.read, lambda: False)
    gevent.sleep(0)
    for _ in range(100):
        feed.publish("changed", "acme", "acme-first")
        feed.publish("changed", "minato", "other")
    assert (feed.latest(None), feed.latest(["acme"]), feed.latest(["nobody"])) == (200, 199, 0)
    assert (feed.told(None), feed.told(["acme"])) == (0, 0)
    with gevent.Timeout(10):
        while not page.heard:
            gevent.sleep(0.005)
    assert (feed.told(None), feed.told(["acme"])) == (200, 199)
    feed.publish("changed", "acme", "acme-last")
    reader.join(10)
    assert (page.heard, page.resets) == (["acme-first", "acme-last"], 0)


def test_whoever_missed_more_than_is_kept_loads_anew() -> None:
    feed = Feed(rest_s=0, apart_s=0)
    for n in range(KEPT + 2):
        feed.publish("changed", "acme", str(n))
    with gevent.Timeout(10):
        while feed.told(None) < KEPT + 2:
            gevent.sleep(0)

    def first_after(number: int) -> str:
        life = feed._life
        stream = feed.stream("p", Page(feed, "p", "acme").watch, f"{life}-{number}")
        assert next(stream).startswith(b"retry")
        return next(stream).decode()

    assert "event: reset" in first_after(1)
    assert "event: reset" in first_after(2), "its page's queue is full"
    assert f"data: {KEPT + 1}\n" in first_after(KEPT + 1)
