"""PURE. Which calls somebody wants to see: the words of an address or form <-> a `Filter`.

Enters: parameters of a request, as typed: full-width digits, any hyphen, dates as people write them. Leaves: a `Filter`
and what could not be read, by field; and the shortest parameters that say the same again. What the store is asked for
stands in `search.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Literal

import msgspec

from proto.values import digits_of, is_safe_id, to_epoch_us
from services.history.model import Place
from services.history.words import DIRECTIONS, RESULTS, zone_of

Field = Literal["client", "from", "to", "direction", "result", "employee", "own", "number", "talk", "before", "xlsx"]
Problem = Literal["date", "number", "employee", "seconds", "choice", "order", "rows"]
FIELDS: tuple[Field, ...] = ("client", "from", "to", "direction", "result", "employee", "own", "number", "talk")
"""What a person fills in; `before` comes from a link."""

WHOLE_NUMBER = 9
"""So many digits are a whole number, fewer are a part of one (0AB-J has ten, numbers abroad may have nine)."""
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")
_DIGITS = re.compile(r"\+?[0-9*#]{1,32}")
_MOST_TALK_S = 7 * 24 * 3600
_TEXT = 64


class Filter(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of it must hold; what is empty does not matter."""

    tenant: str = ""
    since: date | None = None
    until: date | None = None
    """The last day that counts."""
    direction: str = ""
    result: str = ""
    employee: str = ""
    """Whose phone called or answered: its id, or the number that a call was forwarded to."""
    own_number: str = ""
    number: str = ""
    """The other side's number or a part of it; a whole one is also looked for among the client's own."""
    talk_s: int = 0
    before: Place | None = None
    """Only what comes after this call in the order, which is what was earlier."""

    @property
    def only_days(self) -> bool:
        """Whether every call of a day is wanted if one is."""
        return msgspec.structs.replace(self, tenant="", since=None, until=None, before=None) == Filter()

    def times_us(self, timezone: str) -> tuple[int | None, int | None]:
        """(from, before) in epoch microseconds: the days as the client's clock has them."""
        since = None if self.since is None else start_of(self.since, timezone)
        return since, None if self.until is None else start_of(self.until + timedelta(days=1), timezone)


def start_of(day: date, timezone: str) -> int:
    """When the day begins on the client's clock, in epoch microseconds."""
    return to_epoch_us(datetime.combine(day, time(), zone_of(timezone)))


def read(asked: Mapping[str, str]) -> tuple[Filter, dict[Field, Problem]]:
    """The filter, without what could not be read, and what that was."""
    words: dict[str, str] = {
        name: unicodedata.normalize("NFKC", asked.get(name, "")).strip() for name in (*FIELDS, "before")
    }
    wrong: dict[Field, Problem] = {}
    since, until = _day(words, "from", wrong), _day(words, "to", wrong)
    if since and until and since > until:
        wrong["to"] = "order"
    found = Filter(
        tenant=words["client"] if is_safe_id(words["client"]) else "",
        since=since,
        until=until,
        direction=_choice(words, "direction", DIRECTIONS, wrong),
        result=_choice(words, "result", RESULTS, wrong),
        employee=_employee(words, wrong),
        own_number=_digits(words, "own", wrong),
        number=_digits(words, "number", wrong),
        talk_s=_seconds(words, wrong),
        before=_place(words["before"]),
    )
    return found, wrong


def written(wanted: Filter) -> dict[str, str]:
    """The parameters that say it, none of them empty."""
    place = wanted.before
    said = {
        "client": wanted.tenant,
        "from": wanted.since.isoformat() if wanted.since else "",
        "to": wanted.until.isoformat() if wanted.until else "",
        "direction": wanted.direction,
        "result": wanted.result,
        "employee": wanted.employee,
        "own": wanted.own_number,
        "number": wanted.number,
        "talk": str(wanted.talk_s) if wanted.talk_s else "",
        "before": f"{place.started_at_us}~{place.tenant}~{place.call}" if place else "",
    }
    return {name: value for name, value in said.items() if value}


def _day(words: Mapping[str, str], field: Literal["from", "to"], wrong: dict[Field, Problem]) -> date | None:
    if not words[field]:
        return None
    found = _DATE.fullmatch(words[field].replace(" ", ""))
    try:
        day = date(*map(int, found.groups())) if found else None
    except ValueError:
        day = None
    if day is None or not 1971 <= day.year <= 9000:
        wrong[field] = "date"
        return None
    return day


def _choice(
    words: Mapping[str, str],
    field: Literal["direction", "result"],
    of: Mapping[str, object],
    wrong: dict[Field, Problem],
) -> str:
    if words[field] and words[field] not in of:
        wrong[field] = "choice"
        return ""
    return words[field]


def _digits(words: Mapping[str, str], field: Literal["own", "number"], wrong: dict[Field, Problem]) -> str:
    digits = digits_of(words[field])
    if digits and _DIGITS.fullmatch(digits) is None:
        wrong[field] = "number"
        return ""
    return "0" + digits[3:] if digits.startswith("+81") and len(digits) > WHOLE_NUMBER else digits


def _employee(words: Mapping[str, str], wrong: dict[Field, Problem]) -> str:
    text = words["employee"]
    digits = digits_of(text)
    if _DIGITS.fullmatch(digits):
        return digits
    if text and (len(text) > _TEXT or not text.isprintable()):
        wrong["employee"] = "employee"
        return ""
    return text


def _seconds(words: Mapping[str, str], wrong: dict[Field, Problem]) -> int:
    text = words["talk"].removesuffix("秒")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 8 and int(text) <= _MOST_TALK_S):
        wrong["talk"] = "seconds"
        return 0
    return int(text)


def _place(text: str) -> Place | None:
    """A link that somebody has changed by hand begins at the newest call again."""
    at, _, rest = text.partition("~")
    tenant, _, call = rest.partition("~")
    known = at.isascii() and at.isdigit() and len(at) < 19 and tenant and call and len(rest) < 400
    return Place(int(at), tenant, call) if known else None
