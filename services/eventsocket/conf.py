"""Tenants and platform -> the files of one switch: phones, carriers, and one fallback per number. Pure.

Enters: what directory told, credentials (issued by directory, or in a file of the operator's; never the tenants'
files). Leaves: text by path, and a line for whatever got no place in it. Only digits, ids, names of the platform and
hashes stand in these files; the switch's pre-processor would carry out a line anywhere, so `$` and line breaks never
do. Writing and reloading belong to `conf_files.py`; how the files are included to freeswitch/conf.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import cast
from xml.sax.saxutils import quoteattr

import msgspec

from proto.events import PhoneCredentialChanged
from proto.tenant import Tenant
from proto.tenant.platform import Platform, Switch
from proto.values import is_geographic
from services.eventsocket.fallbacks import fallback, fallback_path, out_of_service
from services.eventsocket.words import (
    Refused,
    RenderSettings,
    argument,
    dialled_number,
    no_instruction,
    token,
    token_of_tenant,
)

GROUP = 300
_SUBSCRIBER = re.compile(r"0[1-9][0-9]{8,11}")
"""The numbers that toritsugi_fallback.xml looks for: 0 and 9 to 12 digits."""
_DOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,253}")
_HASH = re.compile(r"[0-9a-f]{32}")
_CIDR = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?|[0-9a-fA-F:]{2,39}(/[0-9]{1,3})?")
_GATEWAY = re.compile(r"<gateway name=\"([A-Za-z0-9._:-]+)\">.*?</gateway>", re.DOTALL)
_PHONES = re.compile(
    r"<domain name=\"([^\"]+)\">|<user id=\"([^\"]+)\"|name=\"a1-hash\" value=\"([0-9a-f]{32})\""
    r"|name=\"tt_tenant\" value=\"([^\"]+)\""
)
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

    phones: Mapping[str, str] = {}
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


def with_issued(
    credentials: Credentials, issued: Iterable[PhoneCredentialChanged], standing: Iterable[Mapping[str, str]] = ()
) -> Credentials:
    """What directory issued, with the operator's file over it (which is not copied: a hundred thousand stand in it).

    `standing`: what the switch knows phones by of which neither says anything.
    """
    phones = {address: known for one in standing for address, known in one.items()}
    phones |= {f"{fact.phone}@{one.domain.lower()}": f"a1:{one.ha1}" for fact in issued for one in fact.hashes}
    return Credentials(ChainMap(cast(dict[str, str], credentials.phones), phones), credentials.gateways)


def standing_phones(directory: str) -> dict[str, dict[str, dict[str, str]]]:
    """What the phones of a directory.xml are known by: owner ("": the platform) -> id -> `id@domain` -> `a1:…`."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for address, (known, owner) in _hashes(directory).items():
        found.setdefault(owner, {}).setdefault(address.partition("@")[0], {})[address] = f"a1:{known}"
    return found


def of_tenant(
    tenant: Tenant,
    revision: str,
    platform: Platform,
    here: Switch,
    credentials: Credentials,
    settings: RenderSettings,
    suspended: Set[str] = frozenset(),
) -> OfTenant:
    """The pieces of one tenant. A number or phone that cannot be written is left out and said, never half written.

    `suspended`: those of its numbers that take no calls, also when nobody decides.
    """
    domain = (tenant.domain or here.domain).lower()
    phones, fallbacks, problems = [], {}, []
    emergency = emergency_number(tenant, suspended)
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
            text = (
                out_of_service(tenant, entry.number, revision, settings)
                if entry.number in suspended
                else fallback(tenant, entry, revision, platform, domain, settings)
            )
            fallbacks[fallback_path(entry.number)] = text
        except Refused as error:
            problems.append(f"{entry.number[:2]}…{entry.number[-2:]}: no fallback: {error}")
    return OfTenant(domain, tuple(phones), fallbacks, tuple(problems))


# -- phones --


def emergency_number(tenant: Tenant, suspended: Set[str] = frozenset()) -> str:
    """What 110, 118 and 119 see and ring back: the first geographic representative number, else the first geographic.

    It stands for the address of the contract. Empty: there is none (050 and 0120 reach no emergency centre). One that
    is suspended is shown only where there is no other: whoever rang it back would hear that it is not in use.
    """
    placed = [entry for entry in tenant.numbers if is_geographic(entry.number) and entry.kind != "leased"]
    placed = [entry for entry in placed if entry.number not in suspended] or placed
    wanted = [entry for entry in placed if entry.kind == "representative"] or placed
    return wanted[0].number if wanted else ""


def _user(phone: str, domain: str, tenant: str, emergency: str, credentials: Credentials) -> str:
    """One `<user>`. The variables come to its calls with its password; no password, no entry."""
    token(phone)
    if not _DOMAIN.fullmatch(no_instruction(domain)):
        raise Refused("a domain that is none")
    secret = credentials.phones.get(f"{phone}@{domain}", "")
    if not secret:
        raise Refused("no password was issued, so it cannot register")
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
    return no_instruction("\n".join([*lines, "        </variables>", "      </user>"]))


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


def phones_that_differ(before: str, now: str, owners: Set[str]) -> frozenset[str]:
    """`id@domain` of the phones of one directory.xml that the other knows by another password, or not at all.

    `owners`: the clients that somebody has spoken of ("": the platform). Who has not heard of a client yet knows
    nothing of its phones, and ends none.
    """
    were, are = _hashes(before), _hashes(now)
    differ = ((address, owner) for address, (known, owner) in were.items() if are.get(address, ("", ""))[0] != known)
    return frozenset(address for address, owner in differ if owner in owners)


def _hashes(directory: str) -> dict[str, tuple[str, str]]:
    """Address -> hash and owner. One match after the other: `findall` over 45 MB would hold up the hub for a second."""
    found, domain, phone = dict[str, tuple[str, str]](), "", ""
    for at, user, known, owner in (match.groups("") for match in _PHONES.finditer(directory)):
        domain, phone = at or domain, user or phone
        if known:
            found[f"{phone}@{domain}"] = known, ""
        elif owner and f"{phone}@{domain}" in found:
            found[f"{phone}@{domain}"] = found[f"{phone}@{domain}"][0], owner
    return found


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
    return no_instruction(value)
