"""What a process is told by whoever runs it: one YAML file and the environment -> frozen values.

Enters: a file, `TORITSUGI_…` variables (they win). Leaves: Settings, or exit code 2 and a line per mistake: file, line,
key, the value and what is allowed. Every scalar is read as text, so YAML guesses nothing. Passwords stand in the
environment or in files of their own (`password_file`, `bus_file`), never in the YAML; what lies open is warned about.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn
from urllib.parse import quote, urlsplit

import yaml

from services.runtime.settings_values import ESL_PASSWORD, ESL_PORT, SQLITE, BusTls, Settings, SwitchLink, Web

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
MAX_BYTES = 1 << 20

__all__ = [
    "ESL_PASSWORD",
    "SQLITE",
    "BusTls",
    "Settings",
    "SettingsError",
    "SwitchLink",
    "Web",
    "holds_password",
    "load",
    "load_or_exit",
]


class SettingsError(Exception):
    """One line per mistake."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True)
class _Key:
    parse: Callable[[str], Any]
    """Raises ValueError."""
    allowed: str
    hides: Literal["", "all", "login"] = ""
    """all: the value is never shown; login: a password in it is never shown, nor accepted in the YAML."""
    secret: bool = False
    """A file that holds a secret: it is warned about if everybody on the machine can read it."""


def _path(text: str) -> Path:
    if not text or "\x00" in text:
        raise ValueError
    return Path(text)


def _whole(low: int, high: int) -> _Key:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return _Key(parse, f"a whole number from {low} to {high}")


def _one_of(values: Mapping[str, Any]) -> _Key:
    def parse(text: str) -> Any:
        try:
            return values[text]
        except KeyError:
            raise ValueError from None

    return _Key(parse, "one of " + ", ".join(values))


