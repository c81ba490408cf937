"""PURE What the pages of the audit log show.

Enters: entries, the names of clients. Leaves: page values; words in the visitor's language are put in by `web.py` and
the template.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from proto.values import PLATFORM_TENANT
from services.directory.audit.chain import Entry
from services.directory.days import in_japan


class Difference(msgspec.Struct, frozen=True):
    """One value that changed; an empty text where there was none."""

    name: str
    before: str
    after: str


class AuditLine(msgspec.Struct, frozen=True):
    """One line of the audit log."""

    seq: int
    at: str
    who: str
    what: str
    tenant: str
    client: str
    """Its name; empty: it concerns the platform."""
    about: str
    differences: tuple[Difference, ...]
    erased: bool


def audit_lines(entries: Iterable[Entry], clients: Mapping[str, str]) -> list[AuditLine]:
    """The audit log, in its order."""
    return [_audit_line(entry, clients) for entry in entries]


def _audit_line(entry: Entry, clients: Mapping[str, str]) -> AuditLine:
    platform = entry.tenant == PLATFORM_TENANT
    return AuditLine(
        entry.seq,
        f"{in_japan(entry.at_us):%Y-%m-%d %H:%M:%S}",
        entry.who,
        entry.what,
        entry.tenant,
        "" if platform else clients.get(entry.tenant, entry.tenant),
        entry.about or "",
        differences(entry.before, entry.after),
        entry.salt is None,
    )


def differences(before: str | None, after: str | None) -> tuple[Difference, ...]:
    """Which values differ; both are JSON objects or nothing."""
    old, new = _values(before), _values(after)
    names = list(dict.fromkeys([*old, *new]))
    told = [Difference(name, _text(old.get(name)), _text(new.get(name))) for name in names]
    return tuple(one for one in told if one.before != one.after)


def _values(text: str | None) -> dict[str, Any]:
    return msgspec.json.decode(text, type=dict[str, Any]) if text else {}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "✓" if value else "–"
    if isinstance(value, list):
        return ", ".join(_text(one) for one in value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
