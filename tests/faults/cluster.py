"""Three RabbitMQ nodes in network namespaces of their own, one of which is cut off from the others and from us.

Enters: nothing but root's right to make namespaces. Leaves: a broker with one address (a balancer before the three),
whose queues have their leaders on the first node. Namespaces are removed by whoever keeps this run (`keeper.py`).
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import gevent

from tests.faults.crowd import calling
from tests.faults.fault import Fault, Size
from tests.faults.keeper import Keeper
from tests.faults.site import Site
from tests.faults.wires import Balancer
from tests.rabbitmq import SERVER, START_S

_NET, _PORT = "10.99.8", 5672
_CONFIG = """\
listeners.tcp.1 = {address}:5672
cluster_formation.peer_discovery_backend = classic_config
{peers}
cluster_partition_handling = pause_minority
vm_memory_high_watermark.absolute = 600MB
disk_free_limit.absolute = 20MB
raft.wal_max_size_bytes = 33554432
log.console = false
log.file.level = warning
"""


def may_be_made() -> bool:
    """Whether this user may make network namespaces."""
    if shutil.which("ip") is None:
        return False
    name = f"ttf-try-{os.getpid()}"
    made = _ip("netns", "add", name, check=False)
    _ip("netns", "del", name, check=False)
    return made


def _ip(*arguments: str, check: bool = True) -> bool:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr}")
    return done.returncode == 0


class Node:
    """One RabbitMQ on an address of its own."""

    def __init__(self, number: int, base: Path, cookie: str) -> None:
        self.address = f"{_NET}.{10 + number}"
        self._space, self._cable = f"ttf{number}", f"ttfv{number}"
        self._base = base
        base.mkdir()
        (base / ".erlang.cookie").write_text(cookie)
        (base / ".erlang.cookie").chmod(0o400)
        (base / "enabled_plugins").write_text("[rabbitmq_consistent_hash_exchange].\n")
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def name(self) -> str:
        """As the others know it."""
        return f"rabbit@{self.address}"

    def connect(self, bridge: str, keeper: Keeper) -> None:
        """A namespace with a cable to the bridge."""
        keeper.owe("ip", "netns", "del", self._space)
        keeper.owe("ip", "link", "del", self._cable)
        _ip("netns", "add", self._space)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self._space)
        _ip("link", "set", self._cable, "master", bridge, "up")
        inside = ("-n", self._space)
        _ip(*inside, "link", "set", "lo", "up")
        _ip(*inside, "addr", "add", f"{self.address}/24", "dev", "eth0")
        _ip(*inside, "link", "set", "eth0", "up")

    def cut(self) -> None:
        """Nothing comes through any more, and nobody is told."""
        _ip("link", "set", self._cable, "down")

    def mend(self) -> None:
        """As before."""
        _ip("link", "set", self._cable, "up")

    def start(self, peers: list[Node]) -> None:
        """Run; `peers`: all of the cluster."""
        lines = [f"cluster_formation.classic_config.nodes.{n} = {one.name}" for n, one in enumerate(peers, 1)]
        text = _CONFIG.format(address=self.address, peers="\n".join(lines))
        (self._base / "rabbitmq.conf").write_text(text)
        for command in (["epmd"], [str(SERVER)]):
            mortal = ["setpriv", "--pdeathsig", "KILL", "--", "ip", "netns", "exec", self._space, *command]
            with (self._base / "output").open("ab") as out:
                self._processes.append(
                    subprocess.Popen(mortal, env=self._environment(), stdout=out, stderr=out, start_new_session=True)
                )

    def _environment(self) -> dict[str, str]:
        base = str(self._base)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": base,
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_CONFIG_FILE": f"{base}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{base}/none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{base}/enabled_plugins",
            "RABBITMQ_MNESIA_BASE": f"{base}/data",
            "RABBITMQ_LOG_BASE": f"{base}/log",
            "RABBITMQ_PID_FILE": f"{base}/pid",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{base}/config",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +SDio 2 +sbwt none +sbwtdcpu none +sbwtdio none"
            " -kernel net_ticktime 12",
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def control(self, *arguments: str) -> str:
        """`rabbitmqctl` of this node; its output. Raises CalledProcessError."""
        command = ["ip", "netns", "exec", self._space, str(SERVER.with_name("rabbitmqctl")), "--longnames"]
        return subprocess.run(
            [*command, *arguments], env=self._environment(), capture_output=True, text=True, timeout=60, check=True
        ).stdout

    def await_peers(self, number: int) -> None:
        """Until so many nodes run, this one among them."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                said = json.loads(self.control("cluster_status", "--formatter", "json"))
            except (subprocess.SubprocessError, ValueError):
                said = {}
            if len(said.get("running_nodes", ())) >= number:
                return
            threading.Event().wait(0.5)
        raise RuntimeError(f"no cluster of {number}: {(self._base / 'output').read_text(errors='replace')[-1500:]}")

    def close(self) -> None:
        """Ends; its namespace is the keeper's business."""
        for process in reversed(self._processes):
            process.send_signal(signal.SIGKILL)
            process.wait()


