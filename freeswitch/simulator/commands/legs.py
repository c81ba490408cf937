"""Commands that do something to a leg: uuid_kill, uuid_transfer, uuid_bridge, uuid_record and their kin.

Enters: argument. Leaves: the real one's words, and the change on the leg. Success is not always `+OK`, failure not
always `-ERR`. Source: mod_commands.c.
"""

from __future__ import annotations

import html
import re

from freeswitch.simulator import causes, plan
from freeswitch.simulator.calls import heartbeats, joining, parking
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.keys import LEAST_SAMPLES, SENT_SAMPLES, Key
from freeswitch.simulator.calls.profile import STATES
from freeswitch.simulator.commands.console import FAILED, NO_CHANNEL, NO_SESSION, OK, SUCCESS, Console, Table, usage

_TRANSFER = usage("<uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]")
_RECORD = usage("<uuid> [start|stop|mask|unmask] <path> [<limit>] [<recording_vars>]")
_AUDIO = usage("<uuid> [start [read|write] [mute|level <level>]|stop]")
_DTMF = usage("<uuid> <dtmf_data>")
_DIGITS = re.compile(r"[0-9A-DF*#WwpP@,+]+")


def kill(console: Console, argument: str) -> str:
    """`uuid_kill <uuid> [cause]`."""
    if not argument:
        return usage("<uuid> [cause]")
    leg, _, cause = argument.partition(" ")
    channel = console.leg(leg)
    if channel is None:
        return NO_CHANNEL
    channel.hangup(causes.named(cause))
    return OK


def transfer(console: Console, argument: str) -> str:
    """`uuid_transfer <uuid> [-bleg|-both] <destination> [dialplan] [context]`."""
    leg, *where = [*plan.words(argument, 5), ""]
    if len(where) < 2:
        return _TRANSFER
    where = where[:-1]
    channel = console.leg(leg)
    if channel is None:
        return NO_CHANNEL
    legs: list[Channel] = [channel]
    if where[0].startswith("-"):
        which, other = where.pop(0).lower(), channel.partner
        if other is not None and which in ("-bleg", "-both"):
            legs = [other, channel] if which == "-both" else [other]
    destination, dialplan, context = [*where, "", "", ""][:3]
    went = [one.transfer(destination, dialplan, context) for one in legs]
    return OK if went[-1] else "-ERR\n"


def bridge(console: Console, argument: str) -> str:
    """`uuid_bridge <uuid> <other uuid> [<another, should that be gone>]`."""
    names = plan.words(argument, 4)
    if len(names) < 2:
        return usage("<uuid> <other_uuid>")
    first, second = console.leg(names[0]), next(filter(None, map(console.leg, names[1:3])), None)
    if first is None or second is None:
        return "-ERR Invalid uuid\n"
    if first is not second:
        joining.join(first, second)
    return f"+OK {second.uuid}\n"


def park(console: Console, argument: str) -> str:
    """`uuid_park <uuid>`."""
    channel = console.leg(argument)
    if channel is None:
        return NO_CHANNEL
    # The leg's own thread tells of what it leaves only after its state has been changed.
    channel.state_number = STATES["CS_PARK"]
    channel.divert(lambda: parking.park(channel, state="CS_PARK"))
    return OK


def record(console: Console, argument: str) -> str:
    """`uuid_record <uuid> start|stop|pause|resume|mask|unmask <path> [limit] [{variables}]`."""
    words = plan.words(argument, 5)
    if len(words) < 3:
        return _RECORD
    leg, action, path, limit, *_rest = [*words, "", ""]
    channel = console.leg(leg)
    if channel is None:
        return NO_SESSION
    recorder, action = console.switch.recorder, action.lower()
    if action == "start":
        variables = m[0] if (m := re.search(r"\{.*\}\s*$", argument)) else ""
        if not recorder.start(channel, path, variables, plan.whole(limit)):
            return "-ERR Cannot record session!\n"
        return SUCCESS
    if action == "stop":
        return _stop_recording(console, channel, path)
    if action in ("pause", "resume"):
        found = recorder.pause(channel, path, action == "pause")
    elif action in ("mask", "unmask"):
        found = recorder.mask(channel, path, action == "mask")
    else:
        return _RECORD
    return SUCCESS if found else f"-ERR Cannot {action} recording session!\n"


def _stop_recording(console: Console, channel: Channel, path: str) -> str:
    paths = list(channel.recordings) if path.lower() == "all" else [path]
    if not paths or not all(one in channel.recordings for one in paths):
        return "-ERR Cannot stop record session!\n"
    if path.lower() == "all":
        console.switch.recorder.stop_all(channel)
    else:
        console.switch.recorder.stop(channel, path)
    return SUCCESS


