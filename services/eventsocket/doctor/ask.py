"""Asks a switch about itself over the Event Socket.

Enters: a Link that is logged in. Leaves: `Switch` and what it has loaded. Only questions: nothing is set, started or
executed, and a command that must be tried (may we send it?) names a leg that does not exist. Passwords that come back
are compared here and go no further, except inside `event_socket.conf`, which no finding quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import gevent
import msgspec

from services.eventsocket.doctor.facts import Expansion, Gateway, Profile, Rights, Switch
from services.eventsocket.doctor.switch_checks import NEEDED, SINKS
from services.eventsocket.link import Link, LinkLost
from services.eventsocket.normalise import SUBSCRIPTION
from services.runtime import clock

NOBODY = "00000000-0000-4000-8000-000000000000"
"""A leg that is not there."""
AGENT_SENDS: Mapping[str, str] = {
    "uuid_transfer": f"uuid_transfer {NOBODY} park inline",
    "uuid_bridge": f"uuid_bridge {NOBODY} {NOBODY}",
    "uuid_setvar": f"uuid_setvar {NOBODY} tt_doctor 1",
    "uuid_record": f"uuid_record {NOBODY} stop all",
    "uuid_kill": f"uuid_kill {NOBODY}",
    "uuid_getvar": f"uuid_getvar {NOBODY} tt_decision",
    "uuid_exists": f"uuid_exists {NOBODY}",
    "uuid_dump": f"uuid_dump {NOBODY} json",
    "originate": "originate",
    "hash": f"hash select/toritsugi/{NOBODY}",
    "global_getvar": "global_getvar core_uuid",
    "version": "version",
    "expand": "expand echo 1",
    "strmicroepoch": "strmicroepoch",
    "show": "show channels count",
    "sofia": "sofia xmlstatus",
}
"""The commands of the agent, in a form that does nothing; reloadxml, reloadacl and xml_flush_cache have none."""
VARIABLES = (
    "conf_dir",
    "log_dir",
    "run_dir",
    "db_dir",
    "recordings_dir",
    "tt_calls_at_once",
    "sounds_dir",
    "domain",
    "default_password",
    "external_rtp_ip",
    "external_sip_ip",
    "local_ip_v4",
    "tt_emergency_number",
    "tt_emergency_gateway",
    "unroll_loops",
    "call_debug",
)
CONFS = ("switch.conf", "event_socket.conf", "json_cdr.conf", "sofia.conf", "local_stream.conf", "acl.conf")
CONTEXTS = ("public", "default", "fallback")
STOCK_USERS = tuple(str(number) for number in range(1000, 1020))
STOCK_PASSWORD = "1234"  # noqa: S105  (conf/vanilla/vars.xml)
_REFUSED = "-ERR permission denied"
_NOTHING = "-ERR no reply"
"""How the Event Socket says that a command answered with nothing (mod_event_socket.c, api_exec)."""


def ask(link: Link) -> tuple[Switch, dict[str, Element]]:
    """What the switch says, and its configuration as loaded. Raises LinkLost."""
    offset_us = _clock_offset_us(link)
    variables = _variables(link)
    names = [*NEEDED, *SINKS, "mod_json_cdr"]
    modules = dict(zip(names, _answers(link, (f"module_exists {name}" for name in names)), strict=True))
    version, core, status, codecs, streams = _answers(
        link, ("version", "global_getvar core_uuid", "status", "show codec as json", "local_stream show")
    )
    switch = Switch(
        version=version.strip(),
        core=core.strip(),
        expansion=_expansion(link),
        clock_offset_us=offset_us,
        modules=_modules(modules),
        rights=ask_rights(link),
        variables=variables,
        profiles=_profiles(link),
        gateways=_gateways(*_answers(link, ("sofia xmlstatus gateway",))),
        codecs=_codecs(codecs),
        streams=_streams(streams),
        max_sessions=_number(r"\b(\d{1,9}) session\(s\) max", status),
        sessions_per_second=_number(r"per Sec out of max (\d{1,9})\b", status),
        stock_users=_stock_users(link, variables["domain"]),
    )
    return switch, _loaded(link)


def _variables(link: Link) -> dict[str, str]:
    """All global variables, those that the doctor needs at least; passwords among them go no further than a check."""
    (everything,) = _answers(link, ("global_getvar",))
    listed = dict(line.split("=", 1) for line in everything.splitlines() if "=" in line)
    if listed:
        return {**dict.fromkeys(VARIABLES, ""), **listed}
    said = _answers(link, (f"global_getvar {name}" for name in VARIABLES))
    return {name: text if _understood(text) else "" for name, text in zip(VARIABLES, said, strict=True)}


def ask_rights(link: Link) -> Rights:
    """Which of the agent's own commands this log-in may send. Raises LinkLost."""
    said = dict(zip(AGENT_SENDS, _answers(link, AGENT_SENDS.values()), strict=True))
    refused = tuple(name for name, text in said.items() if text.startswith(_REFUSED))
    return Rights(refused=refused, takes_subscription=_takes_subscription(link))


