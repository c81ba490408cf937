"""Applications that ask for keys and send some.

Enters: a leg, prompts, what counts as an answer. Leaves: the variables read_result, read_terminator_used and the one
that was named. Source: mod_dptools.c, switch_ivr_play_say.c (switch_play_and_get_digits, switch_ivr_read).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from freeswitch.simulator import plan
from freeswitch.simulator.calls import sounds
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.keys import SENT_SAMPLES, Key
from freeswitch.simulator.calls.reading import collect
from freeswitch.simulator.switch import Switch


@dataclass(frozen=True)
class _Question:
    least: int
    most: int
    prompt: str
    variable: str
    timeout_s: float
    terminators: str
    digit_timeout_s: float


def play_and_get_digits(switch: Switch, channel: Channel, data: str) -> None:
    """`<min> <max> <tries> <timeout ms> <terminators> <prompt> <invalid> [<variable> [<regex> [<digit timeout ms>
    [<extension on failure>]]]]`; timeouts of less than a second count as one.
    """
    given = [*plan.words(data), *[""] * 11][:11]
    least, most, tries, timeout_ms = (plan.whole(one) for one in given[:4])
    terminators, prompt, invalid, variable, regex, digit_ms, on_failure = given[4:]
    timeout_s = max(1000, timeout_ms) / 1000
    digit_s = plan.whole(digit_ms) / 1000 or timeout_s
    question = _Question(least, max(least, most), prompt, variable, timeout_s, terminators or "#", digit_s)
    if regex and variable:
        channel.set(f"{variable}_invalid", "")
    for _try in range(tries if given[2] else 0):
        result, digits = _read(switch, channel, question)
        if result == "timeout" and len(digits) >= least:
            result = "success"
        if not least and not digits and "read_terminator_used" in channel.variables:
            return
        if result == "success" and digits:
            if not regex or _matches(digits, regex):
                return
            channel.set(variable, "")
            if variable:
                channel.set(f"{variable}_invalid", digits)
        sounds.play(switch.sounds, channel, invalid)
    if on_failure:
        destination, dialplan, context, *_rest = [*plan.words(on_failure), "", "", ""]
        channel.transfer(destination, dialplan, context)


def read(switch: Switch, channel: Channel, data: str) -> None:
    """`<min> <max> <prompt> <variable> <timeout ms> <terminators> [<digit timeout ms>]`."""
    least, most, prompt, variable, timeout_ms, terminators, digit_ms = [*plan.words(data), *[""] * 7][:7]
    timeout_s = max(1000, plan.whole(timeout_ms)) / 1000
    digit_s, low = plan.whole(digit_ms) / 1000 or timeout_s, plan.whole(least)
    _read(
        switch,
        channel,
        _Question(
            low,
            max(low, plan.whole(most)),
            prompt,
            variable,
            timeout_s,
            terminators,
            digit_s,
        ),
    )


def send_dtmf(_switch: Switch, _channel: Channel, _data: str) -> None:
    """Keys to the far end, which hears them; the switch tells nothing."""


def queue_dtmf(_switch: Switch, channel: Channel, data: str) -> None:
    """`<keys>[@<ms>]`: as if they had been pressed (switch_channel_queue_dtmf_string)."""
    for digit in data.partition("@")[0]:
        channel.keys.put(Key(digit, SENT_SAMPLES, "APP"))


def block_dtmf(_switch: Switch, channel: Channel, _data: str) -> None:
    """Keys of the far end are heard by nobody from now on. Source: switch_ivr_block_dtmf_session."""
    channel.blocks_keys = True


def unblock_dtmf(_switch: Switch, channel: Channel, _data: str) -> None:
    channel.blocks_keys = False


def flush_dtmf(_switch: Switch, channel: Channel, _data: str) -> None:
    """Nobody will read the keys that wait."""
    channel.keys.flush()


def _read(switch: Switch, channel: Channel, question: _Question) -> tuple[str, str]:
    """success, timeout or failure, and what was pressed."""
    channel.set("read_result", "")
    if question.variable:
        channel.set(question.variable, "")
    pressed = collect(
        switch.sounds,
        channel,
        question.prompt,
        question.most,
        question.timeout_s,
        digit_timeout_s=question.digit_timeout_s,
        terminators=question.terminators,
    )
    result = "timeout" if pressed.timed_out else "success"
    if pressed.terminator:
        channel.set("read_terminator_used", pressed.terminator)
    elif question.terminators.startswith("="):
        result = "failure"
    digits = pressed.digits
    if len(digits) < question.least:
        result = "failure"
    channel.set("read_result", result)
    if question.variable and digits:
        channel.set(question.variable, digits)
    return result, digits


def _matches(digits: str, regex: str) -> bool:
    try:
        return re.search(regex, digits) is not None
    except re.error:
        return False
