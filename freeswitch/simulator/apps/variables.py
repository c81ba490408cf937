"""Applications that set variables.

Enters: a leg and the expanded data. Leaves: its variables. Source: mod_dptools.c.
"""

from __future__ import annotations

from dataclasses import replace

from freeswitch.simulator import kept, plan
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.switch import Switch


def set_(_switch: Switch, channel: Channel, data: str) -> None:
    name, _, value = data.partition("=")
    channel.set(name.strip(), value)


def unset(_switch: Switch, channel: Channel, data: str) -> None:
    channel.set(data.strip(), "")


def multiset(_switch: Switch, channel: Channel, data: str) -> None:
    for name, value in plan.assignments(data):
        channel.set(name, value)


def export(_switch: Switch, channel: Channel, data: str) -> None:
    name, _, value = data.partition("=")
    channel.export(name, value)


def multiunset(_switch: Switch, channel: Channel, data: str) -> None:
    """`[^^<delimiter>]<name> <name>…`."""
    between, names = (data[2:3], data[3:]) if data.startswith("^^") else (" ", data)
    for name in names.split(between) if between else []:
        channel.set(name, "")


def push(_switch: Switch, channel: Channel, data: str) -> None:
    """`<name>=<value>`: behind what the variable holds."""
    name, equals, value = data.partition("=")
    if equals and value:
        channel.add_to_list(name, value)


def unshift(_switch: Switch, channel: Channel, data: str) -> None:
    """`<name>=<value>`: ahead of what the variable holds."""
    name, equals, value = data.partition("=")
    before = channel.variables.get(name)
    if equals and value:
        channel.variables[name] = (
            value if before is None else [value, *([before] if isinstance(before, str) else before)]
        )


def set_global(switch: Switch, _channel: Channel, data: str) -> None:
    name, equals, value = data.partition("=")
    if equals:
        switch.global_variables[name] = value


def set_profile_var(_switch: Switch, channel: Channel, data: str) -> None:
    """`caller_id_name=…` and its kin: what the caller profile says from now on."""
    name, _, value = (one.strip() for one in data.partition("="))
    profile = channel.profile
    changed = {
        "caller_id_name": replace(profile, caller_name=value),
        "caller_id_number": replace(profile, caller_number=value),
        "callee_id_name": replace(profile, callee_name=value),
        "callee_id_number": replace(profile, callee_number=value),
    }
    channel.profile = changed.get(name, profile)


def hash_(switch: Switch, _channel: Channel, data: str) -> None:
    """`insert|insert_ifempty|delete|delete_ifmatch/realm/key[/value]`."""
    kept.hash_reply(switch.kept["hash"], data)


def db(switch: Switch, _channel: Channel, data: str) -> None:
    """`insert|delete/realm/key[/value]`."""
    kept.db_reply(switch.kept["db"], data)


def event(_switch: Switch, channel: Channel, data: str) -> None:
    """`[Event-Name=…,][Event-Subclass=…,]<header>=<value>,…`: an event of the leg with these headers."""
    pairs = [one.strip(" ").partition("=") for one in data.split(",") if "=" in one]
    said = {name.strip(" "): value.strip(" ") for name, _, value in pairs}
    name, subclass = said.pop("Event-Name", "CHANNEL_APPLICATION"), said.pop("Event-Subclass", "")
    channel.fire(name.upper(), before={**said}, subclass=subclass)


def verbose_events(_switch: Switch, channel: Channel, data: str) -> None:
    """Every event of the leg tells its variables from now on; no, false: not any more."""
    channel.verbose = not data or plan.says_yes(data)


def set_user(switch: Switch, channel: Channel, data: str) -> None:
    """`<id>[@<domain>]`: the variables of that entry of the directory."""
    name, _, domain = data.split(" ")[0].partition("@")
    phone = switch.phones.get(f"{name}@{domain or switch.domain}")
    if phone is not None:
        about = {"user_context": "default", **phone.variables, "user_name": phone.id, "domain_name": phone.domain}
        for variable, value in about.items():
            channel.set(variable, value)


def nothing(_switch: Switch, _channel: Channel, _data: str) -> None:
    """`eval` and `log` change nothing on the call; others only its sound, of which no event tells."""


def bridge_export(_switch: Switch, channel: Channel, data: str) -> None:
    """As `export`, to legs that it is bridged to in any way."""
    name, _, value = data.partition("=")
    channel.export(name, value, "bridge_export_vars")
