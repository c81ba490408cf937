"""Live updates: server-sent events (WHATWG HTML, 9.2) to open pages.

Enters: short notices with the client they concern. Leaves: one stream per person; each has a bounded queue, says
something at least every 15 s, and goes on after `Last-Event-ID`. A notice says that something changed, never what a
caller said: the page fetches itself again under the visitor's own rights.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

import gevent.event
from flask import Blueprint, Response, request
from flask.sansio.app import App

from services.runtime import clock
from services.runtime.bus import Unavailable
from services.runtime.web.access import Person, current_person, watch_session

COMMENT_EVERY_S = 15.0
KEPT = 4_096
"""Notices that a returning page may still get; after more it is told to load anew."""
PER_CLIENT = 64
REST_S = 0.4
"""After news all pages are left alone for so long, and then told the rest at once: they would not look more often
anyway, and what they then ask for is made once for all of them, not at each call's every step."""
APART_S = 0.004
"""Open pages are told one after another, so far apart: what five hundred ask for at once would hold up calls in the
same process for as long as all of it takes."""
RETRY_MS = 2000
"""A page that lost its stream comes again so much later, each a little after the one before it."""
RIGHTS_FOR_US = 2_000_000
"""So long an open stream trusts what it knows of its person: hundreds of pages would ask the store at each notice. A
notice says nothing of a call, and what the page then fetches is checked at once."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One line of news. `data` is one line without caller text."""

    number: int
    name: str
    data: str
    tenant: str


@dataclass
class _Client:
    waiting: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """News (client, name, data) and its last number: the same twice is told once."""
    ready: gevent.event.Event = field(default_factory=gevent.event.Event)
    overflowed: bool = False
    farewell: str = ""
    ended: gevent.event.Event = field(default_factory=gevent.event.Event)
    reader: Person | None = None
    """Whose page it is, as last asked."""

    def push(self, notice: Notice) -> None:
        if self.reader is not None and not self.reader.sees(notice.tenant):
            return  # a busy house would fill every page's queue with what it must not tell
        news = notice.tenant, notice.name, notice.data
        self.waiting.pop(news, None)
        if len(self.waiting) >= PER_CLIENT:
            self.waiting.clear()
            self.overflowed = True
        self.waiting[news] = notice.number
        self.ready.set()

    def close(self, farewell: str) -> None:
        self.farewell = farewell
        self.ended.set()
        self.ready.set()


