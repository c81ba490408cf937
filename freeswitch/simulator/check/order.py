"""PURE: order and time across legs: what one leg causes on another comes after it, and everything comes about when it
came on the real switch.

Enters: two lists of events. Leaves: differences. Threads of the real switch interleave legs as they like within some
milliseconds; only what one of them waits for before it goes on is surely in order, and only that is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from freeswitch.simulator.check.read import Headers, stamp_us, text

NEARLY_US = 700_000
"""Moments may differ by so much: the real scheduler looks every 500 ms, and SIP takes its time."""
CAUSES = (
    ("CHANNEL_OUTGOING", "CHANNEL_PROGRESS"),
    ("CHANNEL_PROGRESS", "CHANNEL_PROGRESS"),
    ("CHANNEL_PROGRESS_MEDIA", "CHANNEL_PROGRESS_MEDIA"),
    ("CHANNEL_ANSWER", "CHANNEL_ANSWER"),
    ("CHANNEL_ANSWER", "CHANNEL_BRIDGE"),
    ("CHANNEL_PROGRESS_MEDIA", "CHANNEL_BRIDGE"),
)
"""What a dialled leg tells first, and what its dialler tells only then (switch_ivr_originate.c)."""


def out_of_order(
    real: Sequence[Headers], simulated: Sequence[Headers], roles: Mapping[str, str]
) -> Iterator[tuple[str, str, str, str]]:
    """The dialler's leg, its event, what the real switch told before it, and that the simulator told it after."""
    dialled = _dialled(real)
    for dialler in dict.fromkeys(dialled.values()):
        legs = [leg for leg, who in dialled.items() if who == dialler]
        for cause, effect in CAUSES:
            was = [leg for leg in legs if _before(real, leg, cause, dialler, effect)]
            # Of legs that ring at once any may be the first.
            is_so = [leg for leg in legs if _before(simulated, leg, cause, dialler, effect)]
            if was and not is_so and any(_before(simulated, leg, cause, dialler, effect) is False for leg in was):
                of_leg = f"{cause} of {roles.get(was[0], was[0])}"
                yield dialler, effect, f"after {of_leg}", f"before {of_leg}"


def _dialled(events: Sequence[Headers]) -> dict[str, str]:
    """Leg -> who dials it."""
    found: dict[str, str] = {}
    for event in events:
        if text(event, "Event-Name") == "CHANNEL_OUTGOING" and text(event, "Other-Type") == "originator":
            found.setdefault(text(event, "Unique-ID"), text(event, "Other-Leg-Unique-ID"))
    return found


def _before(events: Sequence[Headers], leg: str, cause: str, dialler: str, effect: str) -> bool | None:
    """Whether the leg's event comes first, looking from where it is dialled; None if one of the two never comes."""
    dialled, caused, followed = False, -1, -1
    for at, event in enumerate(events):
        one, name = text(event, "Unique-ID"), text(event, "Event-Name")
        dialled = dialled or (one == leg and name == "CHANNEL_OUTGOING")
        if dialled and one == leg and name == cause and caused < 0:
            caused = at
        elif dialled and one == dialler and name == effect and followed < 0:
            followed = at
    return caused < followed if caused >= 0 and followed >= 0 else None


def moved(real: Headers, simulated: Headers, start_us: int) -> tuple[str, str] | None:
    """When both told the same event, since the start of the trace, if that is too far apart."""
    one, other = stamp_us(real), stamp_us(simulated)
    if abs(one - other) <= NEARLY_US:
        return None
    return f"{(one - start_us) / 1e6:.1f} s", f"{(other - start_us) / 1e6:.1f} s"


__all__ = ["CAUSES", "NEARLY_US", "moved", "out_of_order"]
