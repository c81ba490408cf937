"""Commands that ask a leg, or set something on it: uuid_getvar, uuid_setvar, uuid_dump, uuid_exists, eval, expand.

Enters: argument. Leaves: the real one's words. What a variable holds is never expanded here except where the real one
expands it, and `${api(…)}` never: the product runs the switch with api-expansion=false. Source: mod_commands.c.
"""

from __future__ import annotations

import html
import re

from freeswitch.simulator import plan
from freeswitch.simulator.calls.profile import Headers
from freeswitch.simulator.commands.console import NO_CHANNEL, OK, Console, Table, usage
from freeswitch.simulator.esl import wire
from freeswitch.simulator.events import channel_headers

_MULTI = usage("<uuid> <var>=<value>;<var>=<value>...")
_DENIED = "<API execute Permission Denied>"
"""Worded differently from the refusal within applications (switch_event_expand_headers)."""
_GLOBAL = re.compile(r"\$\$\{([^}]*)\}")


def exists(console: Console, argument: str) -> str:
    """`uuid_exists <uuid>`."""
    return "true" if console.leg(argument) is not None else "false"


def getvar(console: Console, argument: str) -> str:
    """`uuid_getvar <uuid> <name>`."""
    words = plan.words(argument)
    if len(words) < 2:
        return usage("<uuid> <var>")
    channel = console.leg(words[0])
    if channel is None:
        return NO_CHANNEL
    value = channel.get(words[1])
    return "_undef_" if value is None else value


def setvar(console: Console, argument: str) -> str:
    """`uuid_setvar <uuid> <name> [value]`; without a value it is unset."""
    words = plan.words(argument, 3)
    if len(words) < 2:
        return usage("<uuid> <var> [value]")
    channel = console.leg(words[0])
    if channel is None:
        return NO_CHANNEL
    channel.set(words[1], words[2] if len(words) > 2 else "")
    return OK


def setvar_multi(console: Console, argument: str) -> str:
    """`uuid_setvar_multi <uuid> a=b;c=d`; a value with `${` is refused, without a word."""
    leg, space, pairs = argument.partition(" ")
    if not leg:
        return _MULTI
    if not space:
        return ""
    channel = console.leg(leg)
    if channel is None:
        return NO_CHANNEL + _MULTI
    said, count = "", 0
    for pair in plan.separated(pairs, ";"):
        name, _, value = pair.partition("=")
        if not name.strip():
            said += "-ERR No variable specified\n"
            continue
        count += 1
        if "${" not in value:
            channel.set(name.strip(), value)
    return said + (OK if count else _MULTI)


def dump(console: Console, argument: str) -> str:
    """`uuid_dump <uuid> [json|xml|plain|txt]`; txt, the default, leaves the values as they are."""
    words = plan.words(argument, 2)
    if not words:
        return usage("<uuid> [format]")
    channel = console.leg(words[0])
    if channel is None:
        return NO_CHANNEL
    headers: Headers = console.switch.core.stamp("CHANNEL_DATA") | channel_headers(channel)
    if channel.partner is not None:
        headers["variable_bridge_to"] = channel.partner.uuid  # only while they are bridged (switch_ivr_bridge.c)
    form = words[1].lower() if len(words) > 1 else "txt"
    if form == "json":
        return wire.event_body(headers, "json").decode("utf-8", "surrogateescape")
    if form == "xml":
        return wire.event_body(headers, "xml").decode("utf-8", "surrogateescape")
    if form == "plain":
        return wire.event_body(headers, "plain").decode("utf-8", "surrogateescape")
    texts = ((name, one if isinstance(one, str) else "ARRAY::" + "|:".join(one)) for name, one in headers.items())
    return "".join(f"{name}: {value}\n" for name, value in texts) + "\n"


def global_getvar(console: Console, argument: str) -> str:
    """`global_getvar [name]`: one, or all."""
    known = _globals(console)
    if not argument:
        return "".join(f"{name}={value}\n" for name, value in known.items())
    return known.get(argument, "")


def global_setvar(console: Console, argument: str) -> str:
    """`global_setvar name=value`; an empty value unsets it."""
    name, _, value = argument.partition("=")
    if not name:
        return usage("<var>=<value> [=<value2>]")
    if value:
        console.switch.global_variables[name] = value
    else:
        console.switch.global_variables.pop(name, None)
    return "+OK"


def _globals(console: Console) -> dict[str, str]:
    core, switch = console.switch.core, console.switch
    own = {
        "hostname": core.hostname,
        "local_ip_v4": "127.0.0.1",
        "local_ip_v6": "::1",
        "core_uuid": core.uuid,
        "domain": switch.domain,
    }
    return own | switch.global_variables


def expanded(console: Console, text: str) -> str:
    """Globals, and with `uuid:<uuid>` before it what an event of that leg says, as `${Unique-ID}` or `${variable_x}`; a
    call of a command is denied. Source: switch_event_expand_headers.
    """
    channel, known = None, _globals(console)
    if text.startswith("uuid:"):
        name, _, text = text[5:].partition(" ")
        channel = console.leg(name)
    event = console.switch.core.stamp("CHANNEL_DATA") | (channel_headers(channel) if channel is not None else {})
    told = {key.lower(): value for key, value in event.items()}

    def lookup(name: str) -> str | None:
        value = told.get(name.lower())
        return value if isinstance(value, str) else known.get(name)

    done = plan.expand(_GLOBAL.sub(lambda m: known.get(m[1], ""), text), lookup)
    return done.replace(plan.DENIED, _DENIED)


def evaluate(console: Console, argument: str) -> str:
    """`eval [uuid:<uuid> ]<text>`."""
    return expanded(console, argument)


def xml_wrap(console: Console, argument: str) -> str:
    """`xml_wrap <command>`: its reply as XML."""
    command, _, rest = argument.partition(" ")
    reply = console.run(command, rest) if command else "INVALID COMMAND!\n"
    return f'<result>\n  <row id="1">\n    <data>{html.escape(reply, quote=False)}</data>\n  </row>\n</result>\n'


def expand(console: Console, argument: str) -> str:
    """`expand [uuid:<uuid> ]<command>`: the command after expansion."""
    if not argument:
        return "-ERR No input\n"
    command, _, rest = expanded(console, argument).partition(" ")
    return console.run(command, rest)


TABLE: Table = {
    "eval": evaluate,
    "expand": expand,
    "global_getvar": global_getvar,
    "global_setvar": global_setvar,
    "uuid_dump": dump,
    "xml_wrap": xml_wrap,
    "uuid_exists": exists,
    "uuid_getvar": getvar,
    "uuid_setvar": setvar,
    "uuid_setvar_multi": setvar_multi,
}