class Cluster:
    """What a site takes for a broker."""

    def __init__(self, base: Path, keeper: Keeper) -> None:
        """`base` is an empty folder that it may fill."""
        self._bridge, self._keeper = "ttfbr", keeper
        cookie = secrets.token_hex(16)
        self._password = secrets.token_hex(8)
        self.nodes = [Node(number, base / str(number), cookie) for number in (1, 2, 3)]
        self._balancer: Balancer | None = None

    def start(self) -> None:
        """Returns when all three are one cluster."""
        self._keeper.owe("ip", "link", "del", self._bridge)
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{_NET}.1/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        for node in self.nodes:
            node.connect(self._bridge, self._keeper)
        first = self.nodes[0]
        for number, node in enumerate(self.nodes, 1):
            node.start(self.nodes)
            first.await_peers(number)
        first.control("add_user", "tests", self._password)
        first.control("set_user_tags", "tests", "administrator")
        first.control("set_permissions", "-p", "/", "tests", ".*", ".*", ".*")
        self._balancer = Balancer([(node.address, _PORT) for node in self.nodes])

    def url(self) -> str:
        """The address that leads to the first node that answers."""
        assert self._balancer is not None
        return f"amqp://tests:{self._password}@127.0.0.1:{self._balancer.port}/%2f"

    def leaders(self, asked: Node) -> set[str]:
        """Names of the nodes on which queues have their leaders, as this node knows it."""
        said = json.loads(asked.control("list_queues", "leader", "--formatter", "json"))
        return {one["leader"] for one in said}

    def close(self) -> None:
        """Everything ends."""
        if self._balancer is not None:
            self._balancer.stop()
        for node in self.nodes:
            node.close()


def cut_leader_off(site: Site, size: Size, dice: random.Random) -> None:
    """The node with all leaders is on no network while people call; then it comes back."""
    cluster = site.broker
    assert isinstance(cluster, Cluster)
    leader, other, _ = cluster.nodes
    assert cluster.leaders(leader) == {leader.name}, "everybody's connection led there when queues were declared"
    with calling(site, size.per_s, dice):
        leader.cut()
        gevent.sleep(size.for_s)
        assert leader.name not in cluster.leaders(other), "the two others have gone on"
        leader.mend()
        gevent.sleep(1)


CUT_LEADER = Fault(
    "leader cut off",
    "of three RabbitMQ nodes the one with all leaders is cut off from the others and from us",
    cut_leader_off,
    small=Size(for_s=40, per_s=3),
    full=Size(for_s=120, per_s=20),
    in_chaos=False,
    needs=lambda site: "" if isinstance(site.broker, Cluster) else "a cluster: network namespaces need root",
)
