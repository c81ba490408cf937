"""PURE. What a record of an identity check must hold, what is still missing, and how long it is kept.

Enters: a record, days. Leaves: what is missing or cannot be, by field. Source: 犯罪による収益の移転防止に関する法律
4条, 6条 and its 施行規則 6条, 20条 (what a record holds), 21条 (kept for seven years from the end of the contract).
Rows stand in `records.py`, sentences in `web.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Literal, get_args

import msgspec

from proto.tenant import Tenant
from proto.values import is_geographic

Party = Literal["corporation", "individual"]
Method = Literal[
    "in_person", "in_person_and_mail", "mail", "online_photo", "online_chip", "public_signature", "registry"
]
PARTIES: tuple[Party, ...] = get_args(Party)
METHODS: tuple[Method, ...] = get_args(Method)
OF_PARTY: dict[Party, tuple[Method, ...]] = {
    "corporation": ("in_person", "mail", "registry", "public_signature"),
    "individual": ("in_person", "in_person_and_mail", "mail", "online_photo", "online_chip", "public_signature"),
}
"""How each may be identified (施行規則 6条1項1号, 3号)."""
YEARS_KEPT = 7
LONGEST = 500

Wrong = Literal["missing", "long", "day", "future", "corporate_number", "method", "line"]


class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One version of what is known of a client. Days are ISO dates; what is not known yet is empty."""

    party: Party = "corporation"
    name: str = ""
    address: str = ""
    """本店又は主たる事務所の所在地; of an individual, 住居."""
    corporate_number: str = ""
    """13 digits; may be unknown."""
    born: str = ""
    """Of an individual."""
    purpose: str = ""
    """取引を行う目的."""
    business: str = ""
    """事業の内容; of an individual, 職業."""
    owners: str = ""
    """実質的支配者: one per line with address and day of birth, and how it was found out."""
    contact: str = ""
    """取引担当者, who acts for a corporation."""
    contact_address: str = ""
    contact_born: str = ""
    contact_authority: str = ""
    """Why the contact may act for it (委任状, 登記, 電話での確認 …)."""
    method: Method | Literal[""] = ""
    papers: str = ""
    """本人確認書類: name, number and issuer, one per line. Never My Number, pension or insurance numbers."""
    base: str = ""
    """活動の拠点: how it was seen that the client works in the area of its fixed numbers (電気通信番号計画)."""
    checked_on: str = ""
    checked_by: str = ""
    note: str = ""


_ALWAYS = ("name", "address", "purpose", "business", "method", "papers", "checked_on", "checked_by")
_OF_PARTY: dict[Party, tuple[str, ...]] = {
    "corporation": ("owners", "contact", "contact_address", "contact_born", "contact_authority"),
    "individual": ("born",),
}
_SEVERAL_LINES = ("owners", "papers", "note", "base", "contact_authority")
_DAYS = ("born", "contact_born", "checked_on")


def needs_base(tenants: Iterable[Tenant]) -> bool:
    """Whether any of these files has a fixed number, for which the client must work in its area."""
    return any(is_geographic(entry.number) for tenant in tenants for entry in tenant.numbers)


def needed(party: Party, base: bool) -> frozenset[str]:
    """The fields without which a check cannot be confirmed; `base`: as `needs_base` says."""
    return frozenset((*_ALWAYS, *_OF_PARTY[party], *(("base",) if base else ())))


def missing(record: Record, base: bool) -> tuple[str, ...]:
    """Those of them that are still empty, in the order of the form."""
    wanted = needed(record.party, base)
    return tuple(name for name in Record.__struct_fields__ if name in wanted and not getattr(record, name))


def wrong(record: Record, today: date) -> dict[str, Wrong]:
    """What cannot stand in any record, complete or not, by field."""
    found: dict[str, Wrong] = {}
    for name in Record.__struct_fields__:
        value = getattr(record, name)
        if len(value) > (LONGEST * 4 if name in _SEVERAL_LINES else LONGEST):
            found[name] = "long"
        elif not value.replace("\n", "" if name in _SEVERAL_LINES else "\n").isprintable():
            found[name] = "line"
    for name in _DAYS:
        if getattr(record, name) and name not in found:
            day = as_day(getattr(record, name))
            if day is None:
                found[name] = "day"
            elif day > today:
                found[name] = "future"
    if record.corporate_number and not is_corporate_number(record.corporate_number):
        found["corporate_number"] = "corporate_number"
    if record.method and record.method not in OF_PARTY[record.party]:
        found["method"] = "method"
    return found


def as_day(text: str) -> date | None:
    """An ISO day, or None."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def is_corporate_number(text: str) -> bool:
    """Whether 13 digits carry the right check digit: 9 − (Σ Pn·Qn mod 9), Q = 1, 2, 1, 2 … from the right.

    法人番号の指定等に関する省令 2条.
    """
    if not re.fullmatch(r"[0-9]{13}", text):
        return False
    total = sum(int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(text[1:])))
    return int(text[0]) == 9 - total % 9


def kept_until(ended_on: date) -> date:
    """The last day on which the record must be kept: seven years from the end of the contract."""
    try:
        return ended_on.replace(year=ended_on.year + YEARS_KEPT)
    except ValueError:  # 29 February
        return ended_on.replace(year=ended_on.year + YEARS_KEPT, month=3, day=1)


def differences(before: Record | None, after: Record) -> tuple[str, ...]:
    """The fields that differ, in the order of the form."""
    old = before if before is not None else Record(party=after.party)
    return tuple(name for name in Record.__struct_fields__ if getattr(old, name) != getattr(after, name))