def break_(console: Console, argument: str) -> str:
    """`uuid_break <uuid> [all] [both]`."""
    if not argument:
        return usage("<uuid> [all]")
    leg, _, flags = argument.partition(" ")
    channel = console.leg(leg)
    if channel is None:
        return NO_CHANNEL
    channel.break_off()
    if "both" in flags and channel.partner is not None:
        channel.partner.break_off()
    return OK


def broadcast(console: Console, argument: str) -> str:
    """`uuid_broadcast <uuid> <path or app::data> [aleg|bleg|holdb|both]`."""
    words = plan.words(argument, 4)
    if len(words) < 2:
        return usage("<uuid> <path> [aleg|bleg|holdb|both]")
    leg, what, side, *_rest = [*words, ""]
    channel = console.leg(leg)
    if channel is None:
        return "-ERR invalid uuid\n"
    side = side.lower()
    channel.broadcast_to(what, "both" if "both" in side else "bleg" if "bleg" in side else "aleg")
    return "+OK Message sent\n"


def answer(console: Console, argument: str) -> str:
    """`uuid_answer <uuid>`."""
    channel = console.leg(argument)
    if channel is None:
        return "-ERROR\n"
    channel.answer()
    return OK


def pre_answer(console: Console, argument: str) -> str:
    """`uuid_pre_answer <uuid>`."""
    channel = console.leg(argument)
    if channel is None:
        return "-ERROR\n"
    channel.early_media()
    return OK


def ring_ready(console: Console, argument: str) -> str:
    """`uuid_ring_ready <uuid> [queued]`."""
    leg, _, queued = argument.partition(" ")
    if not leg or queued not in ("", "queued"):
        return usage("<uuid> [queued]")
    channel = console.leg(leg)
    if channel is None:
        return "-ERROR\n"
    channel.progress()
    return OK


def send_dtmf(console: Console, argument: str) -> str:
    """`uuid_send_dtmf <uuid> <digits>`: to the far end of the leg, which hears them; no event tells of it."""
    leg, _, digits = argument.partition(" ")
    if not leg or not digits:
        return _DTMF
    if console.leg(leg) is None:
        return NO_SESSION
    return f"+OK {leg} sent DTMF {digits}.\n" if _DIGITS.match(digits) else FAILED


def recv_dtmf(console: Console, argument: str) -> str:
    """`uuid_recv_dtmf <uuid> <digits>`: as if the far end had pressed them."""
    leg, _, digits = argument.partition(" ")
    if not leg or not digits:
        return _DTMF
    channel = console.leg(leg)
    if channel is None:
        return NO_SESSION
    keys = [key for part in digits.removeprefix("~").split("+") for key in _keys(part)]
    if not keys:
        return _DTMF
    for key in keys:
        channel.key(key)
    return f"+OK {leg} received DTMF {digits}.\n"


def _keys(part: str) -> list[Key]:
    """`12@300`: keys and how long each is held, in ms (switch_channel_queue_dtmf_string)."""
    digits, _, ms = part.partition("@")
    samples = plan.whole(ms) * 8 if plan.whole(ms) * 8 > LEAST_SAMPLES else SENT_SAMPLES
    return [Key(digit, samples, "APP") for digit in digits if digit in "0123456789ABCDabcd*#"]


def flush_dtmf(console: Console, argument: str) -> str:
    """`uuid_flush_dtmf <uuid>`."""
    channel = console.leg(argument)
    if channel is None:
        return "-ERR No such session\n"
    channel.keys.flush()
    return OK


def hold(console: Console, argument: str) -> str:
    """`uuid_hold [off|toggle] <uuid> [display]`; of a leg that is gone it says Success too."""
    words = plan.words(argument, 4)
    if not words:
        return "-USAGE: [off|toggle] <uuid> [<display>]\n-ERR Operation failed\n"
    how = words.pop(0).lower() if words[0].lower() in ("off", "toggle") and len(words) > 1 else ""
    channel = console.leg(words[0])
    if channel is None:
        return SUCCESS
    held = channel.call_state == "HELD"
    if (how == "off" and not held) or (how == "toggle" and channel.call_state not in ("ACTIVE", "HELD")):
        return FAILED
    if how and held:
        channel.unhold()
    else:
        channel.hold()
    return SUCCESS


def phone_event(console: Console, argument: str) -> str:
    """`uuid_phone_event <uuid> [talk|hold]`: a NOTIFY to the phone."""
    if not argument:
        return "-USAGE: <uuid>\n-ERR Operation failed\n"
    return SUCCESS if console.leg(argument.split(" ")[0]) is not None else FAILED


