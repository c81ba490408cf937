"""Small values that every message is made of: ids, numbers, money, times.

Enters: plain strings and integers. Leaves: frozen, checked values. How numbers are written for people or read from
YAML belongs to `proto.tenant.reading`; how messages become bytes belongs to `proto.envelope`.
"""

from __future__ import annotations

import re
import unicodedata
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, NewType

import msgspec

CallId = NewType("CallId", str)
LegId = NewType("LegId", str)
"""A leg is one channel of a switch; its id is FreeSWITCH's Unique-ID."""
EventId = NewType("EventId", str)
CommandId = NewType("CommandId", str)
SwitchName = NewType("SwitchName", str)

TenantId = Annotated[str, msgspec.Meta(pattern=r"^_?[a-z0-9][a-z0-9-]{0,31}$(?!\n)")]
EpochUs = Annotated[int, msgspec.Meta(ge=0)]
"""Microseconds since 1970-01-01T00:00:00Z."""
DurationMs = Annotated[int, msgspec.Meta(ge=0)]
Number = Annotated[str, msgspec.Meta(pattern=r"^(\+?[0-9*#]{1,32})?$(?!\n)")]
"""Digits as dialled, or empty where there is none to show (withheld, unknown, not a number)."""

UNKNOWN_TENANT: TenantId = "_unknown"
"""Events whose number belongs to nobody. They are kept and alarmed, never given to a default client."""
PLATFORM_TENANT: TenantId = "_platform"
"""What concerns the operator as a whole: switches, people, price tables."""

Presentation = Literal["shown", "withheld", "payphone", "unavailable", "erased"]
"""Why a caller's number is there or not: 通知 / 非通知 / 公衆電話 / 表示圏外 (JAPAN: numbering); erased: the client's
history period is over."""

_COMMAND_NAMESPACE = uuid.UUID("6d0f8f6e-6a0c-5c0f-9c0a-0d7f2a7c1c55")
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Money(msgspec.Struct, frozen=True):
    """An amount in full precision; rounding happens once per tax rate per invoice, never here."""

    amount: Decimal
    currency: Literal["JPY", "USD"] = "JPY"

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(self.amount + other.amount, self.currency)


class Party(msgspec.Struct, frozen=True):
    """The far end of a call as it may be shown. A withheld number is not in here at all."""

    number: Number = ""
    name: str = ""
    presentation: Presentation = "shown"


def command_id(cause: str, position: int) -> CommandId:
    """The id of the `position`-th command (or fact) that an event causes: the same on every redelivery.

    It is a UUID because FreeSWITCH takes it as origination_uuid and Job-UUID (switch_ivr_originate.c).
    """
    return CommandId(str(uuid.uuid5(_COMMAND_NAMESPACE, f"{cause}/{position}")))


def is_safe_id(text: str) -> bool:
    """Whether `text` can stand in a routing key, a plan or a path as it is: letters, digits, `. _ : -`, at most 128."""
    return _SAFE_ID.fullmatch(text) is not None


def to_datetime(epoch_us: int) -> datetime:
    """Exact: no float is involved."""
    return _EPOCH + timedelta(microseconds=epoch_us)


def to_epoch_us(when: datetime) -> int:
    """Microseconds since 1970 of an aware datetime. Raises ValueError for a naive one."""
    if when.tzinfo is None:
        raise ValueError("a time needs its zone")
    return (when - _EPOCH) // _MICROSECOND


_NOT_GEOGRAPHIC = ("00", "0120", "0170", "0180", "0570", "0800", "0990", "020", "050", "060", "070", "080", "090")


def is_geographic(number: str) -> bool:
    """Whether a number is 0AB–J, of a place: the only kind that reaches 110, 118 and 119 (JAPAN: numbering)."""
    return len(number) == 10 and number.isdigit() and number[0] == "0" and not number.startswith(_NOT_GEOGRAPHIC)


_HYPHENS = dict.fromkeys(map(ord, "-‐‑‒–—―−ー－ｰ() .\u3000"))


def digits_of(text: str) -> str:
    """`０３−１２３４−５６７８`, `03-1234-5678`, `(03) 1234 5678` -> `0312345678`.

    Full-width forms and every hyphen that Japanese keyboards produce are accepted (NFKC). What is left may still not
    be a number: callers check it.
    """
    if text.isascii() and text.isdigit():
        return text  # most are plain already
    return unicodedata.normalize("NFKC", text).translate(_HYPHENS)
