"""Pages over very many calls beside the same pages over a few: the report in its forms, the first page, one call.

Enters: two empty databases of a kind. Leaves: bars: p95 of each page over `many` calls and over FEW. Calls are put into
the tables directly, half of them one client's; the pages are asked of the whole web application, in turn on either
store, so that a busy moment meets both. `python -m tests.bench.reports FEW_URL MANY_URL MANY TIMES` is a process of its
own and says the milliseconds of every page.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.bar import Bar, percentile
from tests.bench.house import Processes

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from services.runtime.store import Store

FEW, MANY, TIMES = 1_000, 1_000_000, 200
GOAL = 3.0
CLIENT, OTHERS = "c0", 40
YEAR_US = 365 * 24 * 3600 * 1_000_000
NEWEST_US = 1_795_237_500_000_000
LIVE = 20
"""Calls in progress."""
FILL = """
INSERT INTO calls (tenant, call, started_at_us, answered_at_us, ended_at_us, dialled, caller_number, caller_name,
  caller_presentation, direction, state, result, answered_by, answered_by_via, talk_ms, charge_incl, charge_excl,
  charges, recording, recorded_ms, placed_by, own_number, other_number, legs, estimated)
WITH RECURSIVE n(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})
SELECT CASE WHEN i % 2 = 0 THEN 'c0' ELSE 'c' || (i % {others}) END, 'call-' || i, t,
  CASE WHEN r < 7 THEN t + 9000000 END,
  CASE WHEN i < {live} THEN NULL ELSE t + 60000000 END, CASE WHEN outward THEN other ELSE own END,
  CASE WHEN outward THEN own ELSE other END, '山田 ' || (i % 5000), 'shown',
  CASE WHEN i >= {count} - 40 THEN 'emergency' WHEN outward THEN 'outbound' ELSE 'inbound' END,
  CASE WHEN i < {live} THEN 'talking' ELSE 'ended' END,
  CASE WHEN i < {live} THEN '' WHEN r < 7 THEN 'answered'
    WHEN i % 5003 = 7 THEN 'failed' WHEN r < 9 THEN 'missed' ELSE 'busy' END,
  CASE WHEN r < 7 AND NOT outward THEN CAST(1000 + i % 5 AS TEXT) ELSE '' END, 'phone',
  CASE WHEN r < 7 THEN 1000 * (i % 900) ELSE 0 END, '52.8', '0', 1, CASE WHEN i % 4 = 0 THEN 'stored' ELSE '' END,
  CASE WHEN i % 4 = 0 THEN 1000 * (i % 900) ELSE 0 END, CASE WHEN outward THEN CAST(1000 + i % 5 AS TEXT) ELSE '' END,
  own, other, 2, {no}
FROM (SELECT i, {newest} - i * {gap} AS t, (i * 7919) % 10 AS r, (i / 10) % 4 = 0 AS outward,
  '0312' || (100000 + (i / 2) % 5) AS own, '090' || (10000000 + (i * 104729) % 89999989) AS other FROM n) AS made
