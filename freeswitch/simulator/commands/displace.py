"""The command uuid_displace: whoever is at the far end of a leg hears a sound in the place of everything else.

Enters: a leg, start or stop, what to hear. Leaves: MEDIA_BUG_START, and MEDIA_BUG_STOP when the sound ends. Source:
mod_commands.c (session_displace_function), switch_ivr_async.c (switch_ivr_displace_session).
"""

from __future__ import annotations

from freeswitch.simulator import plan
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.commands.console import NO_SESSION, SUCCESS, Console, Table, usage

_USAGE = usage("<uuid> [start|stop] <path> [<limit>] [mux]")


def displace(console: Console, argument: str) -> str:
    """`uuid_displace <uuid> start|stop <path> [limit s] [flags]`; flag `l` plays it again and again."""
    words = plan.words(argument, 5)
    if len(words) < 3:
        return _USAGE
    leg, action, path, limit, flags = [*words, "", ""][:5]
    channel = console.leg(leg)
    if channel is None:
        return NO_SESSION
    if action.lower() == "start":
        channel.early_media()
        if ("displace", path) in channel.bugs or path in console.switch.sounds.missing:
            return "-ERR Cannot displace session!\n"
        channel.start_bug("displace", path)
        seconds = [plan.whole(limit) or None, None if "l" in flags else console.switch.sounds.seconds(path)]
        if ends_s := min((one for one in seconds if one is not None), default=None):
            console.switch.spawn(_stop_later, channel, path, ends_s)
        return SUCCESS
    if action.lower() == "stop":
        return SUCCESS if channel.stop_bug("displace", path) else "-ERR Cannot stop displace session!\n"
    return _USAGE


def _stop_later(channel: Channel, path: str, seconds: float) -> None:
    if not channel.clock.wait(channel.gone, seconds):
        channel.stop_bug("displace", path)


TABLE: Table = {"uuid_displace": displace}
