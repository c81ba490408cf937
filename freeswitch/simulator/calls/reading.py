"""Keys read from a leg while a prompt plays to it.

Enters: a leg, a prompt, how many keys, how long to wait for them. Leaves: what was pressed. What is made of it belongs
to apps/digits.py (menus) and dial.py (confirmation). Source: switch_ivr_play_say.c (switch_ivr_read).
"""

from __future__ import annotations

from dataclasses import dataclass

from freeswitch.simulator.calls import sounds
from freeswitch.simulator.calls.channel import Channel


@dataclass(frozen=True)
class Pressed:
    """What came before the keys were enough, the terminator was pressed, or the time was up."""

    digits: str
    terminator: str = ""
    timed_out: bool = False


def collect(
    library: sounds.Library,
    channel: Channel,
    prompt: str,
    most: int,
    timeout_s: float,
    *,
    digit_timeout_s: float = 0,
    terminators: str = "",
) -> Pressed:
    """The first key ends the prompt; each further one is awaited anew."""
    pressed: list[str] = []
    if prompt and prompt.lower() != "silence":
        sounds.play(library, channel, prompt, until=lambda: bool(channel.digits))
    wait_s = timeout_s
    while len(pressed) < most:
        if not channel.digits and not channel.pause(wait_s, until=lambda: bool(channel.digits)):
            return Pressed("".join(pressed), timed_out=True)
        digit = channel.digits.popleft()
        wait_s = digit_timeout_s or timeout_s
        if digit in terminators:
            return Pressed("".join(pressed), digit)
        pressed.append(digit)
    return Pressed("".join(pressed))


__all__ = ["Pressed", "collect"]
