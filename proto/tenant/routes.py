"""Where a call goes: rules from top to bottom, the first that holds is taken.

Enters: nothing. Leaves: frozen structs of rules, actions and route tests. Taking the rules belongs to
`services/routing`, checking their references to `services/directory/tenants/check.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from proto.tenant.fields import DialledNumber, Moment, Name

Seconds = Annotated[int, msgspec.Meta(ge=1, le=600)]

ACTIONS = ("ring", "forward", "voicemail", "queue", "play", "reject")


class Action(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One step of a route: exactly one of ring, forward, voicemail, queue, play, reject."""

    ring: Name | None = None
    """A line, a group or an id."""
    forward: DialledNumber | None = None
    """転送 / an outside number."""
    voicemail: Name | None = None
    """留守番電話 / greeting, tone, message."""
    queue: Name | None = None
    """待ち行列 / music until a person of this pool is free."""
    play: Name | None = None
    """案内 / an announcement."""
    reject: Literal["busy", "not_in_use", "refused"] | None = None
    for_s: Seconds | None = None
    """秒数 / seconds to ring."""
    confirm: Literal["key"] | None = None
    """key: whoever answers presses 1, so that no voicemail takes the call."""
    carrier: Name | None = None
    """電話会社 / a carrier of platform.yaml instead of the first."""
    present: DialledNumber | None = None
    """通知番号 / the number that is shown, one of this client's."""

    def __post_init__(self) -> None:
        if len([name for name in ACTIONS if getattr(self, name) is not None]) != 1:
            raise ValueError(f"a step names exactly one of {', '.join(ACTIONS)}")


class When(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A condition; all that is named must hold."""

    hours: Name | None = None


class Rule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """`when` and `do`; a rule without `when` always holds."""

    do: Annotated[tuple[Action, ...], msgspec.Meta(min_length=1, max_length=20)]
    when: When | None = None


class RouteTest(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A call that never happens: `toritsugi tenants check` asks where it would go. `expect` is the first step taken."""

    call: DialledNumber
    at: Moment
    expect: Action
    from_: DialledNumber | None = None
