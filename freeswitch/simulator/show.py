"""What `show` tells: the legs and calls that are up, and who is registered, in the columns of the core database.

Enters: the switch. Leaves: JSON text as `show … as json` words it; an empty table has no rows at all.
Source: switch_core_sqldb.c, mod_commands.c (show_function).
"""

from __future__ import annotations

import time

import msgspec

from freeswitch.simulator.channel import Channel
from freeswitch.simulator.people import Phone
from freeswitch.simulator.switch import Switch

Row = dict[str, str]


def answer(switch: Switch, argument: str) -> str:
    """`channels|calls|bridged_calls|registrations [count] [as json]`."""
    what, *rest = [*argument.split(), ""]
    rows = _rows(switch, what)
    if rows is None:
        return "-USAGE: channels|calls|bridged_calls|registrations [count] [as json]\n"
    if "json" not in rest:
        listed = "" if "count" in rest or not rows else _as_csv(rows)
        return f"{listed}\n{len(rows)} total.\n"
    if "count" in rest:
        return msgspec.json.encode({"row_count": 1, "rows": [{"count(*)": str(len(rows))}]}).decode()
    if not rows:
        return '{"row_count": 0}'
    return msgspec.json.encode({"row_count": len(rows), "rows": rows}).decode()


def _as_csv(rows: list[Row]) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n"


def _rows(switch: Switch, what: str) -> list[Row] | None:
    if what == "channels":
        return [_channel(switch, one) for one in switch.channels.values()]
    if what in ("calls", "bridged_calls"):
        second = {id(one.partner) for one in switch.channels.values() if _is_first(one)}
        firsts = [one for one in switch.channels.values() if id(one) not in second]
        return [_call(switch, one) for one in firsts if what == "calls" or _is_first(one)]
    if what == "registrations":
        return [_registration(switch, phone) for phone in switch.phones.values() if phone.registered]
    return None


def _is_first(one: Channel) -> bool:
    return one.partner is not None and one.other is not None and one.other.kind == "originatee"


def _stamp(at_us: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_us / 1e6))


def _text(channel: Channel, name: str) -> str:
    value = channel.variables.get(name, "")
    return value if isinstance(value, str) else "ARRAY::" + "|:".join(value)


def _common(switch: Switch, channel: Channel) -> Row:
    profile = channel.profile
    return {
        "uuid": channel.uuid,
        "direction": channel.direction,
        "created": _stamp(channel.times.created),
        "created_epoch": str(channel.times.created // 1_000_000),
        "name": profile.channel_name,
        "state": channel.state,
        "cid_name": profile.caller_name,
        "cid_num": profile.caller_number,
        "ip_addr": profile.network_addr,
        "dest": channel.dialled_text,
        "presence_id": channel.presence_id,
        "presence_data": _text(channel, "presence_data"),
        "accountcode": _text(channel, "accountcode"),
        "callstate": channel.call_state,
        "callee_name": profile.callee_name,
        "callee_num": profile.callee_number,
        "callee_direction": "SEND" if channel.partner else "",
        "call_uuid": channel.call_uuid if channel.partner or channel.direction == "outbound" else "",
        "hostname": switch.core.hostname,
        "sent_callee_name": "",
        "sent_callee_num": "",
    }


def _channel(switch: Switch, channel: Channel) -> Row:
    row = _common(switch, channel)
    media = "PCMU" if channel.has_media else ""
    row |= {
        "application": _text(channel, "current_application"),
        "application_data": _text(channel, "current_application_data"),
        "dialplan": channel.profile.dialplan,
        "context": channel.profile.context,
        "read_codec": media,
        "write_codec": media,
        "secure": "",
        "initial_cid_name": channel.initial.caller_name,
        "initial_cid_num": channel.initial.caller_number,
        "initial_ip_addr": channel.initial.network_addr,
        "initial_dest": channel.initial.destination,
        "initial_dialplan": channel.initial.dialplan,
        "initial_context": channel.initial.context,
    }
    return row


def _call(switch: Switch, channel: Channel) -> Row:
    row = _common(switch, channel)
    other = channel.partner if _is_first(channel) else None
    columns = _common(switch, other) if other else dict.fromkeys(row, "")
    row |= {f"b_{name}": value for name, value in columns.items() if name not in ("call_uuid", "hostname")}
    row["call_created_epoch"] = str(channel.times.bridged // 1_000_000) if other else ""
    return row


def _registration(switch: Switch, phone: Phone) -> Row:
    return {
        "reg_user": phone.id,
        "realm": phone.domain,
        "token": f"sim-{phone.id}",
        "url": f"sofia/internal/sip:{phone.id}@127.0.0.1:{phone.port}",
        "expires": str(switch.clock.now_us() // 1_000_000 + 3600),
        "network_ip": "127.0.0.1",
        "network_port": str(phone.port),
        "network_proto": "udp",
        "hostname": switch.core.hostname,
        "metadata": "",
    }
