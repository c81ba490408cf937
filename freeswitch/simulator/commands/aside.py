"""Commands about a leg's sound, texts and log, of which no event tells, and uuid_dual_transfer.

Enters: argument. Leaves: the real one's words; on the leg only what an event could show. Texts, INFO, jitter buffers
and codecs have nothing behind them here. Source: mod_commands.c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from freeswitch.simulator import plan
from freeswitch.simulator.commands.console import FAILED, NO_CHANNEL, OK, SUCCESS, Command, Console, Table, usage
from freeswitch.simulator.esl import wire

_FAILED = "-ERR Operation Failed\n"
"""As some of them spell it."""
_DUAL = usage("<uuid> <A-dest-exten>[/<A-dialplan>][/<A-context>] <B-dest-exten>[/<B-dialplan>][/<B-context>]")
_DROP = usage("<uuid> [on | off ] [ mask_digits <digits> | mask_file <file>]")


def dual_transfer(console: Console, argument: str) -> str:
    """`uuid_dual_transfer <uuid> <A>[/dialplan[/context]] <B>[/dialplan[/context]]`: the leg, and whom it talks to."""
    words = plan.words(argument, 3)
    if len(words) < 3:
        return _DUAL
    channel = console.leg(words[0])
    if channel is None:
        return NO_CHANNEL
    # Whom it talks to goes first (switch_ivr_session_transfer, twice).
    for leg, where in ((channel.partner, words[2]), (channel, words[1])):
        if leg is not None:
            leg.transfer(*_destination(where))
    return OK


def _destination(where: str) -> tuple[str, str, str]:
    """Extension, dialplan, context; of an inline plan, which may have slashes itself, only the last one divides."""
    plan_, inline, rest = where.partition("/inline")
    if inline and not rest:
        return plan_, "inline", ""
    destination, _, rest = where.partition("/")
    dialplan, _, context = rest.partition("/")
    return destination, dialplan, context


def loglevel(console: Console, argument: str) -> str:
    """`uuid_loglevel <uuid> <level>`."""
    words = plan.words(argument, 2)
    if len(words) < 2:
        return usage("<uuid> <level>")
    if wire.log_level(words[1]) is None:
        return "-ERR Invalid log level!\n"
    return OK if console.leg(words[0]) else f"-ERR No such channel {words[0]}!\n"


def drop_dtmf(console: Console, argument: str) -> str:
    """`uuid_drop_dtmf <uuid> on|off mask_digits <digits>|mask_file <file>`: which keys the other end is not to hear."""
    words = plan.words(argument, 4)
    if len(words) < 4:
        return _DROP
    leg, on_off, kind, what = words
    channel = console.leg(leg)
    if channel is None:
        return _no_channel(leg)
    file, digits = (what if kind.lower() == f"mask_{one}" else "" for one in ("file", "digits"))
    channel.set("drop_dtmf_masking_file", file)
    channel.set("drop_dtmf_masking_digits", digits)
    if not file and not digits:
        return _DROP
    drops = on_off.lower() == "on"
    channel.set("drop_dtmf", "true" if drops else "false")
    what_now = "dropping" if drops else "not dropping"
    return f"+OK {leg} is {what_now} DTMF. mask_file: {file or 'NONE'} mask_digits: {digits or 'NONE'}\n"


def media_reneg(console: Console, argument: str) -> str:
    """`uuid_media_reneg <uuid>[ <codecs>]`: a re-INVITE to whoever has been answered."""
    if not argument:
        return usage("<uuid>[ <codec_string>]") + _FAILED
    channel = console.leg(argument.partition(" ")[0])
    if channel is None:
        return _FAILED
    if channel.times.answered:
        channel.answered_re_invite()
    return SUCCESS


def outgoing_answer(console: Console, argument: str) -> str:
    """`uuid_outgoing_answer <uuid>`: a leg that we dialled counts as answered."""
    if not argument:
        return usage("<uuid>")
    channel = console.leg(argument)
    if channel is None:
        return NO_CHANNEL
    if channel.direction != "outbound":
        return "-ERR Not an outbound channel!\n"
    channel.answer()
    return OK


def redirect(console: Console, argument: str) -> str:
    """`uuid_redirect <uuid> <uri>`: 302 to whoever has not been answered."""
    leg, _, address = argument.partition(" ")
    if not address:
        return usage("<uuid> <uri>")
    channel = console.leg(leg)
    if channel is None:
        return f"-ERR No such channel {leg}!\n"
    if not channel.times.answered:
        channel.hangup("NORMAL_UNSPECIFIED")
    return "+OK:\n"


def _no_channel(leg: str) -> str:
    return f"-ERR No such channel {leg}!\n"


@dataclass(frozen=True)
class _Said:
    """What a command answers that changes nothing which an event shows."""

    usage: str
    least: int
    """Words."""
    done: str
    gone: Callable[[str], str] = _no_channel
    """Of the uuid."""


def _says(said: _Said) -> Command:
    def run(console: Console, argument: str) -> str:
        words = plan.words(argument, 5)
        if len(words) < said.least:
            return said.usage
        return said.done if console.leg(words[0] if words else "") else said.gone(words[0] if words else "")

    return run


_SAID = {
    "pause": _Said(usage("<uuid> <on|off>"), 2, "", lambda _leg: NO_CHANNEL),
    "uuid_capture_text": _Said(usage("<uuid> <on|off>"), 2, ""),
    "uuid_codec_debug": _Said(usage("<uuid> audio|video <level>") + _FAILED, 3, SUCCESS, lambda _leg: _FAILED),
    "uuid_debug_media": _Said(
        usage("<uuid> <read|write|both|vread|vwrite|vboth|all> <on|off>"), 3, SUCCESS, lambda _leg: FAILED
    ),
    "uuid_early_ok": _Said("-ERROR\n", 1, "", lambda _leg: "-ERROR\n"),
    "uuid_fileman": _Said(usage("<uuid> <cmd>:<val>"), 2, "-ERR No file handle!\n", lambda _leg: NO_CHANNEL),
    "uuid_jitterbuffer": _Said(usage("<uuid> [0|<min_msec>[:<max_msec>]]"), 2, SUCCESS, lambda _leg: FAILED),
    "uuid_pause": _Said(usage("<uuid> <on|off>"), 2, "", lambda _leg: NO_CHANNEL),
    "uuid_preprocess": _Said(usage("<>"), 2, OK),
    "uuid_recovery_refresh": _Said(usage("<uuid> <uri>"), 2, SUCCESS),
    "uuid_send_info": _Said(
        usage("<uuid> [<mime_type> <mime_subtype>] <message>") + _FAILED, 1, SUCCESS, lambda _leg: _FAILED
    ),
    "uuid_send_message": _Said(
        usage("<uuid> <message>"), 2, SUCCESS, lambda _leg: "-ERR Unable to find session for UUID\n"
    ),
    "uuid_send_text": _Said(usage("<uuid> <text>"), 2, OK),
    "uuid_set_media_stats": _Said(usage("<uuid>"), 1, "+OK:\n"),
    "uuid_simplify": _Said(usage("<uuid>"), 1, SUCCESS, lambda _leg: FAILED),
    "uuid_video_refresh": _Said(usage("<uuid> [auto|manual]") + _FAILED, 1, SUCCESS, lambda _leg: _FAILED),
}

TABLE: Table = {
    "uuid_drop_dtmf": drop_dtmf,
    "uuid_dual_transfer": dual_transfer,
    "uuid_loglevel": loglevel,
    "uuid_media_reneg": media_reneg,
    "uuid_outgoing_answer": outgoing_answer,
    "uuid_redirect": redirect,
    **{name: _says(said) for name, said in _SAID.items()},
}
