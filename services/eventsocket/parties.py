"""What a caller or phone sent -> numbers and names that may be stored and shown. Pure.

Enters: an event as decoded. Leaves: clean values. All of it is hostile: numbers are digits or nothing, names lose what
cannot be printed. Who calls belongs to `callers.py`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from services.eventsocket.frames import Event

NAME_LENGTH = 128
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_TOKEN = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_PHONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
UNDEFINED = "_undef_"
"""What FreeSWITCH writes for an empty variable."""


def text(event: Event, name: str) -> str:
    """One header as text; of a list its last item."""
    try:
        value = event[name]
    except KeyError:
        return ""
    return value if isinstance(value, str) else (value[-1] if value else "")


def variable(event: Event, name: str) -> str:
    """A channel variable."""
    return defined(text(event, f"variable_{name}"))


def defined(value: str) -> str:
    """A variable's value, empty if it is not defined."""
    return "" if value == UNDEFINED else value


def number(raw: str) -> str:
    """Digits with an optional plus, or nothing."""
    return raw if _NUMBER.fullmatch(raw) else ""


@lru_cache(maxsize=1024)  # the same ids stand on every event of a call
def token(raw: str) -> str:
    """An id or keyword of our own making, or nothing: whatever else stands there is not ours."""
    return raw if _TOKEN.fullmatch(raw) and raw != UNDEFINED else ""


def phone_id(raw: str) -> str:
    """The id by which a device registers, or nothing."""
    return raw if _PHONE.fullmatch(raw) else ""


def name(raw: str) -> str:
    """Printable text in one line, at most 128 characters; direction marks and the like are taken out."""
    kept = raw[:2000]
    if not (kept.isascii() and kept.isprintable()):
        kept = "".join(" " if c.isspace() else c for c in kept if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join(kept.split())[:NAME_LENGTH]


def path(raw: str) -> str:
    """A file's path as the switch names it, without what could break a line."""
    return "".join(c for c in raw[:1024] if unicodedata.category(c)[0] not in "CZ" or c == " ")


def count(raw: str) -> int:
    """A whole number of at most 18 digits; 0 for anything else."""
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) <= 18 else 0
