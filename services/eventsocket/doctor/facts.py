"""What the doctor knows before it judges: the switch, the machine, the configuration files. Pure values.

Enters: nothing; `ask.py`, `machine.py` and `conf_files.py` fill these. Leaves: fields with units in their names; None
means that it could not be looked at, never that it is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal
from xml.etree.ElementTree import Element

_OURS = re.compile(r"(^|/)([0-9]+_)?toritsugi[^/]*(/|$)")
Expansion = Literal["on", "off", "unclear"]


@dataclass(frozen=True)
class Profile:
    """A SIP profile that runs, as `sofia xmlstatus profile` tells of it."""

    name: str
    state: str = "RUNNING (0)"
    context: str = ""
    sip_ip: str = ""
    rtp_ip: str = ""
    ext_sip_ip: str = ""
    ext_rtp_ip: str = ""
    codecs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gateway:
    """A line to a carrier, as `sofia xmlstatus gateway` tells of it."""

    name: str
    state: str = "REGED"
    status: str = "UP"


@dataclass(frozen=True)
class Rights:
    """What the agent's log-in may do."""

    log_in: str = ""
    """Why it is refused; empty: it is not."""
    refused: tuple[str, ...] = ()
    """Commands that it may not send."""
    takes_subscription: bool = True


@dataclass(frozen=True)
class Switch:
    """What the switch says of itself over the Event Socket."""

    version: str = ""
    core: str = ""
    expansion: Expansion = "off"
    clock_offset_us: int | None = 0
    """Its clock minus ours."""
    modules: Mapping[str, bool] | None = None
    rights: Rights = Rights()
    variables: Mapping[str, str] = field(default_factory=dict)
    """Global variables; unset ones are empty."""
    profiles: tuple[Profile, ...] | None = None
    gateways: tuple[Gateway, ...] | None = None
    codecs: frozenset[str] | None = None
    streams: frozenset[str] | None = None
    max_sessions: int | None = None
    sessions_per_second: int | None = None
    stock_users: tuple[str, ...] | None = None
    """Demonstration users (1000 to 1019) whose password is the stock one."""

    @property
    def simulated(self) -> bool:
        """Whether it is the simulator."""
        return "simulated" in self.version


@dataclass(frozen=True)
class Listening:
    """A socket that waits for others."""

    kind: Literal["tcp", "udp"]
    address: str
    port: int


@dataclass(frozen=True)
class Process:
    """The switch's process on this machine."""

    pid: int
    uid: int
    groups: frozenset[int]
    limits: Mapping[str, int | None] = field(default_factory=dict)
    """Soft limits by the kernel's name; None: unlimited."""


@dataclass(frozen=True)
class Folder:
    """A folder as this process sees it."""

    path: str
    exists: bool
    uid: int = 0
    gid: int = 0
    mode: int = 0o750
    readable: bool = True
    """For whoever runs the doctor."""
    writable: bool = True
    free_bytes: int = 1 << 40
    own_file_system: bool = True
    """Not the one that `/` is on."""
    file_system: str = ""
    files: int = 0
    """Files directly in it, counted up to 100,000."""
    oldest_s: float = 0.0


@dataclass(frozen=True)
class Owned:
    """Whose a file is."""

    uid: int
    gid: int
    mode: int


@dataclass(frozen=True)
class Machine:
    """What the kernel says; the switch runs here."""

    process: Process | None = None
    listening: tuple[Listening, ...] = ()
    stalled: tuple[str, ...] = ()
    """Far ends of Event Socket connections whose bytes lie unread."""
    clock_synchronised: bool | None = None
    clock_source: str = ""
    local_ports: tuple[int, int] | None = None
    """What the kernel gives to sockets without a port of their own."""
    folders: Mapping[str, Folder] = field(default_factory=dict)
    """By use: `cdr`, `recordings`, `sounds`, `db`."""


@dataclass(frozen=True)
class Expected:
    """What the agent's settings say about the switch."""

    host: str = "127.0.0.1"
    port: int = 8021
    stock_password: bool = False
    """Whether the log-in was ClueCon."""
    cdr_dir: str | None = None
    """Where the agent looks for call records; empty: nowhere; None: not known."""
    sounds_dir: str = ""
    prompts: tuple[str, ...] = ()
    """Names of prompts that stand in `sounds_dir`."""


@dataclass(frozen=True)
class Facts:
    """Everything at once."""

    switch: Switch
    expected: Expected = Expected()
    machine: Machine | None = None
    """None: the switch runs elsewhere."""
    files: Mapping[str, str] | None = None
    """Text of each configuration file that the switch reads, by its path below the prefix; None: no folder found."""
    owners: Mapping[str, Owned] = field(default_factory=dict)
    """Whose each of these files is."""
    prefix: str = ""
    loaded: Mapping[str, Element] = field(default_factory=dict)
    """What the switch has loaded: `switch.conf`, …, `context:public`, …"""
    from_files: Mapping[str, Element] = field(default_factory=dict)
    """The same from the files, as the switch would read them now."""

    def own_files(self, *folders: str) -> Iterator[tuple[str, str]]:
        """Path and text of the operator's own files, those that Toritsugi does not place by name."""
        for path, text in sorted((self.files or {}).items()):
            if not _OURS.search(path) and (not folders or path.startswith(folders)):
                yield path, text

    def part(self, name: str) -> Element | None:
        """A piece of configuration: as loaded, else from the files."""
        found = self.loaded.get(name)
        return found if found is not None else self.from_files.get(name)

    def parameter(self, conf: str, name: str) -> str | None:
        """The last `<param name=…>` of a configuration's settings; None if it has none or is not known."""
        return parameters(self.part(conf)).get(name)


def shape(part: Element) -> list[tuple[str, tuple[tuple[str, str], ...], str]]:
    """A piece of configuration without what does not matter: blanks, comments, the order of attributes."""
    return [(one.tag, tuple(sorted(one.items())), (one.text or "").strip()) for one in part.iter()]


def parameters(part: Element | None) -> dict[str, str]:
    """Every `<param>` below, by name; the last of two wins, as in the switch."""
    if part is None:
        return {}
    return {one.get("name", ""): one.get("value", "") for one in part.iter("param")}
