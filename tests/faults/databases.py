"""The database is locked by somebody else, then dies, or stands still, while people call.

Enters: a site. Leaves: nothing; what came of it is judged by `fault.py`.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import gevent

from tests.faults.crowd import calling
from tests.faults.fault import POSTGRESQL, Fault, Size
from tests.faults.site import SERVICES, Site

_HOLD = """
import sqlite3, sys
held = [sqlite3.connect(path, isolation_level=None, timeout=60) for path in sys.argv[1:]]
for database in held:
    database.execute("BEGIN IMMEDIATE")
    database.execute("CREATE TABLE held_by_somebody (x)")
print("held", flush=True)
sys.stdin.read()
"""


def lock_database(site: Site, size: Size, dice: random.Random) -> None:
    """Every table of every service is locked for so long; then whoever holds the lock, or the server, is killed."""
    with calling(site, size.per_s, dice):
        gevent.sleep(1)
        with _locked_by_server(site) if site.postgres else _locked_by_process(site):
            gevent.sleep(size.for_s)
        gevent.sleep(1)


@contextmanager
def _locked_by_process(site: Site) -> Iterator[None]:
    """SQLite: a process with a half-written transaction on each file; killed at the end."""
    files = [str(path) for folder in {site.data(name) for name in SERVICES} for path in folder.glob("*.sqlite")]
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        holder.kill()
        holder.wait()


@contextmanager
def _locked_by_server(site: Site) -> Iterator[None]:
    """PostgreSQL: a transaction that holds every table; at the end the server is killed and started again."""
    server = site.postgres
    assert server is not None
    name = site.database.rpartition("/")[2]
    tables = server.ask(
        "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
        name,
    )
    connection = server.connect(name)
    connection.execute("BEGIN")
    for (table,) in tables:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
    try:
        yield
    finally:
        server.kill()
        connection.close()
        gevent.sleep(1)
        server.start()


def freeze_database(site: Site, size: Size, dice: random.Random) -> None:
    """SIGSTOP of the server and all its processes: connections stay open and nothing answers."""
    server = site.postgres
    assert server is not None
    with calling(site, size.per_s, dice):
        gevent.sleep(1)
        server.pause()
        try:
            gevent.sleep(size.for_s)
        finally:
            server.resume()
        gevent.sleep(1)


FAULTS = (
    Fault(
        "locked database",
        "every table is locked by somebody, who is then killed (PostgreSQL: the server is)",
        lock_database,
        of_store=True,
        small=Size(for_s=2, per_s=5),
        full=Size(for_s=10, per_s=20),
    ),
    Fault(
        "frozen database",
        "SIGSTOP of PostgreSQL while people call",
        freeze_database,
        of_store=True,
        stores=(POSTGRESQL,),
        small=Size(for_s=2, per_s=5),
        full=Size(for_s=60, per_s=20),
    ),
)