def _matching(pattern: str, allowed: str, hides: Literal["", "all"] = "") -> _Key:
    def parse(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError
        return text

    return _Key(parse, allowed, hides)


def _bus(text: str) -> str:
    parts = urlsplit(text)
    if text != "embedded:" and (parts.scheme not in ("amqp", "amqps") or not parts.hostname or parts.port == 0):
        raise ValueError
    if "ssl_options" in parts.query:  # could switch verification off; `bus_tls` says what is trusted
        raise ValueError
    return text


def _database(text: str) -> str:
    parts = urlsplit(text)
    if text == SQLITE:
        return text
    if parts.scheme not in ("postgresql", "postgresql+psycopg") or parts.port == 0 or parts.fragment:
        raise ValueError
    if not re.fullmatch(r"/[A-Za-z0-9_.-]{1,63}", parts.path) or re.search(r"(^|&)(schema|password)=", parts.query):
        raise ValueError
    return "postgresql+psycopg" + text.removeprefix(parts.scheme)


def holds_password(text: str) -> bool:
    """Whether an address carries a password: `amqp://user:password@host`."""
    return re.search(r"//[^/]*:[^/]*@", text) is not None


_FOLDER = _Key(_path, "a folder")
_FILE = _Key(_path, "a file that holds nothing but the value", secret=True)
_PEM, _PEM_KEY = _Key(_path, "a PEM file"), _Key(_path, "a PEM file", secret=True)
_HOST = _matching(
    r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+", "a host name or address"
)
_PORT = _whole(1, 65535)
_PASSWORD = _matching(r"[^\r\n]{1,200}", "1 to 200 characters without a line break", "all")
_SWITCH: dict[str, _Key] = {
    "name": _matching(r"[a-z0-9][a-z0-9_-]{0,63}", "a-z 0-9 - _, at most 64"),
    "agent": _matching(r"[a-z0-9][a-z0-9-]{0,31}", "a-z 0-9 -, at most 32"),
    "host": _HOST,
    "port": _PORT,
    "password_file": _FILE,
    "recordings_dir": _FOLDER,
    "sounds_dir": _FOLDER,
    "srtp": _one_of({mode: mode for mode in ("optional", "mandatory")}),
    "phone_server": _matching(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?(:[0-9]{1,5})?", "host or host:port"),
    "newline_every_ms": _whole(0, 1000),
    "user": _matching(r"[A-Za-z0-9._-]{1,64}@[A-Za-z0-9.-]{1,253}", "id@domain of the switch's directory"),
    "conf_dir": _FOLDER,
    "credentials_file": _Key(_path, "a JSON file", secret=True),
    "cdr_dir": _FOLDER,
    "cdr_every_ms": _whole(100, 60_000),
    "cdr_keep_days": _whole(1, 3660),
}
_YES_OR_NO = _one_of({"true": True, "yes": True, "false": False, "no": False})
_TOP: dict[str, Any] = {
    "data_dir": _FOLDER,
    "bus": _Key(_bus, "`embedded:` or `amqp://host[:port]/…`", "login"),
    "bus_file": _FILE,
    "bus_password_file": _FILE,
    "bus_tls": {"ca_file": _PEM, "certificate_file": _PEM, "key_file": _PEM_KEY},
    "bus_declares": _YES_OR_NO,
    "database": _Key(_database, "`sqlite` or `postgresql://[user@]host[:port]/name`", "login"),
    "database_file": _FILE,
    "database_password_file": _FILE,
    "web": {
        "host": _HOST,
        "port": _whole(0, 65535),
        "https": _YES_OR_NO,
        "trusted_proxies": _whole(0, 9),
        "certificate_file": _PEM,
        "key_file": _PEM_KEY,
    },
    "session_key_file": _Key(_path, "a file; it is made if there is none"),
    "metrics_port": _whole(0, 65535),
    "partitions": _whole(1, 64),
    "log_level": _one_of({level: level for level in LEVELS}),
    "tenants_dir": _FOLDER,
    "switches": [_SWITCH],
    "allow_private_webhooks": _YES_OR_NO,
    "drain_s": _whole(1, 600),
}
_ESL = re.compile(
    r"(esl://)?((?P<name>[a-z0-9][a-z0-9_-]{0,63})=)?(:?(?P<password>[^@\r\n]*)@)?"
    r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?"
)


def load(path: Path | None, environ: Mapping[str, str], warn: Callable[[str], None] = lambda _: None) -> Settings:
    """The settings in `path` (None: defaults) and `environ`. Raises SettingsError with every mistake.

    `warn` is told what lies more open than it should: readable files of secrets, a network crossed without TLS.
    """
    reading = _Reading("" if path is None else str(path), environ)
    raw = {} if path is None else reading.mapping(reading.compose(path), _TOP, "")
    reading.overlay(raw, _TOP, "")
    reading.secret(raw, "bus", "TORITSUGI_BUS", _TOP["bus"])
    reading.secret(raw, "bus_password", "TORITSUGI_BUS_PASSWORD", _PASSWORD)
    reading.bus(raw)
    reading.secret(raw, "database", "TORITSUGI_DATABASE", _TOP["database"])
    reading.secret(raw, "database_password", "TORITSUGI_DATABASE_PASSWORD", _PASSWORD)
    reading.database(raw)
    switches = [reading.switch(entry, n) for n, entry in enumerate(raw.pop("switches", []))]
    switches = reading.named_by_esl(switches)
    names = [switch["name"] for switch in switches if "name" in switch]
    for name in sorted({name for name in names if names.count(name) > 1}):
        reading.mistake("switches", name, "every switch needs its own name")
    folders = [switch["cdr_dir"] for switch in switches if "cdr_dir" in switch]
    for folder in sorted({folder for folder in folders if folders.count(folder) > 1}):
        reading.mistake("switches", folder, "every switch needs a cdr_dir of its own")
    if reading.mistakes:
        raise SettingsError(reading.mistakes)
    for warning in reading.warnings:
        warn(warning)
    raw["web"] = Web(**raw.get("web", {}))
    raw["bus_tls"] = BusTls(**raw.get("bus_tls", {}))
    return Settings(**raw, switches=tuple(SwitchLink(**switch) for switch in switches))


def load_or_exit(path: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """As `load`; warnings and mistakes go to stderr, and with a mistake the process ends with 2."""
    try:
        return load(path, environ, lambda warning: print(f"toritsugi: warning: {warning}", file=sys.stderr))
    except SettingsError as error:
        _exit(error)


def _exit(error: SettingsError) -> NoReturn:
    for mistake in error.mistakes:
        print(mistake, file=sys.stderr)
    sys.exit(2)


@dataclass
class _Reading:
    """One reading of one file: remembers where each key stood, and collects mistakes instead of stopping at one."""

    file: str
    environ: Mapping[str, str]
    lines: dict[str, int] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def mistake(self, key: str, value: object, allowed: str, variable: str = "") -> None:
        place = f"environment: {variable}" if variable else f"{self.file}:{self.lines.get(key, 1)}: {key or '(file)'}"
        shown = "" if value is None else f"{str(value)[:80]!r}: "
        self.mistakes.append(f"{place}: {shown}{allowed}")

    def compose(self, path: Path) -> yaml.Node | None:
        """The file's nodes, unresolved. YAML's own mistakes have lines too."""
        try:
            raw = path.read_bytes()
            if len(raw) > MAX_BYTES:
                raise SettingsError([f"{path}:1: the file is larger than {MAX_BYTES} bytes"])
            return yaml.compose(raw, Loader=yaml.CSafeLoader)
        except OSError as error:
            raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from None
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise SettingsError([f"{path}:{line}: not YAML: {error.problem}"]) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise SettingsError([f"{path}:1: not YAML: {str(error).splitlines()[0]}"]) from None

    def mapping(self, node: yaml.Node | None, keys: Mapping[str, Any], inside: str) -> dict[str, Any]:
        """The known keys of a mapping; anything else is a mistake."""
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.mistake(inside, getattr(node, "value", None), f"keys are expected here: {', '.join(keys)}")
            return {}
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            name = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            place = f"{inside}.{name}" if inside else name
            self.lines[place] = key_node.start_mark.line + 1
            if name not in keys:
                self.mistake(place, None, f"{_secret_hint(name)}allowed are {', '.join(keys)}")
            elif name in found:
                self.mistake(place, None, "stands twice")
            else:
                found[name] = self._value(value_node, keys[name], place)
        return {name: value for name, value in found.items() if value is not None}

    def _value(self, node: yaml.Node, shape: Any, place: str) -> Any:
        if isinstance(shape, dict):
            return self.mapping(node, shape, place)
        if isinstance(shape, list):
            if not isinstance(node, yaml.SequenceNode):
                self.mistake(place, getattr(node, "value", None), "a list is expected here")
                return []
            for n, entry in enumerate(node.value):
                self.lines[f"{place}[{n}]"] = entry.start_mark.line + 1
            return [self.mapping(entry, shape[0], f"{place}[{n}]") for n, entry in enumerate(node.value)]
        if not isinstance(node, yaml.ScalarNode):
            self.mistake(place, None, f"one value is expected here: {shape.allowed}")
            return None
        if shape.hides == "login" and holds_password(node.value):
            variable = f"TORITSUGI_{place.upper()}"
            self.mistake(place, None, f"holds a password; give it as {variable} or in {place}_file")
            return None
        return self.parse(node.value, shape, place)

    def parse(self, text: str, shape: _Key, key: str, variable: str = "") -> Any:
        try:
            value = shape.parse(text)
        except ValueError:
            shown = None if shape.hides == "all" else re.sub(r"//.*@", "//…@", re.sub(r"(//.*\?).*", r"\1…", text))
            self.mistake(key, shown, f"allowed is {shape.allowed}", variable)
            return None
        if shape.secret and _open_to_all(value):
            self.warnings.append(f"{value}: everybody on this machine can read this secret; chmod o-rwx it")
        return value

    def overlay(self, raw: dict[str, Any], keys: Mapping[str, Any], inside: str) -> None:
        """`TORITSUGI_WEB_PORT` over `web.port`, and so on for every key outside lists."""
        for name, shape in keys.items():
            variable = f"TORITSUGI_{inside}{name}".upper()
            if isinstance(shape, dict):
                self.overlay(raw.setdefault(name, {}), shape, f"{inside}{name}_")
            elif isinstance(shape, _Key) and not shape.hides and variable in self.environ:
                raw[name] = self.parse(self.environ[variable], shape, name, variable)

    def secret(self, raw: dict[str, Any], name: str, variable: str, shape: _Key, place: str = "") -> None:
        """`name` from its variable, else from the file that `name_file` names."""
        file: Path | None = raw.pop(f"{name}_file", None)
        if file is not None and name in raw:
            self.mistake(f"{place}{name}_file", file, f"only one of {name} and {name}_file can hold")
        if variable in self.environ:
            raw[name] = self.parse(self.environ[variable], shape, place + name, variable)
        elif file is not None:
            key = f"{place}{name}_file"
            try:
                text = file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                self.mistake(key, file, "the file cannot be read")
                return
            try:
                raw[name] = shape.parse(text)
            except ValueError:
                self.mistake(key, file, f"what the file holds is not {shape.allowed}")

    def bus(self, raw: dict[str, Any]) -> None:
        """A user needs a password, and on a network both need TLS."""
        self.with_password(raw, "bus", "amqps://user@host/vhost")
        parts = urlsplit(raw.get("bus") or "embedded:")
        if parts.username is not None and parts.password is None:
            self.mistake("bus", None, "names a user without a password: bus_password_file or TORITSUGI_BUS_PASSWORD")
        if parts.scheme == "amqp" and not _is_here(parts.hostname or ""):
            text = "calls and the password cross the network in the clear; amqps:// encrypts them"
            self.warnings.append(f"bus: amqp://{parts.hostname}: {text}")

    def database(self, raw: dict[str, Any]) -> None:
        """A user may have no password here (a socket, libpq's PGPASSFILE); on a network it needs TLS."""
        self.with_password(raw, "database", "postgresql://user@host/name")
        parts = urlsplit(raw.get("database") or SQLITE)
        if parts.hostname and not _is_here(parts.hostname) and "sslmode=verify-full" not in parts.query:
            text = "calls cross the network unprotected; ?sslmode=verify-full&sslrootcert=FILE encrypts and proves them"
            self.warnings.append(f"database: postgresql://{parts.hostname}: {text}")

    def with_password(self, raw: dict[str, Any], name: str, example: str) -> None:
        """A password that stands alone into the address it belongs to."""
        parts, password = urlsplit(raw.get(name) or ""), raw.pop(f"{name}_password", None)
        if password is None:
            return
        if parts.username is None or parts.password is not None:
            wanted = "names a user and no password" if parts.username is None else "holds a password already"
            self.mistake(f"{name}_password_file", None, f"belongs to a {name} that {wanted}: {example}")
            return
        login = f"{parts.username}:{quote(password, safe='')}@"
        raw[name] = parts._replace(netloc=login + parts.netloc.rpartition("@")[2]).geturl()

    def switch(self, entry: dict[str, Any], number: int) -> dict[str, Any]:
        """One entry of `switches`, with its password."""
        place = f"switches[{number}]"
        if "name" not in entry:
            if f"{place}.name" not in self.lines:  # else it stands there and is wrong, which has been said
                self.lines[f"{place}.name"] = self.lines[place]
                self.mistake(f"{place}.name", None, f"is missing: {_SWITCH['name'].allowed}")
            return entry
        variable = f"TORITSUGI_SWITCH_{entry['name'].upper().replace('-', '_')}_PASSWORD"
        self.secret(entry, "password", variable, _PASSWORD, f"{place}.")
        return entry

    def named_by_esl(self, switches: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """`TORITSUGI_ESL=[name=][password@]host[:port]` puts one real switch in the place of all."""
        text = self.environ.get("TORITSUGI_ESL", "")
        if not text:
            return switches
        match = _ESL.fullmatch(text)
        port = int((match and match["port"]) or ESL_PORT)
        if match is None or not 1 <= port <= 65535:
            self.mistake("", None, "allowed is `[name=][password@]host[:port]`", "TORITSUGI_ESL")
            return switches
        first = switches[0] if switches else {"name": "fs1"}
        password = self.environ.get("TORITSUGI_ESL_PASSWORD") or match["password"] or first.get("password")
        where = {"host": match["host"].strip("[]"), "port": port, "password": password or ESL_PASSWORD}
        named = {"name": match["name"]} if match["name"] else {}
        if "TORITSUGI_ESL_USER" in self.environ:
            named["user"] = self.parse(self.environ["TORITSUGI_ESL_USER"], _SWITCH["user"], "", "TORITSUGI_ESL_USER")
        return [first | where | named]


def _open_to_all(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _is_here(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _secret_hint(name: str) -> str:
    if name == "password":
        return "a password must not stand in this file (use password_file or TORITSUGI_SWITCH_<NAME>_PASSWORD); "
    if name.endswith("password"):
        return f"a password must not stand in this file (use {name}_file or TORITSUGI_{name.upper()}); "
    return "is not known; "
