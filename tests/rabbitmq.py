"""A RabbitMQ of the tests' own: Debian's broker as an ordinary process, in its own folder, ports and cookie.

Enters: nothing but the installed package `rabbitmq-server`. Leaves: the session fixture `broker`, with a fresh virtual
host per call of `url()`; it can be stopped, killed and started again. Nothing of it outlives the test process: the
broker and its epmd die with their parent (setpriv --pdeathsig) even if that is killed.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import trustme

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
SAMPLE = Path(__file__).parents[1] / "deploy" / "rabbitmq" / "rabbitmq.conf"
VHOSTS = 12
"""So many virtual hosts at a time: each costs a start of the broker 0.25 s, a call of rabbitmqctl 2 s."""
START_S, STOP_S = 180, 30
_MORTAL = ("setpriv", "--pdeathsig", "KILL", "--")
_CONFIG = """\
listeners.tcp.1 = 127.0.0.1:{port}
load_definitions = {definitions}
num_acceptors.tcp = 2
vm_memory_high_watermark.absolute = 600MB
disk_free_limit.absolute = 20MB
raft.wal_max_size_bytes = 33554432
listeners.ssl.1 = 127.0.0.1:{tls_port}
log.console = false
log.file.level = warning
"""


class Broker:
    """One broker. It answers on 127.0.0.1 only."""

    def __init__(self, base: Path, vhosts: int = VHOSTS) -> None:
        """`base` is an empty folder that it may fill; removing it is the caller's business."""
        self._base = base
        self._at_a_time = vhosts
        self._made = vhosts
        self._unused = [f"test{n}" for n in range(vhosts)]
        self._password = secrets.token_hex(8)
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self.port, self.tls_port, self._dist_port, self._epmd_port = free_ports(4)
        self.ca = trustme.CA()
        """Made for this broker alone: it signs the broker's certificate, which names `localhost`, and its clients'."""
        self._write_files()

    def _define(self, names: list[str]) -> Path:
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "users": [{"name": "tests", "password": self._password, "tags": "administrator"}],
            "vhosts": [{"name": name} for name in names],
            "permissions": [{"user": "tests", "vhost": name, **everything} for name in names],
        }
        file = self._base / "definitions.json"
        file.write_text(json.dumps(definitions))
        return file

    def _write_files(self) -> None:
        self._define(self._unused)
        self.ca.cert_pem.write_to_path(self._base / "ca.pem")
        own = self.ca.issue_cert("localhost")
        own.private_key_pem.write_to_path(self._base / "broker.key")
        own.cert_chain_pems[0].write_to_path(self._base / "broker.pem")
        config = _CONFIG.format(
            port=self.port, tls_port=self.tls_port, definitions=self._base / "definitions.json"
        ) + _tls_of_the_sample(self._base)
        (self._base / "rabbitmq.conf").write_text(config)
        (self._base / "enabled_plugins").write_text("[rabbitmq_consistent_hash_exchange].\n")
        cookie = self._base / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)

    def _environment(self) -> dict[str, str]:
        base = str(self._base)
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": base,
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"tests{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_CONFIG_FILE": f"{base}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{base}/none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{base}/enabled_plugins",
            "RABBITMQ_MNESIA_BASE": f"{base}/data",
            "RABBITMQ_LOG_BASE": f"{base}/log",
            "RABBITMQ_PID_FILE": f"{base}/pid",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{base}/config",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +SDio 2 +sbwt none +sbwtdcpu none +sbwtdio none"
            " -kernel inet_dist_use_interface {127,0,0,1}",
            "RUNNING_UNDER_SYSTEMD": "true",  # exec, so that the process we start is the broker itself
        }

    def url(self) -> str:
        """The address of a virtual host that nobody used before."""
        if not self._unused:
            self._unused = [f"test{n}" for n in range(self._made, self._made + self._at_a_time)]
            self._made += self._at_a_time
            self.control("import_definitions", str(self._define(self._unused)))
        return self.url_of(self._unused.pop(0))

    def url_of(self, vhost: str) -> str:
        """The address of a virtual host by name; one that does not exist is refused by the broker."""
        return f"amqp://tests:{self._password}@127.0.0.1:{self.port}/{vhost}"

    def tls_url(self, host: str = "localhost") -> str:
        """The same by TLS, where the broker asks for a certificate of `ca`."""
        return self.url().replace(
            f"amqp://tests:{self._password}@127.0.0.1:{self.port}",
            f"amqps://tests:{self._password}@{host}:{self.tls_port}",
        )

    def start(self) -> None:
        """Run it and wait until it speaks AMQP. Raises RuntimeError with the end of its log."""
        environment = self._environment()
        if self._epmd is None:
            self._epmd = _spawn(["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"], environment, None)
            _wait_until(lambda: _answers(self._epmd_port), 10, "epmd did not start")
        with (self._base / "output").open("ab") as output:
            self._server = _spawn([str(SERVER)], environment, output.fileno())
        deadline = time.monotonic() + START_S
        while not _speaks_amqp(self.port):
            if self._server.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"RabbitMQ did not start: {self._last_words()}")
            threading.Event().wait(0.1)

    def log(self) -> str:
        """What it has logged: warnings and errors."""
        return "\n".join(file.read_text(errors="replace") for file in sorted((self._base / "log").glob("*.log")))

    def _last_words(self) -> str:
        files = [self._base / "output", *(self._base / "log").glob("*.log")]
        return "\n".join(f.read_text(errors="replace")[-1500:] for f in files if f.exists())

    def stop(self) -> None:
        """Let it shut down in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._server is None:
            return
        self._server.send_signal(how)
        try:
            self._server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait(STOP_S)
        self._server = None

    def control(self, *arguments: str) -> str:
        """`rabbitmqctl`: its output. Takes a second or two."""
        command = [str(SERVER.with_name("rabbitmqctl")), *arguments]
        answer = subprocess.run(
            command, env=self._environment(), capture_output=True, text=True, timeout=60, check=True
        )
        return answer.stdout

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing answers."""
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End the freeze."""
        assert self._server is not None
        self._server.send_signal(signal.SIGCONT)

    def worked_s(self) -> float:
        """How long it has had a processor so far: on a busy machine less than the clock says."""
        assert self._server is not None
        times = psutil.Process(self._server.pid).cpu_times()
        return float(times.user + times.system)

    def restart(self) -> None:
        """Kill and start: what it confirmed must be there afterwards."""
        self.kill()
        self.start()

    def close(self) -> None:
        """Stop broker and epmd for good."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait(STOP_S)
            self._epmd = None


