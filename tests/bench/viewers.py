"""Open live pages, five hundred beside five: each is told of every change and fetches the calls, over real HTTP.

Enters: an empty database for each of both. Leaves: bars: the server's CPU, how long its hub was held up (calls of the
same process would have waited so long), how late a page shows a change. Pages are two sockets each, as a browser has
them, in a process of their own; they belong to operators, to one client's people and to resellers in turn.
`python -m tests.bench.patched tests.bench.viewers serve URL PAGES SECONDS` makes the changes, `look` is the pages.
"""

from __future__ import annotations

import http.client
import json
import re
import resource
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import gevent

from tests.bench.bar import Bar, percentile, within
from tests.bench.house import Processes, tell

FEW, MANY = 5, 500
PER_SECOND = 20
"""Changes, as of 20 calls/s."""
SECONDS = 20.0
CALLS = 1_000
GOAL = 10.0
"""A hundred times as many pages may cost so many times as much."""
MOST_LAG_MS = 50.0
MOST_LATE_MS = 5_000.0
LOOK_S = 0.005
"""The hub is asked so often whether it is free."""
ASKED = {"Accept": "text/html"}
MARK = re.compile(r"change-(\d+)<")
KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("platform_operator", ()),
    ("tenant_administrator", ("c0",)),
    ("reseller", tuple(f"c{n}" for n in range(20))),
    ("read_only", ("c0",)),
    ("platform_operator", ()),
)


def bars(processes: Processes, few_url: str, many_url: str, many: int, seconds: float) -> list[Bar]:
    """`many` pages beside FEW, one after the other."""
    few_said, said = (_run(processes, url, pages, seconds) for url, pages in ((few_url, FEW), (many_url, many)))
    name = f"{many} live pages, {PER_SECOND} changes/s"
    return [
        Bar(f"{name}: CPU of the server", said["cpu"], few_said["cpu"], f"{FEW} pages", "of a core", 1, "lower", GOAL),
        within(f"{name}: hub held up, p99", percentile(said["lags_ms"], 99), MOST_LAG_MS, "ms", len(said["lags_ms"])),
        within(f"{name}: shown after, p99", percentile(said["late_ms"], 99), MOST_LATE_MS, "ms", len(said["late_ms"])),
    ]


def _run(processes: Processes, url: str, pages: int, seconds: float) -> dict[str, Any]:
    server = processes.patched("tests.bench.viewers", "serve", url, str(pages), str(seconds))
    eyes = processes.patched("tests.bench.viewers", "look", processes.said(server).strip())
    processes.said(eyes)  # every page is open
    tell(server, "go")
    made: dict[str, Any] = json.loads(processes.said(server))
    seen: list[list[tuple[int, float]]] = json.loads(processes.said(eyes))
    tell(server, "enough")
    made["late_ms"] = [late for page in seen for late in _late_ms(page, made["told_at_s"])]
    return made


def _late_ms(page: list[tuple[int, float]], told_at_s: list[float]) -> list[float]:
    """For each change: how long after it the page showed it or a later one."""
    found, change = [], 0
    for shown, at_s in page:
        while change <= min(shown, len(told_at_s) - 1):
            found.append((at_s - told_at_s[change]) * 1000)
            change += 1
    return found


def serve(url: str, pages: int, seconds: float) -> None:
    """Says where the pages are, waits for a line, makes changes, and says what that cost."""
    from services.history import web
    from services.runtime import projections
    from services.runtime.web import create_app
    from services.runtime.web.live import Feed
    from services.runtime.web.server import WebServer
    from tests.bench.reports import filled

    feed = Feed()
    with filled(url, CALLS) as store, tempfile.TemporaryDirectory() as folder:
        app = create_app(
            [web.blueprint(store, feed)],
            key_file=Path(folder) / "key",
            people=lambda name: store.run(lambda tx: projections.person(tx, name)),
        )
        cookies = _logged_in(app, store, pages)
        server = WebServer(app)
        server.start()
        changes = int(seconds * PER_SECOND)
        print(json.dumps({"port": server.port, "cookies": cookies, "last": changes - 1}), flush=True)
        wait_for_line = partial(gevent.get_hub().threadpool.apply, sys.stdin.readline)
        wait_for_line()
        print(json.dumps(_changes(store, feed, changes)), flush=True)
        wait_for_line()  # every page has shown the last one
        server.stop()


