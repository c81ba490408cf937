"""Commands that happen later: sched_transfer, sched_hangup, sched_broadcast, sched_api, sched_del.

Enters: argument. Leaves: the real one's words, and a task of the switch. `sched_del` takes a task's number or its
group; a leg's tasks have its uuid as group. Source: mod_commands.c, switch_scheduler.c.
"""

from __future__ import annotations

from freeswitch.simulator import causes, plan
from freeswitch.simulator.commands.console import NO_CHANNEL, OK, Console, Table, usage

_API = "-ERR Invalid syntax. USAGE: [+@]<time> <group_name> <command_string>[&]\n"


def sched_transfer(console: Console, argument: str) -> str:
    """`sched_transfer [+]<time> <uuid> <extension> [dialplan] [context]`."""
    words = plan.words(argument, 6)
    if not 2 <= len(words) <= 5:
        return usage("[+]<time> <uuid> <extension> [<dialplan>] [<context>]")
    after, leg, destination, dialplan, context = [*words, "", "", ""][:5]
    channel = console.leg(leg)
    if channel is None:
        return NO_CHANNEL
    console.switch.schedule(channel, after, "transfer", lambda: channel.transfer(destination, dialplan, context))
    return OK


def sched_hangup(console: Console, argument: str) -> str:
    """`sched_hangup [+]<time> <uuid> [cause]`; `+0` at once."""
    words = plan.words(argument, 4)
    if not words:
        return usage("[+]<time> <uuid> [<cause>]")
    after, leg, cause = [*words, "", ""][:3]
    channel = console.leg(leg)
    if channel is None:
        return NO_CHANNEL
    reason = causes.named(cause) if cause else "ALLOTTED_TIMEOUT"
    if not after[1:].isdecimal() or int(after[1:][:12]) == 0:
        channel.hangup(reason)
    else:
        console.switch.schedule(channel, after, "hangup", lambda: channel.hangup(reason))
    return OK


def sched_broadcast(console: Console, argument: str) -> str:
    """`sched_broadcast [[+]<time>|@time] <uuid> <path or app::data> [aleg|bleg|both]`; it does not ask for the leg."""
    words = plan.words(argument, 4)
    if len(words) < 3:
        return usage("[[+]<time>|@time] <uuid> <path> [aleg|bleg|both]")
    after, leg, what, side = [*words, ""][:4]
    channel = console.leg(leg)

    def act() -> None:
        if channel is not None:
            channel.broadcast_to(what, side.lower())

    if channel is not None:
        console.switch.schedule(channel, after.lstrip("@"), "broadcast", act)
    else:
        console.switch.scheduler.add(leg, after.lstrip("@"), act, "switch_ivr_schedule_broadcast")
    return "+OK Message scheduled\n"


def sched_api(console: Console, argument: str) -> str:
    """`sched_api [+@]<time> <group> <command>[&]`; `@n` again and again, every n seconds."""
    when, _, rest = argument.partition(" ")
    group, space, command = rest.partition(" ")
    if not space:
        return _API
    name, _, data = command.rstrip("&").partition(" ")

    def act() -> None:
        if when.startswith("@"):
            console.switch.scheduler.add(group, "+" + when[1:], act, "sched_api_function")
        console.run(name, data)

    number = console.switch.scheduler.add(
        group, "+" + when[1:] if when.startswith("@") else when, act, "sched_api_function"
    )
    return f"+OK Added: {number}\n"


def sched_del(console: Console, argument: str) -> str:
    """`sched_del <number or group>`: how many tasks it took away."""
    return f"+OK Deleted: {console.switch.scheduler.cancel(argument)}\n"


def unsched_api(console: Console, argument: str) -> str:
    """`unsched_api <number>`."""
    number = plan.whole(argument)
    if not number:
        return ""
    return OK if console.switch.scheduler.cancel(str(number)) else "-ERR No such id\n"


TABLE: Table = {
    "sched_api": sched_api,
    "sched_broadcast": sched_broadcast,
    "sched_del": sched_del,
    "sched_hangup": sched_hangup,
    "sched_transfer": sched_transfer,
    "unsched_api": unsched_api,
}
