"""What a caller or phone sent -> numbers and names that may be stored and shown. Pure.

Enters: an event as decoded. Leaves: clean values. All of it is hostile: numbers are digits or nothing, names lose what
cannot be printed, and of a withheld caller (RFC 3323, RFC 3325, TTC JJ-90.24) neither number nor name leaves here.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from proto.values import Party, Presentation
from services.eventsocket.frames import Event

NAME_LENGTH = 128
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_TOKEN = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_PHONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_URI_USER = re.compile(r"<sips?:([^@>;]{1,64})[@;>]")
_PRIVACY = re.compile(r"[;,\s]+")
_HIDING = frozenset({"id", "user", "full", "header", "critical"})
_WITHHELD = frozenset({"anonymous", "restricted", "private", "withheld", "unavailable", "unknown"})
_REASONS: dict[str, Presentation] = {
    "coin line/payphone": "payphone",
    "unavailable": "unavailable",
    "interaction with other service": "unavailable",
}
"""Display names by which Japanese carriers say why there is no number (非通知理由)."""


def text(event: Event, name: str) -> str:
    """One header as text; of a list its last item."""
    try:
        value = event[name]
    except KeyError:
        return ""
    return value if isinstance(value, str) else (value[-1] if value else "")


def variable(event: Event, name: str) -> str:
    """A channel variable, empty if it is not defined."""
    return defined(text(event, f"variable_{name}"))


def defined(value: str) -> str:
    """A variable's value; FreeSWITCH writes `_undef_` for an empty one."""
    return "" if value == "_undef_" else value


def number(raw: str) -> str:
    """Digits with an optional plus, or nothing."""
    return raw if _NUMBER.fullmatch(raw) else ""


@lru_cache(maxsize=1024)  # the same ids stand on every event of a call
def token(raw: str) -> str:
    """An id or keyword of our own making, or nothing: whatever else stands there is not ours."""
    return raw if _TOKEN.fullmatch(raw) else ""


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


def caller_of(event: Event) -> Party:
    """Who calls, as it may be shown. The profile's first values are taken: a transfer overwrites the later ones."""
    shown = text(event, "Caller-Orig-Caller-ID-Number") or text(event, "Caller-Caller-ID-Number")
    called = text(event, "Caller-Orig-Caller-ID-Name") or text(event, "Caller-Caller-ID-Name")
    display = " ".join(called.lower().split())
    privacy = variable(event, "sip_Privacy").lower()
    hidden = (
        text(event, "Caller-Privacy-Hide-Number").lower() == "true"
        or not _HIDING.isdisjoint(_PRIVACY.split(privacy) if privacy else ())
        or shown.strip().lower() in _WITHHELD
        or variable(event, "sip_from_user").strip().lower() in _WITHHELD
        or variable(event, "sip_from_host").lower() == "anonymous.invalid"
    )
    if hidden or (display in _REASONS and not number(shown)):
        return Party(presentation=_REASONS.get(display, "withheld"))
    clean = number(shown)
    label = name(called)
    return Party(number=clean, name="" if label in (shown, clean) else label)


def diverted_from(event: Event) -> str:
    """Who had forwarded the call to us: Diversion (RFC 5806), else the first entry of History-Info (RFC 7044)."""
    diversion = variable(event, "sip_h_Diversion")
    history = "" if diversion else variable(event, "sip_history_info").split(",")[0]
    if (not diversion and not history) or re.search(r"privacy=\"?(full|uri)", diversion, re.IGNORECASE):
        return ""
    found = _URI_USER.search(diversion or history)
    if found is None or "privacy" in history.lower():
        return ""
    return number(found.group(1))
