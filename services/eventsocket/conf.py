"""Tenants and platform -> the files of one switch: phones, carriers, and one fallback per number. Pure.

Enters: what directory told, credentials (a file of the operator's, never the tenants' files). Leaves: text by path, and
a line for whatever got no place in it. Only digits, ids, names of the platform and hashes stand in these files; the
switch's pre-processor would carry out a line anywhere, so `$` and line breaks never do. Writing and reloading belong
to `conf_files.py`; how the files are included to freeswitch/conf.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

import msgspec

from proto.plan import Carrier
from proto.tenant import Tenant
from proto.tenant.numbers import NumberEntry
from proto.tenant.platform import Platform, Switch
from proto.tenant.routes import Action
from proto.values import is_geographic
from services.eventsocket.words import (
    CONFIRM_PROMPT,
    Refused,
    RenderSettings,
    argument,
    dialled_number,
    sound,
    token,
    token_of_tenant,
    voice_of_phones,
)

FALLBACK_DIR = "fallback"
GROUP = 300
MOST_PHONES = 20
"""So many ring together in a fallback."""
RING_S = 40
"""A fallback rings so long where the route does not say."""
_SUBSCRIBER = re.compile(r"0[1-9][0-9]{8,11}")
"""The numbers that toritsugi_fallback.xml looks for: 0 and 9 to 12 digits."""
_DOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,253}")
_HASH = re.compile(r"[0-9a-f]{32}")
_CIDR = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?|[0-9a-fA-F:]{2,39}(/[0-9]{1,3})?")
_GATEWAY = re.compile(r"<gateway name=\"([A-Za-z0-9._:-]+)\">.*?</gateway>", re.DOTALL)
_PLAIN = re.compile(r"[ -#%-~]{1,200}")
"""Printable ASCII without `$`."""


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a carrier wants us to log in (mod_sofia: gateway). `allow`: the addresses that its calls come from."""

    proxy: str
    username: str = ""
    password: str = ""
    realm: str = ""
    from_domain: str = ""
    register: bool = False
    transport: str = "udp"
    ping_s: int = 30
    allow: tuple[str, ...] = ()


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The operator's file: `id@domain` -> password, or its MD5 `a1:…` of id:domain:password; gateways by name."""

    phones: dict[str, str] = {}
    gateways: dict[str, Gateway] = {}


@dataclass(frozen=True)
class OfTenant:
    """What one tenant gives: its phones as lines of a domain, a file per number, and what could not be."""

    domain: str
    phones: tuple[str, ...]
    fallbacks: Mapping[str, str]
    problems: tuple[str, ...]


def credentials_of(raw: bytes) -> Credentials:
    """The operator's file, JSON. Raises ValueError without a word of what stands in it."""
    try:
        return msgspec.json.decode(raw, type=Credentials)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        where = str(error).rpartition(" - at ")[2] if " - at " in str(error) else "it is no JSON"
        raise ValueError(f"the credentials file cannot be used: {where}") from None


def of_tenant(
    tenant: Tenant, revision: str, platform: Platform, here: Switch, credentials: Credentials, settings: RenderSettings
) -> OfTenant:
    """The pieces of one tenant. A number or phone that cannot be written is left out and said, never half written."""
    domain = (tenant.domain or here.domain).lower()
    phones, fallbacks, problems = [], {}, []
    emergency = emergency_number(tenant)
    for device in tenant.ids:
        try:
            phones.append(_user(device.id, domain, tenant.tenant, emergency, credentials))
        except Refused as error:
            problems.append(f"{device.id}@{domain}: {error}")
    if tenant.ids and not emergency:
        problems.append("no geographic number: its phones cannot reach 110, 118 and 119")
    for entry in tenant.numbers:
        if not _SUBSCRIBER.fullmatch(entry.number):
            continue  # nobody outside dials it: the apology will do
        try:
            fallbacks[fallback_path(entry.number)] = fallback(tenant, entry, revision, platform, domain, settings)
        except Refused as error:
            problems.append(f"{entry.number[:2]}…{entry.number[-2:]}: no fallback: {error}")
    return OfTenant(domain, tuple(phones), fallbacks, tuple(problems))


# -- phones --


