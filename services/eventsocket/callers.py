"""Who calls and who forwarded the call, as they may be stored and shown. Pure.

Enters: what an event says of it, hostile as it is. Leaves: clean values; of a withheld caller (RFC 3323, RFC 3325, TTC
JJ-90.24) neither number nor name leaves here. What makes a value clean stands in `parties.py`.
"""

from __future__ import annotations

import re

from proto.values import Party, Presentation
from services.eventsocket.frames import Event
from services.eventsocket.parties import defined, name, number, text
from services.eventsocket.said import Begun, Parked

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


def caller_of(said: Begun, event: Event) -> Party:
    """Who calls, as it may be shown. The profile's first values are taken: a transfer overwrites the later ones."""
    shown = said.caller_number or text(event, "Caller-Caller-ID-Number")
    called = said.caller_name or text(event, "Caller-Caller-ID-Name")
    display = " ".join(called.lower().split())
    hidden = (
        said.hide_number.lower() == "true"
        or not _HIDING.isdisjoint(_PRIVACY.split(said.privacy.lower()) if said.privacy else ())
        or shown.strip().lower() in _WITHHELD
        or said.from_user.strip().lower() in _WITHHELD
        or said.from_host.lower() == "anonymous.invalid"
    )
    if hidden or (display in _REASONS and not number(shown)):
        return Party(presentation=_REASONS.get(display, "withheld"))
    clean = number(shown)
    label = name(called)
    return Party(number=clean, name="" if label in (shown, clean) else label)


def diverted_from(said: Parked) -> str:
    """Who had forwarded the call to us: Diversion (RFC 5806), else the first entry of History-Info (RFC 7044)."""
    diversion = defined(said.diversion)
    history = "" if diversion else defined(said.history).split(",")[0]
    if (not diversion and not history) or re.search(r"privacy=\"?(full|uri)", diversion, re.IGNORECASE):
        return ""
    found = _URI_USER.search(diversion or history)
    if found is None or "privacy" in history.lower():
        return ""
    return number(found.group(1))
