"""A PostgreSQL of the tests' own: Debian's server as an ordinary process, in its own folder and on its own port.

Enters: nothing but the installed package `postgresql`. Leaves: the session fixture `postgres`, with an empty database
per call of `url()`; it can be stopped, killed, frozen and started again. Nothing of it outlives the test process: the
server ends with its parent (setpriv --pdeathsig) even if that is killed. It refuses to run as root: started by root it
becomes the user of its package.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import trustme

from tests.rabbitmq import free_ports

VERSIONS = Path("/usr/lib/postgresql")
USERS = ("postgres", "nobody")
START_S, STOP_S = 60, 30
_CONFIG = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
fsync = {fsync}
full_page_writes = {fsync}
shared_buffers = 32MB
max_connections = 60
autovacuum = off
max_wal_size = 256MB
log_line_prefix = '%m [%p] %q%a '
timezone = 'UTC'
"""


def installed() -> Path | None:
    """The folder of the newest installed server's programs."""
    found = sorted(VERSIONS.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class Postgres:
    """One server. It answers on 127.0.0.1 only, to one user with a password."""

    def __init__(self, base: Path, *, fsync: bool = False) -> None:
        """`base` is an empty folder that it may fill; removing it is the caller's business.

        Without `fsync` a commit survives the death of every process, but no power cut: what a test may ask for. With it
        commits take as long as on a real server: what a comparison of speeds must ask for.
        """
        programs = installed()
        assert programs is not None
        self._programs = programs
        self._base = base
        self._data = base / "data"
        self._password = secrets.token_hex(8)
        self._server: subprocess.Popen[bytes] | None = None
        self._made = 0
        self._clean: list[str] = []
        (self.port,) = free_ports(1)
        self._become = self._give_away(base)
        self._make_cluster(fsync)

    def _give_away(self, base: Path) -> list[str]:
        """How to run a program as somebody who is not root, who then owns the folder."""
        if os.geteuid() != 0:
            return []
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        user = next(known[name] for name in USERS if name in known)
        os.chown(base, user.pw_uid, user.pw_gid)
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]

    def _make_cluster(self, fsync: bool) -> None:
        password = self._base / "password"
        password.write_text(self._password)
        password.chmod(0o644)  # in a folder that nobody else may enter
        self._program(
            "initdb", "--no-sync", "-U", "tests", "-A", "scram-sha-256", "--pwfile", str(password),
            "-E", "UTF8", "--locale=C.UTF-8", "-D", str(self._data),
        )  # fmt: skip
        with (self._data / "postgresql.conf").open("a") as config:
            config.write(_CONFIG.format(port=self.port, fsync="on" if fsync else "off"))

    def _program(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._become, str(self._programs / name), *arguments],
            cwd=self._base, env=self._environment(), capture_output=True, text=True, timeout=START_S, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{name} failed: {done.stdout[-500:]} {done.stderr[-1500:]}")

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "HOME": str(self._base)}

    def url(self) -> str:
        """The address of a database in which nothing stands."""
        if self._clean:
            return self.url_of(self._clean.pop())
        self._made += 1
        name = f"test{self._made}"
        self.ask(f"CREATE DATABASE {name}")
        return self.url_of(name)

    def give_back(self, database: str) -> None:
        """It may be used again: whoever is still connected is cut off, and all that stands in it goes.

        To make a database takes twenty times as long as to empty one.
        """
        self.cut_off(database)
        ours = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        for (schema,) in self.ask(ours, database):
            self.ask(f'DROP SCHEMA "{schema}" CASCADE', database)
        self.ask("CREATE SCHEMA public", database)
        self._clean.append(database)

    def cut_off(self, database: str) -> None:
        """End every connection to a database, as an administrator may."""
        self.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")

    def url_of(self, database: str) -> str:
        """The address of a database by name."""
        return f"postgresql+psycopg://tests:{self._password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A connection beside the one under test, each statement a transaction of its own."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="tests", password=self._password, dbname=database, autocommit=True
        )

    def ask(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """One statement on a connection of its own; its rows."""
        with self.connect(database) as connection:
            answer = connection.execute(statement)  # type: ignore[arg-type]
            return answer.fetchall() if answer.description else []

    @contextmanager
    def tls(self, ca: trustme.CA) -> Iterator[None]:
        """New connections may speak TLS: it shows a certificate of `ca` that names `localhost`."""
        own = ca.issue_cert("localhost")
        files = {"ssl_cert_file": own.cert_chain_pems[0], "ssl_key_file": own.private_key_pem}
        owner = self._data.stat()
        for setting, pem in files.items():
            file = self._data / setting
            file.touch(0o600)
            pem.write_to_path(file)
            os.chown(file, owner.st_uid, owner.st_gid)
            self.ask(f"ALTER SYSTEM SET {setting} = '{setting}'")
        self._set_tls("on")
        try:
            yield
        finally:
            self._set_tls("off")

    def _set_tls(self, wanted: str) -> None:
        self.ask(f"ALTER SYSTEM SET ssl = {wanted}")
        deadline = time.monotonic() + START_S
        while self.ask("SHOW ssl") != [(wanted,)]:
            assert time.monotonic() < deadline, self.log()[-1500:]
            self.ask("SELECT pg_reload_conf()")

    def start(self) -> None:
        """Run it and wait until it takes connections. Raises RuntimeError with the end of its log."""
        # QUIT, not KILL: it then removes its shared memory.
        command = ["setpriv", "--pdeathsig", "QUIT", "--", str(self._programs / "postgres"), "-D", str(self._data)]
        with (self._base / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [*self._become, *command],
                cwd=self._base,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"PostgreSQL did not start: {self.log()[-1500:]}")
            threading.Event().wait(0.05)

    def _answers(self) -> bool:
        try:
            self.ask("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def log(self) -> str:
        """What it wrote."""
        return (self._base / "log").read_text(errors="replace")

    def stop(self) -> None:
        """Shut down in order, cutting off whoever is connected ("fast")."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it and each of its processes as a power cut would, except that what it wrote stays written."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._end(signal.SIGKILL)

    def _processes(self) -> list[psutil.Process]:
        """The server and its children."""
        if self._server is None or self._server.poll() is not None:
            return []
        server = psutil.Process(self._server.pid)
        return [server, *server.children(recursive=True)]

    def _end(self, how: signal.Signals) -> None:
        if self._server is None:
            return
        children = self._processes()[1:]
        self._server.send_signal(how)
        try:
            self._server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait(STOP_S)
        psutil.wait_procs(children, timeout=STOP_S)
        self._server = None

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing answers."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """End the freeze."""
        for process in self._processes():
            process.resume()

    def restart(self) -> None:
        """Kill and start: what it committed must be there afterwards."""
        self.kill()
        self.start()

    def close(self) -> None:
        """Stop for good."""
        self._end(signal.SIGQUIT)


def available() -> bool:
    """Whether the package is there; where the tests must be complete its absence is an error."""
    if installed() is None and os.environ.get("CI"):
        raise RuntimeError("the package postgresql is not installed")
    return installed() is not None


@contextmanager
def running(*, fsync: bool = False) -> Iterator[Postgres]:
    """A server for as long as the block lasts, in a folder of its own."""
    if not available():
        pytest.skip("the package postgresql is not installed (tests/install-packages)")
    base = Path(tempfile.mkdtemp(prefix="toritsugi-postgres-"))
    one: Postgres | None = None
    try:
        one = Postgres(base, fsync=fsync)
        one.start()
        yield one
    finally:
        if one is not None:
            one.close()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL for the whole test session; each test takes its own `postgres.url()`."""
    with running() as one:
        yield one
