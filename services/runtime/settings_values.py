"""What the settings of a process are, as frozen values with their defaults.

Enters: nothing. Leaves: the shapes that `settings.py` fills from a file and the environment. How a value is written,
checked and named when it is wrong belongs there.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

ESL_PORT = 8021
ESL_PASSWORD = "ClueCon"  # noqa: S105  (FreeSWITCH ships with it: conf/vanilla/autoload_configs/event_socket.conf.xml)


SQLITE = "sqlite"


class Web(msgspec.Struct, frozen=True):
    """Where the pages are served."""

    host: str = "127.0.0.1"
    port: int = 8080
    https: bool = False
    """Whether people reach them by https (a web server in front speaks TLS): cookies are then never sent without."""
    trusted_proxies: int = 0
    """How many web servers in front add to X-Forwarded-For and set X-Forwarded-Proto; without one both are ignored."""
    certificate_file: Path | None = None
    """The chain with which this process itself speaks TLS; None: plain HTTP, for a web server in front."""
    key_file: Path | None = None
    """Its key; None: it stands in `certificate_file`."""


class BusTls(msgspec.Struct, frozen=True):
    """What an `amqps:` bus trusts and shows. The broker's certificate must always be valid and name its host."""

    ca_file: Path | None = None
    """None: the system's certificates."""
    certificate_file: Path | None = None
    key_file: Path | None = None


class SwitchLink(msgspec.Struct, frozen=True, kw_only=True):
    """A FreeSWITCH and how its agent reaches it. Without a password its agent cannot start; others need none."""

    name: str
    agent: str = ""
    """Which of several agents of this switch, each with a data_dir of its own; empty: the only one, or the first."""
    host: str = "127.0.0.1"
    port: int = ESL_PORT
    password: str = ""
    recordings_dir: Path = Path("/var/lib/freeswitch/recordings")
    sounds_dir: Path | None = None
    """Folder of prompts; None: tones in their place."""
    srtp: str = ""
    """`optional` or `mandatory`: how phones are dialled; empty: with plain voice."""
    phone_server: str = ""
    """host or host:port that phones are given as their server; empty: their domain, 5060, or 5061 (TLS) with `srtp`."""
    newline_every_ms: int = 2
    """While a call is up, wake the switch's Event Socket so often: events come after 1.6 instead of 10 ms; 0: never."""
    cdr_dir: Path | None = None
    """Where mod_json_cdr writes (log-dir); None: its call records are not read."""
    cdr_every_ms: int = 1000
    """So often the folder is looked through."""
    cdr_keep_days: int = 90
    """Call records that were read are erased after so many days."""
    user: str = ""
    """`id@domain` in the switch's directory to log in as (userauth, fewer rights); empty: with the one password."""
    conf_dir: Path | None = None
    """FreeSWITCH's own conf_dir, in whose toritsugi/agent the agent writes phones, carriers and fallbacks; None: it
    writes nothing, and a call that nobody decides about hears an apology."""
    credentials_file: Path | None = None
    """Passwords of phones and carriers, JSON; without it no phone and no carrier is written."""

    def __repr__(self) -> str:
        return f"SwitchLink(name={self.name!r}, host={self.host!r}, port={self.port})"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a process is told. Relative folders are relative to where it was started."""

    data_dir: Path = Path("data")
    bus: str = "embedded:"
    """`embedded:` or `amqp[s]://…`."""
    bus_tls: BusTls = BusTls()
    bus_declares: bool = True
    """Whether this process makes the exchanges and queues that are missing; no: they are given, and its user may make
    none (`toritsugi bus definitions`)."""
    database: str = SQLITE
    """`sqlite`, a file per service in `data_dir`, or `postgresql+psycopg://…/name`, a schema per service in it."""
    web: Web = Web()
    session_key_file: Path | None = None
    """Signs session cookies: the same file for every process that serves pages. None: `session.key` in `data_dir`."""
    metrics_port: int | None = None
    """Where 127.0.0.1 serves /metrics; None: nowhere."""
    partitions: int = 1
    log_level: str = "INFO"
    tenants_dir: Path = Path("deploy/tenants")
    switches: tuple[SwitchLink, ...] = ()
    """Empty: the simulator."""
    allow_private_webhooks: bool = False
    drain_s: float = 15.0
    """How long a stopping process may take to finish what it has begun."""

    def __repr__(self) -> str:
        return f"Settings(data_dir={str(self.data_dir)!r}, switches={self.switches!r}, …)"
