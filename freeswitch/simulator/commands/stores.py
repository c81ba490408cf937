"""Commands about what the switch remembers: hash, db, limits, valet parking.

Enters: argument. Leaves: the real one's words, and the change. Source: mod_hash.c, mod_db.c, mod_valet_parking.c.
"""

from __future__ import annotations

from freeswitch.simulator import plan
from freeswitch.simulator.apps import valet
from freeswitch.simulator.commands.console import Console, Table

_HASH = "-ERR Usage: hash insert|insert_ifempty|select|delete|delete_ifmatch/realm/key[/value]\n"


def hash_reply(kept: dict[tuple[str, str], str], argument: str) -> str:
    """`hash insert|insert_ifempty|select|delete|delete_ifmatch/realm/key[/value]`; `kept` by (realm, key)."""
    what, realm, key, value = [*argument.split("/", 3), "", "", ""][:4]
    name = (realm, key)
    if not key:
        return _HASH
    if what == "select":
        return kept.get(name, "")
    if what == "insert" and value:
        kept[name] = value
        return "+OK\n"
    if what == "insert_ifempty" and value:
        if name in kept:
            return "-ERR key already exists\n"
        kept[name] = value
        return "+OK\n"
    if what in ("delete", "delete_ifmatch"):
        if name not in kept:
            return "-ERR Not found\n"
        if what == "delete_ifmatch" and kept[name] != value:
            return "-ERR Doesn't match\n"
        del kept[name]
        return "+OK\n"
    return _HASH


def db(console: Console, argument: str) -> str:
    """`db insert|select|delete|exists|count|list/realm/key[/value]`."""
    what, realm, key, value = [*argument.split("/", 3), "", "", ""][:4]
    kept, name = console.switch.kept["db"], (realm, key)
    keys = [one for area, one in kept if area == realm]
    if what == "insert" and key:
        kept[name] = value
        return "+OK"
    if what == "delete" and key:
        kept.pop(name, None)
        return "+OK"
    if what == "select":
        return kept.get(name, "")
    if what == "exists":
        return "true" if name in kept else "false"
    if what == "count":
        return str(len(keys) if realm else len(kept))
    if what == "list":
        return ",".join(keys if realm else dict.fromkeys(area for area, _key in kept))
    return "!err!"


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


TABLE: Table = {
    "db": db,
    "hash": lambda console, argument: hash_reply(console.switch.kept["hash"], argument),
    "limit_hash_usage": lambda console, argument: limit_usage(console, f"hash {argument}"),
    "limit_usage": limit_usage,
    "valet_info": valet_info,
    "uuid_limit": uuid_limit,
    "uuid_limit_release": uuid_limit_release,
}