def _logged_in(app: Any, store: Any, pages: int) -> list[str]:
    """People whom the pages know, and what their browsers show."""
    from proto.envelope import Envelope
    from proto.events import PersonChanged
    from proto.values import PLATFORM_TENANT
    from services.runtime import projections

    signer, cookies = app.session_interface.get_signing_serializer(app), []
    for n in range(pages):
        role, tenants = KINDS[n % len(KINDS)]
        person = PersonChanged(person=f"p{n}", name=f"Person {n}", role=role, tenants=tenants, session_version=1)  # type: ignore[arg-type]
        told = Envelope(body=person, id=f"p{n}", source="bench", tenant=PLATFORM_TENANT, occurred_at_us=1)
        store.run(lambda tx, told=told: projections.keep_person(tx, told, told))
        cookies.append(signer.dumps({"_permanent": True, "person": person.person, "role": role, "version": 1}))
    return cookies


def _changes(store: Any, feed: Any, changes: int) -> dict[str, Any]:
    """A call in progress changes, so often, and all pages are told. When, what CPU it took, how the hub was held up."""
    lags_ms: list[float] = []
    watch = gevent.spawn(_watch, lags_ms)
    told_at_s, cpu_s, began_s = [], time.process_time(), time.monotonic()
    for n in range(changes):
        store.run(lambda tx, n=n: _change(tx, n))
        told_at_s.append(time.monotonic())
        feed.publish("changed", "c0")
        gevent.sleep(max(0.0, began_s + (n + 1) / PER_SECOND - time.monotonic()))
    took_s = time.monotonic() - began_s
    cpu_s = time.process_time() - cpu_s
    watch.kill()
    return {"told_at_s": told_at_s, "cpu": cpu_s / took_s, "lags_ms": lags_ms}


def _change(tx: Any, n: int) -> None:
    calls = tx.tables["calls"]
    here = (calls.c.tenant == "c0") & (calls.c.call == "call-0")
    tx.sql.execute(calls.update().where(here).values(caller_name=f"change-{n}"))


def _watch(lags_ms: list[float]) -> None:
    while True:
        before_s = time.monotonic()
        gevent.sleep(LOOK_S)
        lags_ms.append((time.monotonic() - before_s - LOOK_S) * 1000)


def look(port: int, cookies: list[str], last: int) -> None:
    """All pages: a line once they are open; when all have shown the `last` change, what each one showed when."""
    opened: list[int] = []
    pages = [gevent.spawn(_page, port, cookie, last, opened) for cookie in cookies]
    while len(opened) < len(pages):
        gevent.sleep(0.05)
    print("open", flush=True)
    gevent.joinall(pages, raise_error=True)
    print(json.dumps([page.value for page in pages]), flush=True)


def _page(port: int, cookie: str, last: int, opened: list[int]) -> list[tuple[int, float]]:
    """As live.js does it: a stream, and at each word of it the calls anew on a connection that stays."""
    stream, fetch = (http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(2))
    headers, shown = {"Cookie": f"toritsugi={cookie}"}, list[tuple[int, float]]()
    stream.request("GET", "/live", headers={**headers, "Accept": "text/event-stream"})
    news = stream.getresponse()
    news.readline()
    opened.append(news.status)
    while not shown or shown[-1][0] < last:
        line = news.readline()
        if not line:
            raise RuntimeError("the stream ended")
        if line.startswith(b"event:"):
            fetch.request("GET", "/live/calls", headers={**headers, **ASKED})
            answer = fetch.getresponse()
            if answer.status != 200:
                raise RuntimeError(f"the calls: {answer.status}")
            found = MARK.search(answer.read().decode())
            if found:
                shown.append((int(found[1]), time.monotonic()))
    return shown


if __name__ == "__main__":
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
    else:
        look(**json.loads(sys.argv[2]))
