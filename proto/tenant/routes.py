"""Where a call goes: rules from top to bottom, the first that holds is taken.

Enters: nothing. Leaves: frozen structs of rules, actions and route tests. Taking the rules belongs to
`services/routing`, checking their references to `services/directory/check.py`.
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
    voicemail: Name | None = None
    queue: Name | None = None
    play: Name | None = None
    reject: Literal["busy", "not_in_use", "refused"] | None = None
    for_s: Seconds | None = None
    confirm: Literal["key"] | None = None
    carrier: Name | None = None
    present: DialledNumber | None = None

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
