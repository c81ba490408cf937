"""Commands about what the switch remembers: hash, db, limits, valet parking.

Enters: argument. Leaves: the real one's words, and the change. Source: mod_hash.c, mod_db.c, mod_valet_parking.c.
"""

from __future__ import annotations

from freeswitch.simulator import kept, plan
from freeswitch.simulator.apps import valet
from freeswitch.simulator.commands.console import Console, Table


def limit_usage(console: Console, argument: str) -> str:
    """`limit_usage <backend> <realm> <id> [rate]`."""
    words = plan.words(argument)
    if len(words) < 2:
        return "USAGE: limit_usage <backend> <realm> <id> [rate]\n"
    known = words[0].lower() == "hash"
    legs, rate = console.switch.limits.usage(words[1], words[2] if len(words) > 2 else "") if known else (0, 0)
    return f"{legs}/{rate}" if words[3:4] == ["rate"] else str(legs)


def uuid_limit(console: Console, argument: str) -> str:
    """`uuid_limit <uuid> <backend> <realm> <resource> [max[/interval]]`: the leg counts from now on."""
    words = plan.words(argument)
    if len(words) < 3:
        return (
            "USAGE: uuid_limit <uuid> <backend> <realm> <resource> [<max>[/interval]] [number [dialplan [context]]]\n"
        )
    channel = console.leg(words[0])
    if channel is None:
        return f"-ERR Cannot find session with uuid {words[0]}\n"
    most, _, interval = (words[4] if len(words) > 4 else "-1").partition("/")
    number = int(most) if most.lstrip("-").isdecimal() and len(most) < 10 else -1
    seconds = int(interval) if interval.isdecimal() and len(interval) < 8 else 0
    now_s = console.switch.clock.now_us() // 1_000_000
    resource = words[3] if len(words) > 3 else ""
    if console.switch.limits.take(channel.uuid, words[2], resource, number, seconds, now_s) is None:
        destination, dialplan, context = [*words[5:], "limit_exceeded"][0], *[*words[6:], "", ""][:2]
        channel.transfer(destination, dialplan, context)
    return "+OK"


def uuid_limit_release(console: Console, argument: str) -> str:
    """`uuid_limit_release <uuid> <backend>`: the leg counts no more."""
    words = plan.words(argument)
    if len(words) < 2:
        return "USAGE: uuid_limit_release <uuid> <backend> [realm] [resource]\n"
    channel = console.leg(words[0])
    if channel is None:
        return f"-ERR Cannot find session with uuid {words[0]}\n"
    console.switch.limits.release(channel.uuid)
    return "+OK"


def valet_info(console: Console, argument: str) -> str:
    """`valet_info [lot]`: who is parked where."""
    return valet.info(console.switch, argument.strip())


def limit_interval_reset(console: Console, argument: str) -> str:
    """`limit_interval_reset <backend> <realm> <resource>`: the running interval begins anew."""
    words = plan.words(argument)
    if len(words) < 3:
        return "USAGE: limit_interval_reset <backend> <realm> <resource>\n"
    if words[0].lower() == "hash":
        console.switch.limits.begin_interval(words[1], words[2], console.switch.clock.now_us() // 1_000_000)
    return "+OK"


def limit_reset(_console: Console, argument: str) -> str:
    """`limit_reset <backend>`: mod_hash cannot (limit_reset_hash)."""
    return "-ERR" if argument else "USAGE: limit_reset <backend>\n"


def limit_status(_console: Console, argument: str) -> str:
    """`limit_status <backend>`: nor can it tell of itself."""
    if not argument:
        return "USAGE: limit_status <backend>\n"
    return "-ERR not supported yet (locking problems)." if argument.lower() == "hash" else "-ERR"


TABLE: Table = {
    "db": lambda console, argument: kept.db_reply(console.switch.kept["db"], argument),
    "hash": lambda console, argument: kept.hash_reply(console.switch.kept["hash"], argument),
    "limit_hash_usage": lambda console, argument: limit_usage(console, f"hash {argument}"),
    "limit_interval_reset": limit_interval_reset,
    "limit_reset": limit_reset,
    "limit_status": limit_status,
    "limit_usage": limit_usage,
    "valet_info": valet_info,
    "uuid_limit": uuid_limit,
    "uuid_limit_release": uuid_limit_release,
}