def _answers(link: Link, questions: Iterable[str]) -> list[str]:
    """The replies, asked one behind the other without waiting."""
    waiting = [link.post(f"api {question}") for question in questions]
    try:
        texts = [one.get(timeout=link.timeout).text.replace("\0", "") for one in waiting]  # paths hold none
    except gevent.Timeout:
        raise LinkLost("no reply in time") from None
    return ["" if text.strip() == _NOTHING else text for text in texts]


def _understood(text: str) -> bool:
    return not text.startswith(("-ERR", "-USAGE", "<API"))


def _clock_offset_us(link: Link) -> int | None:
    before_us = clock.now_us()
    (said,) = _answers(link, ("strmicroepoch",))
    after_us = clock.now_us()
    said = said.strip()
    return int(said) - (before_us + after_us) // 2 if re.fullmatch(r"[0-9]{1,18}", said) else None


def _expansion(link: Link) -> Expansion:
    """The probe that the agent makes too: a harmless call inside a text."""
    said = _answers(link, ("expand echo ${strepoch()}",))[0].strip()
    if said.isdigit():
        return "on"
    return "off" if "Permission Denied" in said else "unclear"


def _takes_subscription(link: Link) -> bool:
    reply = link.send(SUBSCRIPTION).text
    link.send("noevents")
    return reply.startswith("+OK")


def _modules(said: Mapping[str, str]) -> dict[str, bool] | None:
    known = {name: text.strip() == "true" for name, text in said.items() if text.strip() in ("true", "false")}
    return known or None


def _profiles(link: Link) -> tuple[Profile, ...] | None:
    (text,) = _answers(link, ("sofia xmlstatus",))
    overview = _xml(text)
    if overview is None:
        return None
    found = []
    for one in overview.iter("profile"):
        name = one.findtext("name", "")
        (detail,) = _answers(link, (f"sofia xmlstatus profile {name}",)) if re.fullmatch(r"[\w.-]+", name) else ("",)
        found.append(_profile(name, one.findtext("state", ""), _xml(detail)))
    return tuple(found)


def _profile(name: str, state: str, detail: Element | None) -> Profile:
    said = {} if detail is None else {one.tag: (one.text or "").strip() for one in detail.iter()}
    codecs = [said.get("inbound-codecs", ""), said.get("outbound-codecs", "")]
    return Profile(
        name=name,
        state=state,
        context=said.get("context", ""),
        sip_ip=said.get("sip-ip", ""),
        rtp_ip=said.get("rtp-ip", ""),
        ext_sip_ip=said.get("ext-sip-ip", ""),
        ext_rtp_ip=said.get("ext-rtp-ip", ""),
        codecs=tuple(dict.fromkeys(one for text in codecs for one in text.split(",") if one)),
    )


def _gateways(text: str) -> tuple[Gateway, ...] | None:
    listed = _xml(text)
    if listed is None:
        return None
    return tuple(
        Gateway(one.findtext("name", ""), one.findtext("state", ""), one.findtext("status", ""))
        for one in listed.iter("gateway")
    )


def _xml(text: str) -> Element | None:
    """FreeSWITCH declares ISO-8859-1 and writes UTF-8."""
    try:
        return ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except ElementTree.ParseError:
        return None


def _codecs(text: str) -> frozenset[str] | None:
    try:
        rows = msgspec.json.decode(text.encode(), type=dict[str, object]).get("rows")
    except msgspec.DecodeError:
        return None
    if not isinstance(rows, list):
        return None
    return frozenset(str(row.get("name")) for row in rows if isinstance(row, dict))


def _streams(text: str) -> frozenset[str] | None:
    return frozenset(line.partition(",")[0] for line in text.splitlines() if "," in line) if _understood(text) else None


def _number(pattern: str, text: str) -> int | None:
    """`fsctl` is not asked: without an argument `fsctl loglevel` turns the log off (switch_core.c, SCSC_LOGLEVEL)."""
    found = re.search(pattern, text)
    return int(found[1]) if found else None


def _stock_users(link: Link, domain: str) -> tuple[str, ...] | None:
    if not re.fullmatch(r"[A-Za-z0-9.:-]+", domain):
        return None
    said = _answers(link, (f"user_data {user}@{domain} param password" for user in STOCK_USERS))
    if not all(_understood(text) for text in said):
        return None
    return tuple(user for user, text in zip(STOCK_USERS, said, strict=True) if text.strip() == STOCK_PASSWORD)


def _loaded(link: Link) -> dict[str, Element]:
    wanted = {name: f"xml_locate configuration configuration name {name}" for name in CONFS}
    wanted |= {f"context:{name}": f"xml_locate dialplan context name {name}" for name in CONTEXTS}
    found: dict[str, Element] = {}
    for name, text in zip(wanted, _answers(link, wanted.values()), strict=True):
        element = _xml(text)
        if element is not None:
            found[name] = element
    return found