class Feed:
    """News of one room. `publish` is called on the hub after a commit; it never waits for a reader."""

    def __init__(
        self, comment_every_s: float = COMMENT_EVERY_S, rest_s: float = REST_S, apart_s: float = APART_S
    ) -> None:
        self._life = secrets.token_hex(4)
        self._number = self._told = self._forgotten = 0
        self._numbers: dict[str, int] = {}
        self._told_of: dict[str, int] = {}
        self._coming: dict[tuple[str, str, str], int] = {}
        self._telling: gevent.Greenlet | None = None
        self._apart_us, self._turn_us = int(apart_s * 1_000_000), 0
        self._kept: deque[Notice] = deque()
        self._clients: dict[str, _Client] = {}
        self._comment_every_s, self._rest_s = comment_every_s, rest_s

    def publish(self, name: str, tenant: str, data: str = "") -> None:
        """Tell every open page whose person may see this client's data: now, or with the next news."""
        if "\n" in name + data or "\r" in name + data:
            raise ValueError("a notice is one line")
        self._number += 1
        self._numbers[tenant] = self._number
        self._coming.pop((tenant, name, data), None)
        self._coming[tenant, name, data] = self._number
        if self._telling is None:
            self._telling = gevent.spawn(self._tell_all)

    def _tell_all(self) -> None:
        while self._coming:
            coming, self._coming = self._coming, {}
            for (tenant, name, data), number in coming.items():
                self._keep(Notice(number, name, data, tenant))
            gevent.sleep(self._rest_s)
        self._telling = None

    def _keep(self, notice: Notice) -> None:
        if len(self._kept) >= KEPT:
            self._forgotten = self._kept.popleft().number
        self._kept.append(notice)
        self._told = self._told_of[notice.tenant] = notice.number
        for client in self._clients.values():
            client.push(notice)

    def latest(self, visible: Collection[str] | None) -> int:
        """The number of the last notice about these clients (None: about anybody); 0: there was none."""
        return self._number if visible is None else _last(self._numbers, visible)

    def told(self, visible: Collection[str] | None) -> int:
        """The same of those that open pages have been told of."""
        return self._told if visible is None else _last(self._told_of, visible)

    def drop_all(self) -> None:
        """End all streams: the server stops."""
        for client in list(self._clients.values()):
            client.close("closing")

    def respond(self) -> Response:
        """The stream of the person who asks now. An older stream of the same person ends."""
        watch, person = watch_session(), current_person()
        last = request.headers.get("Last-Event-ID", "")
        answer = Response(self.stream(person.id, watch, last), mimetype="text/event-stream")
        answer.headers["X-Accel-Buffering"] = "no"
        return answer

    def stream(self, person: str, watch: Callable[[], Person | None], last: str) -> Iterator[bytes]:
        """Bytes for one page, until it leaves, is replaced, or `watch` says that the session is worthless."""
        client = _Client()
        older = self._clients.get(person)
        if older is not None:
            older.close("replaced")
        later_ms = len(self._clients) * self._apart_us // 1000
        self._clients[person] = client
        try:
            yield f"retry: {RETRY_MS + later_ms}\n\n".encode()
            known_until_us = self._look(client, watch)
            yield from self._missed(client, last)
            while not client.farewell:
                woken = client.ready.wait(self._comment_every_s)
                if woken:
                    client.ended.wait(self._turn_s())
                client.ready.clear()
                if clock.monotonic_us() >= known_until_us:
                    known_until_us = self._look(client, watch)
                if client.reader is None:
                    continue
                if not woken:
                    yield b": still here\n\n"
                else:
                    yield from self._tell(client, client.reader)
            yield f"event: {client.farewell}\ndata:\n\n".encode()
        finally:
            if self._clients.get(person) is client:
                del self._clients[person]

    def _turn_s(self) -> float:
        """How long the next page has to wait until it is told; its turn is taken."""
        now_us = clock.monotonic_us()
        turn_us = max(now_us, self._turn_us)
        self._turn_us = turn_us + self._apart_us
        return (turn_us - now_us) / 1_000_000

    def _look(self, client: _Client, watch: Callable[[], Person | None]) -> int:
        """Who reads now; nobody ends the stream. Until when that holds."""
        try:
            client.reader = watch()
            if client.reader is None:
                client.close("ended")
        except Unavailable:  # the page comes again in two seconds
            client.reader = None
            client.close("closing")
        return clock.monotonic_us() + RIGHTS_FOR_US

    def _missed(self, client: _Client, last: str) -> Iterator[bytes]:
        if not last or client.reader is None:
            return
        life, _, number = last.partition("-")
        seen = int(number) if number.isascii() and number.isdigit() and len(number) < 16 else -1
        if life != self._life or not self._forgotten <= seen <= self._told:
            yield self._event("reset", "", self._told)
            return
        for notice in self._kept:
            if notice.number > seen:
                client.push(notice)

    def _tell(self, client: _Client, reader: Person) -> Iterator[bytes]:
        if client.overflowed:
            client.overflowed = False
            client.waiting.clear()
            yield self._event("reset", "", self._told)
        last: dict[tuple[str, str], int] = {}
        for (tenant, name, data), number in client.waiting.items():
            if reader.sees(tenant):
                last.pop((name, data), None)
                last[name, data] = number
        client.waiting.clear()
        for (name, data), number in last.items():  # of several clients too
            yield self._event(name, data, number)

    def _event(self, name: str, data: str, number: int) -> bytes:
        return f"id: {self._life}-{number}\nevent: {name}\ndata: {data}\n\n".encode()


def _last(numbers: Mapping[str, int], visible: Collection[str]) -> int:
    return max((numbers.get(tenant, 0) for tenant in visible), default=0)


def feeds_of(app: App) -> list[Feed]:
    """The feeds whose streams the application serves."""
    feeds: list[Feed] = app.extensions.setdefault("toritsugi_feeds", [])
    return feeds


def serve_feed(blueprint: Blueprint, feed: Feed) -> None:
    """Let the server end this feed's streams when it stops."""
    blueprint.record(lambda state: feeds_of(state.app).append(feed))