def emergency_number(tenant: Tenant) -> str:
    """What 110, 118 and 119 see and ring back: the first geographic representative number, else the first geographic.

    It stands for the address of the contract. Empty: there is none (050 and 0120 reach no emergency centre).
    """
    placed = [entry for entry in tenant.numbers if is_geographic(entry.number) and entry.kind != "leased"]
    wanted = [entry for entry in placed if entry.kind == "representative"] or placed
    return wanted[0].number if wanted else ""


def _user(phone: str, domain: str, tenant: str, emergency: str, credentials: Credentials) -> str:
    """One `<user>`. The variables come to its calls with its password; no password, no entry."""
    token(phone)
    if not _DOMAIN.fullmatch(_no_instruction(domain)):
        raise Refused("a domain that is none")
    secret = credentials.phones.get(f"{phone}@{domain}", "")
    if not secret:
        raise Refused("no password in the credentials file, so it cannot register")
    variables = {"user_context": "default"}
    if tenant:  # an operator's phone says no line of its own: the switch's counts
        line = dialled_number(emergency) if emergency else "none"
        variables |= {"tt_tenant": token_of_tenant(tenant), "tt_emergency_number": line}
    # cacheable: found again without a look through all others; whoever reloads also empties that memory.
    lines = [f'      <user id={quoteattr(phone)} cacheable="true">', "        <params>"]
    lines.append(f"          <param name={quoteattr('a1-hash')} value={quoteattr(_a1(phone, domain, secret))}/>")
    lines += [
        '          <param name="allow-empty-password" value="false"/>',
        "        </params>",
        "        <variables>",
    ]
    lines += [f"          <variable name={quoteattr(n)} value={quoteattr(v)}/>" for n, v in variables.items()]
    return _no_instruction("\n".join([*lines, "        </variables>", "      </user>"]))


def _a1(phone: str, domain: str, secret: str) -> str:
    """MD5 of id:realm:password (RFC 2617); the realm is the domain (challenge-realm auto_from)."""
    if secret.startswith("a1:"):
        if not _HASH.fullmatch(secret[3:]):
            raise Refused("a1: is followed by 32 hexadecimal digits")
        return secret[3:]
    return hashlib.md5(f"{phone}:{domain}:{secret}".encode(), usedforsecurity=False).hexdigest()


def directory_xml(pieces: Iterable[OfTenant]) -> str:
    """All phones, a `<domain>` for each domain: clients may share one.

    In groups of GROUP: the switch puts each element behind all its like, one by one (switch_xml_insert), so that a
    hundred thousand users in a row take it many minutes to read.
    """
    domains: dict[str, list[str]] = {}
    for piece in pieces:
        if piece.phones:
            domains.setdefault(piece.domain, []).extend(piece.phones)
    lines = ["<include>"]
    for domain in sorted(domains):
        lines += [f"  <domain name={quoteattr(domain)}>", "  <groups>"]
        users = domains[domain]
        for first in range(0, len(users), GROUP):
            lines += [f'    <group name="g{first}">', "    <users>", *users[first : first + GROUP]]
            lines += ["    </users>", "    </group>"]
        lines += ["  </groups>", "  </domain>"]
    return "\n".join([*lines, "</include>", ""])


def of_pools(platform: Platform, known: Set[tuple[str, str]], credentials: Credentials) -> list[OfTenant]:
    """The phones of people who answer for several clients, but for those that are some client's (`known`)."""
    wanted = {(phone.id, phone.domain.lower()) for pool in platform.pools for phone in pool.phones} - known
    found = []
    for phone, domain in sorted(wanted):
        try:
            found.append(OfTenant(domain, (_user(phone, domain, "", "", credentials),), {}, ()))
        except Refused as error:
            found.append(OfTenant(domain, (), {}, (f"{phone}@{domain}: {error}",)))
    return found


# -- carriers --


def gateways_xml(platform: Platform, credentials: Credentials) -> tuple[str, tuple[str, ...]]:
    """The carriers that are gateways, each over several lines; and which of them nobody told us how to reach."""
    lines, problems = ["<include>"], []
    for name in dict.fromkeys(carrier.gateway for carrier in platform.carriers if carrier.gateway):
        known = credentials.gateways.get(name)
        if known is None:
            problems.append(f"gateway {name}: not in the credentials file; your own file must define it")
            continue
        try:
            lines += _gateway(token(name), known)
        except Refused as error:
            problems.append(f"gateway {name}: {error}")
    return "\n".join([*lines, "</include>", ""]), tuple(problems)


