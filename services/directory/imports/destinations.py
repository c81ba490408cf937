"""PURE Where a client's numbers lead: rows of numbers -> numbers and routes of its file, so that every call rings.

Enters: a draft with its lines, rows of numbers, the pools of the platform. Leaves: the same draft with numbers and
routes. A row that names no destination rings everyone and then takes a message; outside of the hours the announcement
comes first. Rules are as `proto/tenant/routes.py` has them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

from proto.tenant.routes import Rule
from services.directory.imports.clients import OFFICE, Draft, alike
from services.directory.imports.model import Record
from services.directory.imports.values import ANNOUNCEMENT, EVERYONE, VOICEMAIL

RING_S = 30
ALL_LINES = "everyone"
"""The group of all lines, where a client has several."""
_OWN = ("kind", "channels", "mode", "id")


class _Nowhere(Exception):
    """Why a destination leads nowhere, as a note."""

    def __init__(self, ja: str, en: str, allowed: str = "") -> None:
        super().__init__(en)
        self.ja, self.en, self.allowed = ja, en, allowed


def add_numbers(draft: Draft, records: Iterable[Record], pools: Collection[str]) -> None:
    """The client's numbers, each with its route or device."""
    for record in records:
        entry = _entry(draft, record)
        numbers: list[Any] = draft.plain.setdefault("numbers", [])
        known = next(
            (one for one in (draft.standing or {}).get("numbers", ()) if one["number"] == entry["number"]), None
        )
        if known is not None:
            _compare(draft, record, known, entry, pools)
            continue
        at = len(numbers)
        numbers.append(entry)
        draft.came(("numbers",), record, "number")
        draft.came(("numbers", at), record, "number")
        for key in _OWN:
            draft.came(("numbers", at, key), record, key)
        if entry.get("kind") == "direct":
            for key in ("to", "closed_to", "for_s"):
                if key in record.values:
                    say = (
                        "は直通番号では使いません。端末が鳴ります",
                        "means nothing for a direct number: its device rings",
                    )
                    draft.notes.append(record.error(key, say))
            continue
        rules = _rules(draft, record, pools)
        if rules is not None:
            entry["route"] = _route(draft, rules, entry["number"])
            draft.came(("numbers", at, "route"), record, "to")
            draft.came(("routes", entry["route"]), record, "to")


def _entry(draft: Draft, record: Record) -> dict[str, Any]:
    """The number itself. Where the kind is left out a device says direct; phones say representative, nothing leased."""
    given = record.values
    usual = "direct" if "id" in given else "representative" if draft.plain.get("ids") else "leased"
    entry = {"number": given["number"], "kind": given.get("kind", usual)}
    if entry["kind"] == "leased":
        entry["mode"] = given.get("mode", "published")
    entry |= {key: given[key] for key in ("mode", "channels", "id") if key in given}
    return entry


def _compare(
    draft: Draft, record: Record, known: dict[str, Any], entry: dict[str, Any], pools: Collection[str]
) -> None:
    """A number that stands already: every cell must say what stands."""
    meant = {"kind": "representative", "channels": 1}
    for key in _OWN:
        if key in record.values and known.get(key, meant.get(key)) != entry[key]:
            draft.differs(record, key, known.get(key, meant.get(key, "")))
    said = [key for key in ("to", "closed_to", "for_s") if key in record.values]
    if said and known.get("kind") != "direct":
        rules = _rules(draft, record, pools)
        stands = draft.plain.get("routes", {}).get(known.get("route", ""))
        if rules is not None and not alike(tuple[Rule, ...], stands, rules):
            draft.differs(record, said[0], known.get("route") or "-")


def _rules(draft: Draft, record: Record, pools: Collection[str]) -> list[dict[str, Any]] | None:
    """The route's rules; None if a cell of them is wrong."""
    hours = list(draft.plain.get("hours", {}))
    given, for_s = record.values, record.values.get("for_s", RING_S)
    steps: dict[str, list[dict[str, Any]]] = {}
    for key in ("to", "closed_to"):
        try:
            steps[key] = _steps(draft, given.get(key, EVERYONE if key == "to" else ""), for_s, pools)
        except _Nowhere as nowhere:
            if not draft.unread:
                draft.notes.append(record.error(key, (nowhere.ja, nowhere.en), nowhere.allowed))
            return None
    if not hours:
        if "closed_to" not in given:
            return [{"do": steps["to"]}]
        say = ("を使うには、顧客のシートに営業時間が必要です", "needs business hours in the sheet of clients")
        draft.notes.append(record.error("closed_to", say))
        return None
    name = hours[0] if len(hours) == 1 else OFFICE
    closed = steps["closed_to"] if "closed_to" in given else _closed(steps["to"])
    return [{"when": {"hours": name}, "do": steps["to"]}, {"do": closed}]


def _closed(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outside of the hours: the announcement, and a message where one is taken inside."""
    return [{"play": "closed"}, *(step for step in steps if "voicemail" in step)]


def _steps(draft: Draft, to: str, for_s: int, pools: Collection[str]) -> list[dict[str, Any]]:
    """What a caller meets. Raises _Nowhere."""
    plain = draft.plain
    lines = [one["line"] for one in plain.get("lines", ())]
    inside = [*(one["group"] for one in plain.get("groups", ())), *lines, *(one["id"] for one in plain.get("ids", ()))]
    if to == "":
        return []
    if to == VOICEMAIL:
        return [{"voicemail": "main"}]
    if to == ANNOUNCEMENT:
        return [{"play": "closed"}]
    if to in inside:
        mailbox = to if to in inside[: len(inside) - len(plain.get("ids", ()))] else "main"
        return [{"ring": to, "for_s": for_s}, {"voicemail": mailbox}]
    if to == EVERYONE:
        name = _everyone(draft, lines)
        return [{"ring": name, "for_s": for_s}, {"voicemail": name}]
    if to in pools:
        return [{"queue": to}]
    if re.fullmatch(r"\+?[0-9]{9,}", to):
        return [{"forward": to, "for_s": for_s}]
    allowed = ", ".join([*inside, *pools, "全員/everyone", "留守番電話/voicemail"][:20])
    raise _Nowhere("という行き先はありません", "leads nowhere", allowed)


def _everyone(draft: Draft, lines: list[str]) -> str:
    """The one line, or a group of all of them, which is made if there is none. Raises _Nowhere."""
    if not lines:
        raise _Nowhere(
            "回線がないので、着信先を入力してください", "has no lines: say where it goes", "tokyo-pool, 090-1234-5678"
        )
    if len(lines) == 1:
        return lines[0]
    groups: list[Any] = draft.plain.setdefault("groups", [])
    same = next((one["group"] for one in groups if set(one["lines"]) == set(lines)), None)
    if same is not None:
        return str(same)
    if any(one["group"] == ALL_LINES for one in groups) or ALL_LINES in lines or len(lines) > 50:
        raise _Nowhere("着信先のグループを入力してください", "name a group of lines", "グループ/Group")
    groups.append({"group": ALL_LINES, "lines": lines})
    return ALL_LINES


def _route(draft: Draft, rules: list[dict[str, Any]], number: str) -> str:
    """The name of a route with these rules: one that is there, else a new one."""
    routes: dict[str, Any] = draft.plain.setdefault("routes", {})
    same = next((name for name, standing in routes.items() if alike(tuple[Rule, ...], standing, rules)), None)
    name = same or ("main" if "main" not in routes else f"n{number.lstrip('+')}")
    routes[name] = rules
    return name