def media(console: Console, argument: str) -> str:
    """`uuid_media [off] <uuid>`: this switch never leaves the path of the media."""
    if not argument:
        return "-USAGE: [off] <uuid>\n-ERR Operation failed\n"
    return FAILED


def audio(console: Console, argument: str) -> str:
    """`uuid_audio <uuid> start read|write mute|level <n>`, or stop."""
    words = plan.words(argument, 5)
    if len(words) < 2:
        return _AUDIO
    channel = console.leg(words[0])
    if channel is None:
        return NO_CHANNEL
    what, side, how = [*(word.lower() for word in words[1:4]), "", ""][:3]
    if what == "stop":
        for target in ("mute", "level"):
            channel.stop_bug("audio", target)
    elif what == "start" and len(words) == 5 and side in ("read", "write") and how in ("mute", "level"):
        if not any(one == "audio" for one, _target in channel.bugs):
            channel.start_bug("audio", how)
    else:
        return _AUDIO
    return OK


def deflect(console: Console, argument: str) -> str:
    """`uuid_deflect <uuid> <sip uri>`: an answered leg is sent away with a REFER and ends."""
    leg, _, uri = argument.partition(" ")
    if not leg or not uri:
        return usage("<uuid> <uri>")
    channel = console.leg(leg)
    if channel is None:
        return f"-ERR No such channel {leg}!\n"
    channel.hangup("BLIND_TRANSFER" if channel.times.answered else "NORMAL_CLEARING")
    return "+OK:no reply\n"


def display(console: Console, argument: str) -> str:
    """`uuid_display <uuid> <text>`."""
    leg, _, text = argument.partition(" ")
    if not leg or not text:
        return usage("<uuid> <display>")
    return SUCCESS if console.leg(leg) is not None else FAILED


def chat(console: Console, argument: str) -> str:
    """`uuid_chat <uuid> <text>`."""
    leg, _, text = argument.partition(" ")
    if not leg or not text:
        return usage("<uuid> <text>")
    return "+OK\n" if console.leg(leg) is not None else f"-ERR No such channel {leg}!\n"


def buglist(console: Console, argument: str) -> str:
    """`uuid_buglist <uuid>`: what listens in on the leg."""
    if not argument:
        return usage("<uuid>")
    channel = console.leg(argument)
    if channel is None:
        return ""
    listening = [("session_record", path) for path, one in channel.recordings.items() if one.session]
    listening += channel.bugs
    bugs = "".join(
        f" <media-bug>\n  <function>{what}</function>\n  <target>{html.escape(path)}</target>\n"
        "  <thread-locked>0</thread-locked>\n </media-bug>\n"
        for what, path in listening
    )
    return f"<media-bugs>\n{bugs}</media-bugs>\n"


def session_heartbeat(console: Console, argument: str) -> str:
    """`uuid_session_heartbeat <uuid> [sched] [0|<seconds>]`; 0 is every minute, only another word ends it."""
    text = "uuid_session_heartbeat <uuid> [sched] [0|<seconds>]\n"
    words = plan.words(argument, 3)
    if len(words) < 2:
        return f"-USAGE: {text}"
    channel = console.leg(words[0])
    if channel is None:
        return f"-ERR Cannot locate session. USAGE: {text}"
    asked = words[2] if words[1].lower() == "sched" and len(words) > 2 else words[1]
    if asked.isdecimal() or plan.says_yes(asked):
        console.switch.spawn(heartbeats.beat, channel, plan.whole(asked) or heartbeats.DEFAULT_S)
    else:
        channel.heartbeats += 1
    return OK


TABLE: Table = {
    "break": break_,
    "uuid_answer": answer,
    "uuid_audio": audio,
    "uuid_break": break_,
    "uuid_bridge": bridge,
    "uuid_broadcast": broadcast,
    "uuid_buglist": buglist,
    "uuid_chat": chat,
    "uuid_deflect": deflect,
    "uuid_display": display,
    "uuid_flush_dtmf": flush_dtmf,
    "uuid_hold": hold,
    "uuid_kill": kill,
    "uuid_media": media,
    "uuid_park": park,
    "uuid_phone_event": phone_event,
    "uuid_pre_answer": pre_answer,
    "uuid_record": record,
    "uuid_recv_dtmf": recv_dtmf,
    "uuid_ring_ready": ring_ready,
    "uuid_send_dtmf": send_dtmf,
    "uuid_session_heartbeat": session_heartbeat,
    "uuid_transfer": transfer,
}