def _gateway(name: str, known: Gateway) -> list[str]:
    parameters = {
        "proxy": argument(known.proxy),
        "realm": known.realm or known.proxy,
        "username": known.username or "none",
        "password": known.password or "none",
        "from-domain": known.from_domain or known.realm or known.proxy,
        "register": "true" if known.register else "false",
        "register-transport": known.transport,
        "caller-id-in-from": "true",
        "extension-in-contact": "true",
        "ping": str(max(5, known.ping_s)),
    }
    for value in parameters.values():
        _plain(value)
    found = [f"    <param name={quoteattr(n)} value={quoteattr(v)}/>" for n, v in parameters.items()]
    return [f"  <gateway name={quoteattr(name)}>", *found, "  </gateway>"]


def acl_xml(credentials: Credentials) -> tuple[str, tuple[str, ...]]:
    """A node for each address that carriers call from."""
    lines, problems = ["<include>"], []
    for name, known in sorted(credentials.gateways.items()):
        for cidr in known.allow:
            try:
                lines.append(f'  <node type="allow" cidr="{_network(cidr)}"/>')
            except ValueError:
                problems.append(f"gateway {name}: an address in allow that is none")
    return "\n".join([*lines, "</include>", ""]), tuple(problems)


def _network(cidr: str) -> str:
    """One address alone is a network of one. Raises ValueError."""
    if not _CIDR.fullmatch(cidr):
        raise ValueError
    return str(ipaddress.ip_network(cidr, strict=False))


def gateways_that_differ(before: str, now: str) -> frozenset[str]:
    """Names of those that `now` no longer has as they were: the switch keeps what it has of them until told."""
    were, are = ({m[1]: m[0] for m in _GATEWAY.finditer(text)} for text in (before, now))
    return frozenset(name for name, text in were.items() if are.get(name) != text)


def vars_xml(revision: str) -> str:
    """What the switch itself says it has read: `global_getvar tt_revision`."""
    return (
        "<include>\n"
        '  <X-PRE-PROCESS cmd="set" data="tt_fallback_files=written"/>\n'
        f'  <X-PRE-PROCESS cmd="set" data="tt_revision={token(revision)}"/>\n'
        "</include>\n"
    )


