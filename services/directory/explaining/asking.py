"""PURE. One call that nobody makes: where it would go, step by step, and each rule that was looked at (R33).

Enters: what somebody typed (who calls, what is dialled, when), the client and platform, routing's `explain`. Leaves: an
`Answer`, or `CannotAsk` with the field that is wrong. How a call is decided belongs to `services/routing`.
"""

from __future__ import annotations

import re
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from proto.plan import Plan
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.values import Party, digits_of, to_datetime
from services.directory.tenants.route_tests import Explain, moment_us
from services.directory.tenants.words import Lang, in_words
from services.runtime.telephone import written

Field = Literal["caller", "dialled", "at", "phone"]
WITHHELD = ("withheld", "非通知", "184")
HOME_TIMEZONE = "Asia/Tokyo"
_NUMBER = re.compile(r"\+?[0-9]{2,20}")
_DIALLED = re.compile(r"\+?[0-9*#]{1,32}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class CannotAsk(ValueError):
    """What was typed is no call that could be made."""

    def __init__(self, field: Field, value: str) -> None:
        super().__init__(field, value)
        self.field: Field = field
        self.value = value[:64]


class Question(msgspec.Struct, frozen=True):
    """As typed; empty: a caller whose number does not come with the call, now, from outside."""

    dialled: str
    caller: str = ""
    phone: str = ""
    """The client's own device that calls, instead of `caller`."""
    at: str = ""
    """`2026-11-22 10:00` where the client is."""


class Answer(msgspec.Struct, frozen=True):
    """The plan, and why it is this one."""

    tenant: str
    """The client whose call it is; empty: the number is nobody's."""
    name: str
    caller: str
    dialled: str
    at: str
    """Where the client is, with the distance from UTC (ISO 8601)."""
    words: str
    """The plan as a caller meets it."""
    why: tuple[str, ...]
    """routing's reasons, in Japanese, in the order in which it looked."""
    plan: Plan


def called(text: str, phone: str) -> str:
    """What is dialled, as digits; one's own device may also dial a colleague's name. Raises CannotAsk."""
    digits = digits_of(text.strip())
    if _DIALLED.fullmatch(digits):
        return digits
    if phone and _NAME.fullmatch(text.strip()):
        return text.strip()
    raise CannotAsk("dialled", text)


def calling(text: str) -> Party:
    """Who calls from outside. Raises CannotAsk."""
    said = text.strip()
    if not said:
        return Party(presentation="unavailable")
    if said in WITHHELD:
        return Party(presentation="withheld")
    number = digits_of(said)
    if not _NUMBER.fullmatch(number):
        raise CannotAsk("caller", text)
    return Party(number=number)


def asked(
    question: Question,
    tenant: Tenant | None,
    platform: Platform,
    suspended: frozenset[str],
    explain: Explain,
    now_us: int,
    lang: Lang,
) -> Answer:
    """The answer for a client, or (None) for a number that is nobody's. Raises CannotAsk."""
    if question.phone and (tenant is None or question.phone not in {own.id for own in tenant.ids}):
        raise CannotAsk("phone", question.phone)
    zone = tenant.timezone if tenant is not None else HOME_TIMEZONE
    dialled = called(question.dialled, question.phone)
    caller = Party(number=question.phone) if question.phone.isdigit() else calling(question.caller)
    at_us = _moment(question.at, zone, now_us)
    plan, why = explain(tenant, platform, dialled, caller, at_us, question.phone, suspended)
    return Answer(
        tenant=tenant.tenant if tenant is not None else "",
        name=tenant.name if tenant is not None else "",
        caller=question.phone or written(caller.number) or caller.presentation,
        dialled=written(dialled),
        at=to_datetime(at_us).astimezone(ZoneInfo(zone)).isoformat(timespec="minutes"),
        words=in_words(plan, tenant, lang),
        why=tuple(why),
        plan=tuple(plan),
    )


def _moment(text: str, zone: str, now_us: int) -> int:
    said = text.strip().replace("T", " ")
    if not said:
        return now_us
    try:
        return moment_us(said, zone)
    except (ValueError, OverflowError):
        raise CannotAsk("at", text) from None
