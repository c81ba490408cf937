"""Reads the configuration folder of a switch.

Enters: a prefix such as /etc/freeswitch. Leaves: the text of its XML files by path, and the pieces that the switch
would make of them; files that cannot be read are left out. What the text means belongs to `conf_text.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from services.eventsocket.doctor.conf_text import expand, pieces, reached

MOST_FILES = 20_000
MOST_BYTES = 4 << 20
"""A rendered file of many numbers is larger; what people write is not."""


def read(prefix: Path) -> dict[str, str] | None:
    """Text by path below the prefix of what the switch reads; None if this is no FreeSWITCH folder or unreadable."""
    if not (prefix / "freeswitch.xml").is_file():
        return None
    found: dict[str, str] = {}
    for path in sorted(prefix.rglob("*.xml"))[:MOST_FILES]:
        try:
            if path.stat().st_size <= MOST_BYTES:
                found[str(path.relative_to(prefix))] = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
    read_by_it = reached(found)
    return {path: text for path, text in found.items() if path in read_by_it} or None


def understood(files: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, Element]:
    """The pieces as the switch would read them now; none where the whole is broken (which is a finding of its own)."""
    try:
        return pieces(expand(files, dict(variables)))
    except ElementTree.ParseError:
        return {}
