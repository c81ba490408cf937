"""PURE: how the switch of a trace was configured: its dialplan, its gateways, who was registered when the trace begins.

Enters: the events of a trace. Leaves: configuration, the same kind of thing that files of the switch hold. A trace of a
stock switch carries no such files, so they are read off what it executed; without such events the shipped files serve.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from freeswitch.simulator.check.read import Headers, Trace, stamp_us, text
from freeswitch.simulator.plan import READ_AHEAD_MS, App

MUCH_LONGER_S = 60.0
"""A sound file of which only the beginning was heard."""
_BRACED = re.compile(r"sofia/gateway/([^/\s]+)/")
_PHONE = re.compile(r"sofia/[^/\s]+/([^%/\s,|\[\]]+)%([^\s,|~\[\]'()]+)")
_ROW = re.compile(r'"reg_user":"([^"]+)","realm":"([^"]+)"')
_SIGNED_ON = re.compile(r'"reg_user":"([^"]+)","realm":"([^"]+)","token":"([^"]+)"')
_CONTACT = re.compile(r'"reg_user":"([^"]+)","realm":"([^"]+)".*?"url":"[^"]*:(\d+)"')
_GATEWAY = re.compile(r"\w+::(\S+)\tgateway\t\s*sip:([^@\s]+)@(\S+)\t")
_ONE_GATEWAY = re.compile(r"^Name\s*\t(\S+)$.*?^Username\s*\t(\S*)$.*?^Proxy\s*\tsip:(\S+)$", re.MULTILINE | re.DOTALL)
_LOT = re.compile(r'<lot name="([^"&]+)">')
_FROM_SAMPLE = re.compile(r"(.+)@@(\d{1,9})")
_PLAYS = ("playback", "endless_playback", "loop_playback")
WRITTEN_AFTER_US = 260_000
"""How late the tables of the core may be: its writer gathers for 39 times 5 ms before it writes (switch_core_sqldb.c,
switch_user_sql_thread)."""
_NET = App("sched_transfer", "+4 fallback XML fallback")


@dataclass(frozen=True)
class Configured:
    """What stands in the files of that switch."""

    extensions: Mapping[tuple[str, str], tuple[App, ...]]
    """(context, number) -> applications."""
    gateways: Mapping[str, str]
    """Name -> host and port of the carrier, empty where no call showed it."""
    phones: Mapping[str, bool]
    """`1001@domain` -> whether it is registered when the trace begins."""
    listed: frozenset[str]
    """Those of them that a list of registrations shows."""
    ports: Mapping[str, int]
    """Where phones are when the trace begins, as far as it shows that."""
    hostname: str
    directory: Mapping[str, Mapping[str, str]]
    """`1001@domain` -> variables of its entry."""
    expiries_us: Mapping[str, int] = field(default_factory=dict)
    """`1001@domain` -> until when it is registered, of those whose end is told and whose beginning is not."""
    usernames: Mapping[str, str] = field(default_factory=dict)
    """Name of a gateway -> what the switch calls itself there."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Global ones."""
    missing: frozenset[str] = frozenset()
    """Sound files that were asked for and are not there."""
    lengths_s: Mapping[str, float] = field(default_factory=dict)
    """How long sound files are that were heard to their end."""
    keeps_presence: bool = False
    """Whether legs have a name under which they are busy (manage-presence)."""
    presence_hosts: str = "n/a"
    lots: tuple[str, ...] = ()
    """Lots in which somebody had been parked before: they stay, empty."""


def configured(trace: Trace) -> Configured:
    """The configuration behind a trace."""
    texts = [said.command for said in trace.commands]
    extensions = _extensions(trace.events)
    texts += [app.data for apps in extensions.values() for app in apps]
    return Configured(
        extensions=extensions,
        gateways={name: host for name, (_user, host) in _shown(trace).items()} | _gateways(trace.events),
        usernames={name: user for name, (user, _host) in _shown(trace).items()},
        phones=_phones(trace, texts),
        listed=frozenset(_listed(trace) - _came(trace)),
        ports=_ports(trace),
        expiries_us=_expiries_us(trace),
        hostname=next((text(event, "FreeSWITCH-Hostname") for event in trace.events), ""),
        directory=_directory(trace.events),
        missing=_missing(trace.events),
        lengths_s=_lengths_s(trace.events),
        keeps_presence=any(text(event, "Channel-Presence-ID") for event in trace.events),
        presence_hosts=next((one for event in trace.events if (one := text(event, "presence-hosts"))), "n/a"),
        lots=tuple(next((_LOT.findall(said.reply) for said in trace.commands if "valet_info" in said.command), [])),
    )