def revision_of_files(texts: Sequence[str]) -> str:
    """One name for all that a reload reads."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _plain(value: str) -> str:
    if not _PLAIN.fullmatch(value) or "-->" in value or "<!--" in value:
        raise Refused("a value with characters that no file of the switch may hold")
    return _no_instruction(value)


def _no_instruction(text: str) -> str:
    """The switch drops every line with this word in it, wherever it stands (switch_xml.c, preprocess)."""
    if "x-pre-process" in text.lower():
        raise Refused("a word that no file of the switch may hold")
    return text


# -- fallbacks --


def fallback_path(number: str) -> str:
    """`fallback/678/0312345678.xml`: a thousand folders, so that none holds too many."""
    return f"{FALLBACK_DIR}/{number[-3:]}/{number}.xml"


def fallback(
    tenant: Tenant, entry: NumberEntry, revision: str, platform: Platform, domain: str, settings: RenderSettings
) -> str:
    """What a call to this number does when nobody decides: its main target, else the apology. Raises Refused.

    The target is the phone of a direct number, else the first `forward` of its route, else the phones of its first
    `ring`. The hours of a route are not looked at: the switch knows no holidays. The target is shown the client's
    number, never the caller's: whatever the caller sent must not pass unread, and nobody is there to read it.
    """
    number = dialled_number(entry.number)
    name = token_of_tenant(tenant.tenant)
    bridge, confirm = _target(tenant, entry, platform, domain, settings)
    variables = {
        "tt_tenant": name,
        "tt_payer": name,
        "tt_fallback": token(revision[:16]),
        "hangup_after_bridge": "true",
        "continue_on_fail": "true",
        "sip_copy_custom_headers": "false",
        "sip_ignore_remote_cause": "true",
        "effective_caller_id_name": number,
        "effective_caller_id_number": number,
        **({"group_confirm_file": sound(CONFIRM_PROMPT, settings), "group_confirm_key": "1"} if confirm else {}),
    }
    actions = [("multiset", " ".join(f"{n}={v}" for n, v in variables.items()))]
    if bridge:
        leg = {"tt_leg": bridge.leg, "tt_tenant": name, "tt_payer": name, **bridge.variables}
        leg |= {"origination_caller_id_number": number, "origination_caller_id_name": number}
        listed = ",".join(f"{n}={argument(v)}" for n, v in leg.items())
        actions.append(("bridge", ",".join(f"[{listed}]{argument(address)}" for address in bridge.addresses)))
    actions.append(("transfer", "apology XML fallback"))
    lines = [f"          <action application={quoteattr(a)} data={quoteattr(d)}/>" for a, d in actions]
    text = "\n".join(
        [
            '<document type="freeswitch/xml">',
            '  <section name="dialplan">',
            '    <context name="fallback">',
            f"      <extension name={quoteattr(name)}>",
            f'        <condition field="destination_number" expression="^{number}$">',
            *lines,
            "        </condition>",
            "      </extension>",
            "    </context>",
            "  </section>",
            "</document>",
            "",
        ]
    )
    return _no_instruction(text)


@dataclass(frozen=True)
class _Bridge:
    addresses: tuple[str, ...]
    """Ring together."""
    leg: str
    """`ring` or `forward`."""
    variables: Mapping[str, str]


def _target(
    tenant: Tenant, entry: NumberEntry, platform: Platform, domain: str, settings: RenderSettings
) -> tuple[_Bridge | None, bool]:
    if entry.id:
        return _phones((entry.id,), RING_S, domain, settings), False
    action = _first(tenant, entry, lambda one: one.forward)
    if action is None:
        rings = _first(tenant, entry, lambda one: one.ring)
        ids = _ids_of(tenant, rings.ring or "") if rings else ()
        return (_phones(ids, rings.for_s or RING_S, domain, settings) if rings and ids else None), False
    called = dialled_number(action.forward or "")
    own = {other.number for other in tenant.numbers}
    if called in own or called in ("110", "118", "119"):
        return None, False  # it would come back, or call for help in nobody's name
    span = {"leg_timeout": str(action.for_s or RING_S)}
    return _Bridge((_through(_carrier(platform, action), called),), "forward", span), action.confirm == "key"


def _phones(ids: Sequence[str], for_s: int, domain: str, settings: RenderSettings) -> _Bridge:
    profile = token(settings.phone_profile)
    addresses = tuple(f"sofia/{profile}/{token(phone)}%{token(domain)}" for phone in ids[:MOST_PHONES])
    return _Bridge(addresses, "ring", {"leg_timeout": str(for_s), **voice_of_phones(settings)})


def _ids_of(tenant: Tenant, name: str) -> tuple[str, ...]:
    """The devices of a group, a line, or an id, each once."""
    lines = {line.line: line for line in tenant.lines}
    group = next((group for group in tenant.groups if group.group == name), None)
    named = group.lines if group else (name,)
    found = [phone for line in named if line in lines for phone in lines[line].ids]
    found += [entry.id for entry in tenant.ids if not found and entry.id == name]
    return tuple(dict.fromkeys(found))


def _first(tenant: Tenant, entry: NumberEntry, wanted: Callable[[Action], str | None]) -> Action | None:
    actions = (action for rule in tenant.routes.get(entry.route, ()) for action in rule.do)
    return next((action for action in actions if wanted(action) is not None), None)


def _carrier(platform: Platform, action: Action) -> Carrier:
    named = [carrier for carrier in platform.carriers if carrier.name == action.carrier]
    return named[0] if named else platform.carriers[0]


def _through(carrier: Carrier, called: str) -> str:
    if carrier.gateway:
        return f"sofia/gateway/{token(carrier.gateway)}/{called}"
    if carrier.host:
        return f"sofia/{token(carrier.profile)}/{called}@{token(carrier.host)}"
    raise Refused("a carrier with neither gateway nor host")
