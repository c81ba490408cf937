"""What `show` tells: the legs and calls that are up, who is registered, what is scheduled, what there is to call.

Enters: the switch, the words behind `show`. Leaves: CSV, JSON or XML as the real one words it; an empty table in JSON
has no rows at all. Columns are those of the core database. Source: switch_core_sqldb.c, mod_commands.c (show_function).
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable

from freeswitch.simulator import commands
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.esl import wire
from freeswitch.simulator.registrations import Entry
from freeswitch.simulator.switch import Switch

Row = dict[str, str]

_USAGE = (
    "-USAGE: codec|endpoint|application|api|dialplan|file|timer|calls [count]|channels [count|like <match string>]|"
    "calls|detailed_calls|bridged_calls|detailed_bridged_calls|aliases|complete|chat|management|modules|nat_map|say|"
    "interfaces|interface_types|tasks|limits|status\n"
)
_COUNTED = ("calls", "channels", "registrations")
"""Of the others `count` says nothing."""
_SEARCHED = ("uuid", "name", "cid_name", "cid_num", "presence_data", "accountcode")


def answer(switch: Switch, argument: str) -> str:
    """`show <what> [count|like <text>] [as json|xml|delim <character>]`."""
    words = argument.split()
    what, rest = (words[0].lower(), words[1:]) if words else ("", [])
    table = _TABLES.get(what)
    if table is None:
        return _USAGE
    rows, form, delimiter = table(switch), "", ","
    counts = what in _COUNTED and rest[:1] == ["count"]
    if counts:
        del rest[0]
    elif what == "channels" and rest[:1] == ["like"] and len(rest) > 1:
        rows = [row for row in rows if any(rest[1] in row.get(name, "") for name in _SEARCHED)]
        del rest[:2]
    if rest[:1] == ["as"] and len(rest) > 1:
        form, delimiter = rest[1].lower(), (rest[2:] or [","])[0]
        if form not in ("json", "xml", "delim", "csv"):
            return f"-ERR Cannot find format {rest[1]}\n"
    elif what in ("application", "api", "modules") and rest:
        rows = [row for row in rows if rest[0] in (row["name"], row["ikey"])]
    return _worded(rows, form, delimiter, counts=counts)


def _worded(rows: list[Row], form: str, delimiter: str, *, counts: bool) -> str:
    if form == "json":
        if counts:
            return f'{{"row_count":{len(rows)},"rows":[]}}'
        return _json(rows) if rows else '{"row_count": 0}\n'
    if form == "xml":
        return _xml(rows)
    listed = "" if counts or not rows else _as_csv(rows, delimiter)
    return f"{listed}\n{len(rows)} total.\n"


def _json(rows: list[Row]) -> str:
    texts = (wire.event_body(row, "json").decode("utf-8", "surrogateescape") for row in rows)
    return f'{{"row_count":{len(rows)},"rows":[{",".join(texts)}]}}'


def _as_csv(rows: list[Row], delimiter: str) -> str:
    return "\n".join([delimiter.join(rows[0]), *(delimiter.join(row.values()) for row in rows)]) + "\n"


def _xml(rows: list[Row]) -> str:
    if not rows:
        return '<result row_count="0"/>\n'
    texts = []
    for number, row in enumerate(rows, 1):
        cells = "".join(f"    <{name}>{html.escape(value)}</{name}>\n" for name, value in row.items())
        texts.append(f'  <row row_id="{number}">\n{cells}  </row>\n')
    return f'<result row_count="{len(rows)}">\n{"".join(texts)}</result>\n'


# --- legs and calls --------------------------------------------------------------------------------------------------


def _channels(switch: Switch) -> list[Row]:
    return [_channel(switch, one) for one in switch.sessions.values()]


def _calls(switch: Switch, *, bridged: bool, detailed: bool) -> list[Row]:
    second = {id(one.partner) for one in switch.channels.values() if _is_first(one)}
    firsts = [one for one in switch.channels.values() if id(one) not in second]
    row = _detailed_call if detailed else _call
    found = [row(switch, one) for one in firsts if not bridged or _is_first(one)]
    return sorted(found, key=lambda one: one["created_epoch" if bridged or detailed else "call_created_epoch"])


def _is_first(one: Channel) -> bool:
    return one.partner is not None and one.other is not None and one.other.kind == "originatee"


def _stamp(at_us: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_us / 1e6))


def _text(channel: Channel, name: str) -> str:
    value = channel.variables.get(name, "")
    return value if isinstance(value, str) else "ARRAY::" + "|:".join(value)


def _channel(switch: Switch, channel: Channel) -> Row:
    profile, initial = channel.profile, channel.initial
    # The table is not told of the last states: a leg that has ended stands there as it was, until it is destroyed.
    state, call_state = channel.was or (channel.state, channel.call_state)
    # The table learns of the callee when a leg is dialled, of a caller's only with the bridge of two answered legs
    # (CALL_UPDATE), and keeps it.
    talks = channel.partner is not None and channel.partner.answered.is_set() and channel.answered.is_set()
    met = talks or (channel.partner is None and channel.answered.is_set() and bool(channel.get("last_bridge_to")))
    told = met or channel.direction == "outbound"
    sent = ("", "")
    if talks:
        dials = _is_first(channel)
        sent = (profile.callee_name, profile.callee_number) if dials else (profile.caller_name, profile.caller_number)
    media = {"codec": "PCMU", "rate": "8000", "bit_rate": "64000"} if channel.has_media else {}
    codecs = {
        f"{side}_{name}": media.get(name, "") for side in ("read", "write") for name in ("codec", "rate", "bit_rate")
    }
    return {
        "uuid": channel.uuid,
        "direction": channel.direction,
        "created": _stamp(channel.times.created),
        "created_epoch": str(channel.times.created // 1_000_000),
        "name": profile.channel_name,
        "state": state,
        "cid_name": profile.caller_name,
        "cid_num": profile.caller_number,
        "ip_addr": profile.network_addr,
        "dest": channel.dialled_text,
        "application": _text(channel, "current_application"),
        "application_data": _text(channel, "current_application_data"),
        "dialplan": profile.dialplan,
        "context": profile.context,
        **codecs,
        "secure": "",
        "hostname": switch.core.hostname,
        "presence_id": channel.presence_id,
        "presence_data": _text(channel, "presence_data"),
        "accountcode": _text(channel, "accountcode"),
        "callstate": call_state,
        "callee_name": profile.callee_name if told else "",
        "callee_num": profile.callee_number if told else "",
        "callee_direction": channel.updated or ("SEND" if met else ""),
        "call_uuid": channel.call_uuid if met or channel.partner or channel.direction == "outbound" else "",
        "sent_callee_name": sent[0],
        "sent_callee_num": sent[1],
        "initial_cid_name": initial.caller_name,
        "initial_cid_num": initial.caller_number,
        "initial_ip_addr": initial.network_addr,
        "initial_dest": initial.destination,
        "initial_dialplan": initial.dialplan,
        "initial_context": initial.context,
    }


_OF_A_CALL = """
uuid direction created created_epoch name state cid_name cid_num ip_addr dest presence_id presence_data accountcode
callstate callee_name callee_num callee_direction call_uuid hostname sent_callee_name sent_callee_num
"""
_ONLY_FIRST = ("call_uuid", "hostname")


def _call(switch: Switch, channel: Channel) -> Row:
    first, second = _channel(switch, channel), _second(switch, channel)
    row = {name: first[name] for name in _OF_A_CALL.split()}
    row |= {f"b_{name}": second.get(name, "") for name in row if name not in _ONLY_FIRST}
    return row | {"call_created_epoch": _met(channel)}


def _detailed_call(switch: Switch, channel: Channel) -> Row:
    first, second = _channel(switch, channel), _second(switch, channel)
    row = {name: value for name, value in first.items() if not name.startswith("initial_")}
    row |= {f"b_{name}": second.get(name, "") for name in row}
    return row | {"call_created_epoch": _met(channel)}


def _second(switch: Switch, channel: Channel) -> Row:
    other = channel.partner if _is_first(channel) else None
    return _channel(switch, other) if other is not None else {}


def _met(channel: Channel) -> str:
    return str(channel.times.bridged // 1_000_000) if _is_first(channel) else ""


# --- the rest --------------------------------------------------------------------------------------------------------


def _registrations(switch: Switch) -> list[Row]:
    return [_registration(switch, entry) for entry in switch.registrar.listed()]


def _registration(switch: Switch, entry: Entry) -> Row:
    phone = entry.phone
    return {
        "reg_user": phone.id,
        "realm": phone.domain,
        "token": entry.call_id,
        "url": f"sofia/internal/{entry.contact}",
        "expires": str(entry.expires_us // 1_000_000),
        "network_ip": "127.0.0.1",
        "network_port": str(phone.port),
        "network_proto": "udp",
        "hostname": switch.core.hostname,
        "metadata": "",
    }


def _tasks(switch: Switch) -> list[Row]:
    return [
        {
            "task_id": str(task.number),
            "task_desc": task.what,
            "task_group": task.group,
            "task_runtime": str(task.due_us // 1_000_000),
            "task_sql_manager": "0",
            "hostname": switch.core.hostname,
        }
        for task in switch.scheduler
    ]


def _named(names: list[str], module: str) -> list[Row]:
    return [{"name": name, "description": "", "syntax": "", "ikey": module} for name in sorted(names)]


def _modules(switch: Switch) -> list[Row]:
    listed = [("api", name, "mod_commands") for name in sorted(commands.TABLE)]
    listed += [("application", name, "mod_dptools") for name in sorted(switch.applications)]
    return [{"type": kind, "name": name, "ikey": key, "filename": f"{key}.so"} for kind, name, key in listed]


_TABLES: dict[str, Callable[[Switch], list[Row]]] = {
    "aliases": lambda _switch: [],
    "api": lambda _switch: _named([*commands.TABLE, "show"], "mod_commands"),
    "application": lambda switch: _named(list(switch.applications), "mod_dptools"),
    "bridged_calls": lambda switch: _calls(switch, bridged=True, detailed=False),
    "calls": lambda switch: _calls(switch, bridged=False, detailed=False),
    "channels": _channels,
    "complete": lambda _switch: [],
    "detailed_bridged_calls": lambda switch: _calls(switch, bridged=True, detailed=True),
    "detailed_calls": lambda switch: _calls(switch, bridged=False, detailed=True),
    "modules": _modules,
    "registrations": _registrations,
    "tasks": _tasks,
}
"""What stands in the usage but not here, this switch has not: it answers with the usage."""