def _missing(events: Sequence[Headers]) -> frozenset[str]:
    """Files that were to be played and never began."""
    asked = {
        text(event, "Application-Data")
        for event in events
        if text(event, "Event-Name") == "CHANNEL_EXECUTE" and text(event, "Application") in _PLAYS
    }
    heard = {text(event, "Playback-File-Path") for event in events if text(event, "Event-Name") == "PLAYBACK_START"}
    if not heard and any(text(event, "variable_playback_samples") for event in events):
        return frozenset()
    asked = {path.partition("@@")[0] for path in asked}
    return frozenset(path for path in asked - heard if path and "://" not in path)


def _lengths_s(events: Sequence[Headers]) -> dict[str, float]:
    """Of files that ended by themselves: as long as they were heard the longest. Of others what was read of them: they
    are read in pieces, of which only the last is smaller."""
    found: dict[str, float] = {}
    began: dict[tuple[str, str], int] = {}
    skipped_us: dict[tuple[str, str], int] = {}
    for event in events:
        path, name = text(event, "Playback-File-Path"), text(event, "Event-Name")
        one = (text(event, "Unique-ID"), path)
        if name == "CHANNEL_EXECUTE" and (from_sample := _FROM_SAMPLE.fullmatch(text(event, "Application-Data"))):
            skipped_us[(one[0], from_sample[1])] = int(from_sample[2]) * 125
        elif name == "PLAYBACK_START" and "://" not in path:
            began[one] = stamp_us(event) - skipped_us.pop(one, 0)
        elif name == "PLAYBACK_STOP" and one in began:
            read_ms = text(event, "variable_playback_ms")
            if text(event, "Playback-Status") == "done":
                found[path] = max(found.get(path, 0.0), (stamp_us(event) - began.pop(one)) / 1_000_000)
            elif read_ms.isdecimal():
                whole = int(read_ms) % READ_AHEAD_MS != 0
                found.setdefault(path, int(read_ms) / 1000 + (0 if whole else MUCH_LONGER_S))
    return found


def _extensions(events: Sequence[Headers]) -> dict[tuple[str, str], tuple[App, ...]]:
    """What each pass through the XML dialplan executed, up to the park; parks tell of passes without such events."""
    found: dict[tuple[str, str], tuple[App, ...]] = {}
    passes: dict[tuple[str, str], list[App]] = {}
    keys: dict[tuple[str, str], tuple[str, str]] = {}
    for event in events:
        if text(event, "Caller-Dialplan") != "XML" or text(event, "Channel-State") not in ("CS_ROUTING", "CS_EXECUTE"):
            continue
        one = (text(event, "Unique-ID"), text(event, "Caller-Profile-Index"))
        keys[one] = (text(event, "Caller-Context"), text(event, "Caller-Destination-Number"))
        name, apps = text(event, "Event-Name"), passes.setdefault(one, [])
        if name == "CHANNEL_EXECUTE" and not (apps and apps[-1].name == "park"):
            apps.append(App(text(event, "Application"), text(event, "Application-Data")))
        elif name == "CHANNEL_PARK" and not apps:
            apps += _parked(event)
    for event in events:
        # Where neither applications nor parks are told, what the extension set is still there.
        one = (text(event, "Unique-ID"), "1")
        if not any(passes.get(one, ())) and text(event, "Call-Direction") == "inbound" and _number(event):
            keys[one] = (_first_context(event), _number(event))
            passes[one] = _static(event) or _parked(event)
    found[_FALLBACK] = ()
    for one, apps in passes.items():
        if apps and len(apps) > len(found.get(keys[one], ())):
            found[keys[one]] = tuple(apps)
    found[_FALLBACK] = found[_FALLBACK] or _APOLOGY
    return found


