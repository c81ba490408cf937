"""The command uuid_displace: whoever is at the far end of a leg hears a sound in the place of everything else.

Enters: argument. Leaves: the real one's words; the sound is calls/sounds.py's. Source: mod_commands.c
(session_displace_function).
"""

from __future__ import annotations

from freeswitch.simulator import plan
from freeswitch.simulator.calls import sounds
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
        done = sounds.displace(console.switch.sounds, channel, path, plan.whole(limit), endless="l" in flags)
        return SUCCESS if done else "-ERR Cannot displace session!\n"
    if action.lower() == "stop":
        return SUCCESS if channel.stop_bug("displace", path) else "-ERR Cannot stop displace session!\n"
    return _USAGE


TABLE: Table = {"uuid_displace": displace}