def _tls_of_the_sample(base: Path) -> str:
    """What the shipped configuration says of TLS, with files in `base`, and a certificate asked of everybody."""
    lines = [line for line in SAMPLE.read_text(encoding="utf-8").splitlines() if line.startswith("ssl_options.")]
    wanted = "\n".join(lines).replace("/etc/rabbitmq", str(base))
    return wanted.replace("fail_if_no_peer_cert = false", "fail_if_no_peer_cert = true") + "\n"


def _spawn(command: list[str], environment: dict[str, str], output: int | None) -> subprocess.Popen[bytes]:
    mortal = list(_MORTAL) if shutil.which(_MORTAL[0]) else []
    sink = subprocess.DEVNULL if output is None else output
    return subprocess.Popen(
        [*mortal, *command], env=environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
    )


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _speaks_amqp(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            connection.settimeout(2)
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


def _wait_until(condition, deadline_s: float, otherwise: str) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        threading.Event().wait(0.05)


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A running RabbitMQ for the whole test session; each test takes its own `broker.url()`."""
    if not SERVER.exists():
        if os.environ.get("CI"):
            raise RuntimeError("the package rabbitmq-server is not installed")
        pytest.skip("the package rabbitmq-server is not installed (tests/install-packages)")
    base = Path(tempfile.mkdtemp(prefix="toritsugi-rabbitmq-"))
    one = Broker(base)
    try:
        one.start()
        yield one
    finally:
        one.close()
        shutil.rmtree(base, ignore_errors=True)