def _number(event: Headers) -> str:
    """What the caller dialled, as the extension noted it."""
    return text(event, "variable_tt_did")


def _first_context(event: Headers) -> str:
    return "default" if text(event, "variable_sofia_profile_name") == "internal" else "public"


_FALLBACK = ("fallback", "fallback")
_APOLOGY = (
    App("multiset", "tt_decision=fallback tt_stage=fallback"),
    App("answer"),
    App("playback", "tone_stream://%(200,100,500);%(200,100,400);loops=4"),
    App("hangup", "NORMAL_TEMPORARY_FAILURE"),
)
"""What stands there where a trace does not tell."""


def _static(event: Headers) -> list[App]:
    """An extension that marks the leg and dials at once, as the emergency numbers' does."""
    if text(event, "variable_tt_stage") != "emergency" or text(event, "variable_current_application") != "bridge":
        return []
    marks = ("tt_tenant", "tt_origin", "tt_did", "tt_stage", "tt_decision", "hangup_after_bridge")
    set_there = " ".join(f"{name}={value}" for name in marks if (value := text(event, f"variable_{name}")))
    return [App("multiset", set_there), App("bridge", text(event, "variable_current_application_data"))]


def _parked(event: Headers) -> list[App]:
    """An extension that marks the leg, arms the safety net and parks, as the shipped one does."""
    marks = {name: text(event, f"variable_{name}") for name in ("tt_tenant", "tt_origin", "tt_did", "tt_stage")}
    set_there = " ".join(f"{name}={value}" for name, value in marks.items() if value)
    armed = [_NET] if text(event, "variable_last_sched_id") else []
    return [*([App("multiset", set_there)] if set_there else []), *armed, App("park")]


def _gateways(events: Sequence[Headers]) -> dict[str, str]:
    found: dict[str, str] = {}
    for event in events:
        for name in ("variable_sip_gateway_name", "variable_sip_gateway", "Gateway"):
            if gateway := text(event, name):
                found.setdefault(gateway, text(event, "variable_sip_to_host"))
    return found


def _phones(trace: Trace, texts: Sequence[str]) -> dict[str, bool]:
    """A phone that a leg was made for, or that answered a command, was registered; so was one that only refreshed,
    unless somebody dialled it in vain before."""
    named = {f"{phone}@{domain}" for one in texts for phone, domain in _PHONE.findall(one)}
    for event in trace.events:
        if text(event, "Event-Subclass").startswith("sofia::") and text(event, "from-user"):
            named.add(f"{text(event, 'from-user')}@{text(event, 'from-host')}")
        if text(event, "variable_sip_auth_username") and _first_context(event) == "default":
            named.add(f"{text(event, 'variable_sip_auth_username')}@{text(event, 'variable_domain_name')}")
    there = {text(event, "Caller-Destination-Number").replace("%", "@", 1) for event in trace.events}
    there -= _dialled_in_vain(trace.events)
    there |= (listed := _listed(trace) - _came(trace))
    # The list keeps phones whose registration was flushed.
    there -= {said.command.split()[-1] for said in trace.commands if said.reply.startswith("error/user_not_reg")}
    rows = next((found for said in trace.commands if (found := _ROW.findall(said.reply))), [])
    first = {f"{user}@{realm}": place for place, (user, realm) in enumerate(rows)}
    return {
        phone: phone in there for phone in sorted(named | listed, key=lambda one: (first.get(one, len(first)), one))
    }


def _dialled_in_vain(events: Sequence[Headers]) -> set[str]:
    """Phones that a plan dialled before they signed on: no leg was made for them, nor had they just been taken off."""
    tried, seen, found = set[str](), set[str](), set[str]()
    for event in events:
        subclass = text(event, "Event-Subclass")
        if subclass == "sofia::register":
            found |= {f"{text(event, 'from-user')}@{text(event, 'from-host')}"} & tried - seen
        elif subclass in ("sofia::expire", "sofia::unregister"):
            seen.add(
                f"{text(event, 'user') or text(event, 'from-user')}@{text(event, 'host') or text(event, 'from-host')}"
            )
        elif text(event, "Event-Name") == "CHANNEL_EXECUTE":
            tried |= {f"{phone}@{domain}" for phone, domain in _PHONE.findall(text(event, "Application-Data"))}
        seen.add(text(event, "Caller-Destination-Number").replace("%", "@", 1))
    return found


