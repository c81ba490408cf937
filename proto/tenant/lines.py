"""The people's lines, their ids (one per device), and groups of lines.

Enters: nothing. Leaves: frozen structs. Credentials and registrations are rows of directory and the switch; how a
line rings is decided by `services/routing`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from proto.plan import PhoneId
from proto.tenant.fields import DialledNumber, Name, NumberOrName, Text

Seconds = Annotated[int, msgspec.Meta(ge=1, le=600)]


class Id(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One device: a desk phone or an app. It registers as `id@domain`."""

    id: PhoneId
    name: Text
    device: Literal["desk", "app"] = "desk"


class NoAnswer(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """無応答転送: where a call goes that nobody takes within `after_s`."""

    after_s: Seconds = 20
    to: NumberOrName = "voicemail"
    """`voicemail`, the name of a line or group, or an outside number."""


class Line(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A person's line: one or two ids that ring together or desk first."""

    line: Name
    ids: Annotated[tuple[PhoneId, ...], msgspec.Meta(min_length=1, max_length=2)]
    ring: Literal["desk_first", "all"] = "all"
    app_after_s: Annotated[int, msgspec.Meta(ge=0, le=60)] = 6
    allow: tuple[Literal["receive", "internal", "originate"], ...] = ("receive", "internal", "originate")
    present: Annotated[DialledNumber | None, msgspec.Meta(description="number shown on outside calls")] = None
    hours: Name = ""
    no_answer: NoAnswer | None = None


class Group(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A department: lines that ring for one call."""

    group: Name
    lines: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=50)]
    strategy: Literal["all", "in_order"] = "all"
