"""What `show` tells: the legs and calls that are up, who is registered, what is scheduled, what there is to call.

Enters: the switch, the words behind `show`. Leaves: CSV, JSON or XML as the real one words it; an empty table in JSON
has no rows at all. Columns are those of the core database. Source: switch_core_sqldb.c, mod_commands.c (show_function).
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable

from freeswitch.simulator import commands
from freeswitch.simulator.core_table import Call
from freeswitch.simulator.core_table import Row as CoreRow
from freeswitch.simulator.esl import wire
from freeswitch.simulator.registrations import Entry
from freeswitch.simulator.scheduler import OF_THE_SWITCH
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
    kind = next((one for one in _INTERFACES if what.startswith(one)), "")
    if what.startswith("status"):
        return switch.vitals.status()
    if table is None and not kind:
        return _USAGE
    rows, form, delimiter = table(switch) if table is not None else _interfaces(kind), "", ","
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
    return [_channel(switch, one) for one in switch.table.legs.values()]


def _calls(switch: Switch, *, bridged: bool, detailed: bool) -> list[Row]:
    legs, calls = switch.table.legs, switch.table.calls
    row = _detailed_call if detailed else _call
    second = {one.callee for one in calls}
    pairs: list[tuple[CoreRow, Call | None]] = [(legs[one.caller], one) for one in calls if one.caller in legs]
    callers = {one.caller for one in calls}
    if not bridged:
        pairs += [(one, None) for name, one in legs.items() if name not in second and name not in callers]
    found = [row(switch, first, call) for first, call in pairs if call is None or call.callee in legs or not bridged]
    return sorted(found, key=lambda one: one["created_epoch" if bridged or detailed else "call_created_epoch"])


def _stamp(at_us: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_us / 1e6))


_COLUMNS = """
uuid direction created created_epoch name state cid_name cid_num ip_addr dest application application_data dialplan
context read_codec read_rate read_bit_rate write_codec write_rate write_bit_rate secure hostname presence_id
presence_data accountcode callstate callee_name callee_num callee_direction call_uuid sent_callee_name sent_callee_num
initial_cid_name initial_cid_num initial_ip_addr initial_dest initial_dialplan initial_context
"""


def _channel(switch: Switch, told: CoreRow) -> Row:
    at_us, leg = int(told["created_us"]), switch.sessions.get(told["uuid"])
    media = {"codec": leg.codec, "rate": "8000", "bit_rate": "64000"} if leg is not None and leg.has_media else {}
    more = {f"{side}_{name}": value for side in ("read", "write") for name, value in media.items()}
    if leg is not None and media and leg.read_codec == "L16":
        more |= {"read_codec": "L16", "read_bit_rate": "128000"}
    more |= {"created": _stamp(at_us), "created_epoch": str(at_us // 1_000_000), "hostname": switch.core.hostname}
    return {name: more.get(name) or told.get(name, "") for name in _COLUMNS.split()}


_OF_A_CALL = """
uuid direction created created_epoch name state cid_name cid_num ip_addr dest presence_id presence_data accountcode
callstate callee_name callee_num callee_direction call_uuid hostname sent_callee_name sent_callee_num
"""
_ONLY_FIRST = ("call_uuid", "hostname")


def _call(switch: Switch, first: CoreRow, call: Call | None) -> Row:
    row, second = _channel(switch, first), _second(switch, call)
    row = {name: row[name] for name in _OF_A_CALL.split()}
    row |= {f"b_{name}": second.get(name, "") for name in row if name not in _ONLY_FIRST}
    return row | {"call_created_epoch": _met(call)}


def _detailed_call(switch: Switch, first: CoreRow, call: Call | None) -> Row:
    row, second = _channel(switch, first), _second(switch, call)
    row = {name: value for name, value in row.items() if not name.startswith("initial_")}
    row |= {f"b_{name}": second.get(name, "") for name in row}
    return row | {"call_created_epoch": _met(call)}


def _second(switch: Switch, call: Call | None) -> Row:
    told = switch.table.legs.get(call.callee) if call is not None else None
    return _channel(switch, told) if told is not None else {}


def _met(call: Call | None) -> str:
    return str(call.at_us // 1_000_000) if call is not None else ""


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
    group, what = OF_THE_SWITCH[-1]
    own = (len(OF_THE_SWITCH), what, group, switch.scheduler.cleans_up_at_us())
    return [
        {
            "task_id": str(number),
            "task_desc": what,
            "task_group": group,
            "task_runtime": str(due_us // 1_000_000),
            "task_sql_manager": "0",
            "hostname": switch.core.hostname,
        }
        for number, what, group, due_us in (
            own,
            *((task.number, task.what, task.group, task.due_us) for task in switch.scheduler),
        )
    ]


def _named(names: list[str], module: str) -> list[Row]:
    return [{"name": name, "description": "", "syntax": "", "ikey": module} for name in sorted(names)]


def _modules(switch: Switch) -> list[Row]:
    listed = [("api", name, "mod_commands") for name in sorted(commands.TABLE)]
    listed += [("application", name, "mod_dptools") for name in sorted(switch.applications)]
    return [{"type": kind, "name": name, "ikey": key, "filename": f"{key}.so"} for kind, name, key in listed]


_INTERFACES = {
    "chat": {"api": "mod_dptools", "event": "mod_dptools", "sip": "mod_sofia"},
    "codec": {"G.711 alaw": "CORE_PCM_MODULE", "G.711 ulaw": "CORE_PCM_MODULE"},
    "dialplan": {"XML": "mod_dialplan_xml", "inline": "mod_dptools"},
    "endpoint": {"error": "mod_dptools", "sofia": "mod_sofia", "user": "mod_dptools"},
    "file": {
        "file_string": "mod_dptools",
        "local_stream": "mod_local_stream",
        "silence_stream": "mod_tone_stream",
        "tone_stream": "mod_tone_stream",
        "wav": "mod_sndfile",
    },
    "limit": {"db": "mod_db", "hash": "mod_hash"},
    "management": {},
    "say": {},
    "timer": {"soft": "CORE_SOFTTIMER_MODULE"},
}
"""Kind -> name -> module: those of the real one that this switch has too."""


def _interfaces(kind: str) -> list[Row]:
    return [{"type": kind, "name": name, "ikey": key} for name, key in _INTERFACES[kind].items()]


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
    "nat_map": lambda _switch: [],
    "registrations": _registrations,
    "tasks": _tasks,
}
"""What stands in the usage but neither here nor among the interfaces, this switch has not: it says the usage."""
