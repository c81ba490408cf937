"""Reads the configuration folder of a switch.

Enters: a prefix such as /etc/freeswitch. Leaves: the text of its XML files by path, and the pieces that the switch
would make of them; files that cannot be read are left out. What the text means belongs to `conf_text.py`.
"""

from __future__ import annotations

import glob
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from services.eventsocket.doctor.conf_text import expand, includes, pieces
from services.eventsocket.doctor.facts import Owned

SECRETS = "toritsugi/secrets.xml"
LAST_PORT = 65_535
MOST_FILES = 20_000
MOST_BYTES = 4 << 20
"""A rendered file of many numbers is larger; what people write is not."""


def read(prefix: Path, start: str = "freeswitch.xml") -> dict[str, str] | None:
    """Text by path below the prefix of what the switch reads, beginning in `start`; None if nothing can be read.

    Other files lie in such a folder by the hundred thousand (a fallback per number) and are not looked at.
    """
    found: dict[str, str] = {}
    waiting = [start]
    while waiting and len(found) < MOST_FILES:
        path = waiting.pop()
        if path in found:
            continue
        try:
            info = (prefix / path).stat()
            if stat.S_ISREG(info.st_mode) and info.st_size <= MOST_BYTES:  # a pipe would keep us waiting
                found[path] = (prefix / path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for pattern in includes(path, found.get(path, "")):
            if not pattern.startswith(("/", "..")) and "\0" not in pattern:
                waiting += glob.glob(pattern, root_dir=prefix)  # noqa: PTH207  (glob(3), as the switch has it)
    return found or None


@dataclass(frozen=True)
class LogIn:
    """What a folder of ours says about its Event Socket."""

    port: int
    operators: str = field(repr=False)
    """The password that may ask everything."""
    agents: str = field(repr=False)


def log_in(prefix: Path) -> LogIn | None:
    """From toritsugi/secrets.xml and the port that the files set; None where they are not there or not readable."""
    files = read(prefix)
    if files is None or SECRETS not in files:
        return None
    passwords: dict[str, str] = {}
    expand({SECRETS: files[SECRETS]}, passwords, SECRETS)
    everything: dict[str, str] = {}
    expand(files, everything)
    operators, agents = passwords.get("tt_event_socket_password"), passwords.get("tt_agent_password")
    port = everything.get("tt_event_socket_port", "8021")
    if not operators or not agents or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > LAST_PORT:
        return None
    return LogIn(int(port), operators, agents)


def owners(prefix: Path, paths: Iterable[str]) -> dict[str, Owned]:
    """Whose these files below the prefix are."""
    found = {}
    for path in paths:
        try:
            info = (prefix / path).stat()
        except OSError:
            continue  # the agent replaces its files while we look
        found[path] = Owned(info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode))
    return found


def understood(files: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, Element]:
    """The pieces as the switch would read them now; none where the whole is broken (which is a finding of its own)."""
    try:
        return pieces(expand(files, dict(variables)))
    except ElementTree.ParseError:
        return {}