def _expiries_us(trace: Trace) -> dict[str, int]:
    """Of phones that signed on before the trace began and were taken off the list in it."""
    found: dict[str, int] = {}
    for event in trace.events:
        if text(event, "Event-Subclass") == "sofia::register":
            found.setdefault(f"{text(event, 'from-user')}@{text(event, 'from-host')}", 0)
        elif text(event, "Event-Subclass") == "sofia::expire" and text(event, "expires").isdecimal():
            address = f"{text(event, 'user')}@{text(event, 'host')}"
            found.setdefault(address, int(text(event, "expires")) * 1_000_000)
    return {address: until_us for address, until_us in found.items() if until_us}


def _ports(trace: Trace) -> dict[str, int]:
    """Where a list of registrations says that phones are, or else where they first sent a password from."""
    found: dict[str, int] = {}
    for event in trace.events:
        user, port = text(event, "to-user"), text(event, "network-port")
        if text(event, "Event-Subclass") == "sofia::register_attempt" and user and port.isdecimal():
            found.setdefault(f"{user}@{text(event, 'to-host')}", int(port))
    return found | {
        f"{user}@{realm}": int(port) for said in trace.commands for user, realm, port in _CONTACT.findall(said.reply)
    }


def _shown(trace: Trace) -> dict[str, tuple[str, str]]:
    """Gateways in `sofia status`, or in the status of one of them: name -> user and host."""
    rows = [row for said in trace.commands for form in (_ONE_GATEWAY, _GATEWAY) for row in form.findall(said.reply)]
    return {name: (user, host) for name, user, host in rows}


def _listed(trace: Trace) -> set[str]:
    """Phones in a list of registrations."""
    return {f"{user}@{realm}" for said in trace.commands for user, realm in _ROW.findall(said.reply)}


def _came(trace: Trace) -> set[str]:
    """Phones that signed on during the trace, so that a list says nothing of its beginning, unless a row of it is older
    than that: the core writes its tables late."""
    told = [event for event in trace.events if text(event, "Event-Subclass") == "sofia::register"]
    new = {text(event, "call-id") for event in told}
    since_us: dict[str, int] = {}
    for event in told:
        since_us.setdefault(f"{text(event, 'from-user')}@{text(event, 'from-host')}", stamp_us(event))
    for said in trace.commands:
        for user, realm, call_id in _SIGNED_ON.findall(said.reply):
            if call_id not in new and said.at_us < since_us.get(f"{user}@{realm}", 0) + WRITTEN_AFTER_US:
                del since_us[f"{user}@{realm}"]
    return set(since_us)


_ENTRY = (
    "accountcode",
    "callgroup",
    "default_language",
    "effective_caller_id_name",
    "effective_caller_id_number",
    "outbound_caller_id_name",
    "outbound_caller_id_number",
    "toll_allow",
    "tt_tenant",
    "user_context",
)


def _directory(events: Sequence[Headers]) -> dict[str, dict[str, str]]:
    """What the directory knows of each phone, as its registrations and its own calls show it."""
    found: dict[str, dict[str, str]] = {}
    for event in events:
        if text(event, "Event-Subclass") in ("sofia::register", "sofia::unregister"):
            address, prefix = f"{text(event, 'from-user')}@{text(event, 'from-host')}", ""
        elif text(event, "Event-Name") == "CHANNEL_CREATE" and text(event, "variable_sip_auth_username"):
            user, domain = text(event, "variable_sip_auth_username"), text(event, "variable_domain_name")
            address, prefix = f"{user}@{domain}", "variable_"
        else:
            continue
        entry = {name: text(event, prefix + name) for name in _ENTRY if text(event, prefix + name)}
        found.setdefault(address, {}).update(entry)
    return found


__all__ = ["WRITTEN_AFTER_US", "Configured", "configured"]