"""
PAGES: dict[str, Callable[[int, int], str]] = {
    "first page": lambda _n, _count: "/",
    "newest": lambda _n, _count: f"/report?client={CLIENT}",
    "newest of all clients": lambda _n, _count: "/report",
    "newest of 20 clients": lambda _n, _count: "/report?as=reseller",
    "far back": lambda n, count: (
        f"/report?client={CLIENT}&before={NEWEST_US - gap_us(count) * (count * 9 // 10 + n)}~c0~x"
    ),
    "some weeks far back": lambda n, _count: f"/report?client={CLIENT}&from=2026-02-{1 + n % 28:02}&to=2026-06-30",
    "missed": lambda _n, _count: f"/report?client={CLIENT}&result=missed",
    "emergency calls": lambda _n, _count: f"/report?client={CLIENT}&direction=emergency",
    "outbound, failed, long": lambda _n, _count: f"/report?client={CLIENT}&direction=outbound&result=failed&talk=600",
    "an extension": lambda n, _count: f"/report?client={CLIENT}&employee={1000 + n % 5}",
    "a whole number": lambda n, _count: f"/report?number=090{10000000 + (2 * n * 104729) % 89999989}",
    "a part of a number": lambda n, _count: f"/report?client={CLIENT}&number={10 + n % 90}",
    "an own number": lambda n, _count: f"/report?client={CLIENT}&own=0312{100000 + n % 5}",
    "one call": lambda n, _count: f"/calls/{CLIENT}/call-{2 * (n + LIVE)}",
}


def gap_us(count: int) -> int:
    """Between two calls, so that all of them fill a year."""
    return YEAR_US // count


def bars(processes: Processes, few: str, many: str, kind: str, count: int, times: int) -> list[Bar]:
    """`few` and `many`: empty databases of this kind."""
    process = processes.patched("tests.bench.reports", few, many, str(count), str(times))
    said: dict[str, list[list[float]]] = json.loads(processes.said(process))
    return [
        Bar(
            f"page over {count:,} calls, {kind}: {page}",
            percentile(large, 95),
            percentile(small, 95),
            f"over {FEW:,}",
            "ms p95",
            times,
            "lower",
            GOAL,
        )
        for page, (small, large) in said.items()
    ]


@contextmanager
def filled(url: str, count: int) -> Iterator[Store]:
    """History's store with so many calls."""
    from sqlalchemy import text

    from services.history import service
    from services.runtime.store import Store, Tx
    from services.runtime.store.engine import make_engine
    from services.runtime.web.live import Feed

    store = Store(url, service.build(Feed()).metadata)
    store.start()
    no = "0" if url.startswith("sqlite") else "false"

    def fill(tx: Tx) -> None:
        if tx.sql.dialect.name == "postgresql":
            take_time(tx.sql)
        indexes = sorted(tx.tables["calls"].indexes, key=str)
        for index in indexes:
            index.drop(tx.sql)
        tx.sql.execute(
            text(FILL.format(count=count, others=OTHERS, live=LIVE, newest=NEWEST_US, gap=gap_us(count), no=no))
        )
        for index in indexes:  # far quicker than row by row, and the same in the end
            index.create(tx.sql)

    store.run(fill)
    if not url.startswith("sqlite"):  # what the server does by itself within minutes
        with make_engine(url).connect().execution_options(isolation_level="AUTOCOMMIT") as sql:
            take_time(sql)
            sql.execute(text("VACUUM ANALYZE calls"))
    try:
        yield store
    finally:
        store.stop()


@contextmanager
def visitor(url: str, count: int) -> Iterator[Callable[[str], None]]:
    """A store with so many calls; asks a page as somebody who is logged in."""
    from proto.events import PersonChanged
    from services.history import web
    from services.runtime.web import create_app
    from services.runtime.web.live import Feed

    people = {
        "reader": PersonChanged(person="reader", name="r", role="platform_operator", tenants=(), session_version=1),
        "reseller": PersonChanged(
            person="reseller",
            name="r",
            role="reseller",
            tenants=tuple(f"c{n}" for n in range(20)),
            session_version=1,
        ),
    }
    with filled(url, count) as store, tempfile.TemporaryDirectory() as folder:
        feed = Feed()
        app = create_app([web.blueprint(store, feed)], key_file=Path(folder) / "key", people=people.get)
        clients: dict[str, Any] = {name: app.test_client() for name in people}
        for name, client in clients.items():
            with client.session_transaction() as session:
                session.update(person=name, role=people[name].role, version=1)

        def ask(path: str) -> None:
            feed.publish("changed", CLIENT)  # else the first page would be as another visitor had it a moment ago
            answer = clients["reseller" if "as=reseller" in path else "reader"].get(path)
            if answer.status_code != 200:
                raise RuntimeError(f"{path}: {answer.status}")

        yield ask


def take_time(sql: Connection) -> None:
    """To fill a table of a million rows takes PostgreSQL longer than any page may wait."""
    from sqlalchemy import text

    from services.runtime.store.postgresql import wait_for_ever

    wait_for_ever(sql)
    sql.execute(text("SET statement_timeout = 0"))


def measure(few: str, many: str, count: int, times: int) -> dict[str, list[list[float]]]:
    """Page -> milliseconds of each request, over few and over many."""
    found: dict[str, list[list[float]]] = {page: [[], []] for page in PAGES}
    with visitor(few, min(FEW, count)) as ask_few, visitor(many, count) as ask_many:
        for number in range(times + 5):
            for page, path in PAGES.items():
                for place, (ask, size) in enumerate(((ask_few, min(FEW, count)), (ask_many, count))):
                    began = time.perf_counter()
                    ask(path(number % 200, size))
                    if number >= 5:  # the first ones read files and fill caches
                        found[page][place].append((time.perf_counter() - began) * 1000)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))), flush=True)
