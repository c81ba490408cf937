"""What a call to a number does when nobody decides about it: one file per number, read by the switch when needed. Pure.

Enters: a client and its number, the platform, where phones register. Leaves: a path and an XML document; text that
cannot be written safely is Refused. Which files there are and phones and carriers belong to `conf.py`, how the switch
comes to read them to freeswitch/conf/dialplan/toritsugi_fallback.xml.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from proto.plan import Carrier
from proto.tenant import Tenant
from proto.tenant.numbers import NumberEntry
from proto.tenant.platform import Platform
from proto.tenant.routes import Action
from services.eventsocket.words import (
    CONFIRM_PROMPT,
    Refused,
    RenderSettings,
    argument,
    dialled_number,
    no_instruction,
    sound,
    token,
    token_of_tenant,
    voice_of_phones,
)

FALLBACK_DIR = "fallback"
MOST_PHONES = 20
"""So many ring together in a fallback."""
RING_S = 40
"""A fallback rings so long where the route does not say."""


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
    return _extension(name, number, actions)


def out_of_service(tenant: Tenant, number: str, revision: str, settings: RenderSettings) -> str:
    """What a call to a suspended number hears when nobody decides: that it is not in use, before the answer."""
    name = token_of_tenant(tenant.tenant)
    actions = [
        ("multiset", f"tt_tenant={name} tt_payer={name} tt_fallback={token(revision[:16])}"),
        ("pre_answer", ""),
        ("playback", sound("not_in_use", settings)),
        ("hangup", "UNALLOCATED_NUMBER"),
    ]
    return _extension(name, dialled_number(number), actions)


def _extension(name: str, number: str, actions: Iterable[tuple[str, str]]) -> str:
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
    return no_instruction(text)


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
