"""Commands that ask the directory: who there is, what an entry says, what may connect.

Enters: argument. Leaves: the real one's words. Passwords are not in this switch's directory, so none is told.
Source: mod_commands.c (list_users_function, user_data_function, acl_function).
"""

from __future__ import annotations

import ipaddress

from freeswitch.simulator import plan
from freeswitch.simulator.commands.console import Console, Table
from freeswitch.simulator.far_ends.people import Phone

_COLUMNS = "userid|context|domain|group|contact|callgroup|effective_caller_id_name|effective_caller_id_number\n"
_LISTS = {
    "loopback.auto": ("127.0.0.0/8", "::1/128"),
    "localnet.auto": ("127.0.0.0/8",),
    "rfc1918.auto": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
}


def list_users(console: Console, argument: str) -> str:
    """`list_users [domain <domain>] [user <id>]`."""
    words = plan.words(argument)
    wanted = dict(zip(words[::2], words[1::2], strict=False))
    rows = [
        f"{phone.id}|default|{phone.domain}|default|{console.switch.registrar.contact(phone.address)}||"
        + "|".join(phone.variables.get(f"effective_caller_id_{what}", "") for what in ("name", "number"))
        + "\n"
        for phone in console.switch.phones.values()
        if wanted.get("user", phone.id) == phone.id and wanted.get("domain", phone.domain) == phone.domain
    ]
    return f"{_COLUMNS}{''.join(rows)}\n+OK\n"


def _find(console: Console, address: str) -> Phone | None:
    return console.switch.phones.get(address)


def user_exists(console: Console, argument: str) -> str:
    """`user_exists id <id> <domain>`."""
    words = plan.words(argument)
    found = len(words) == 3 and words[0] == "id" and _find(console, f"{words[1]}@{words[2]}")
    return "true" if found else "false"


def user_data(console: Console, argument: str) -> str:
    """`user_data <id>@<domain> attr|var|param <name>`."""
    words = plan.words(argument)
    phone = _find(console, words[0]) if len(words) == 3 else None
    if phone is None:
        return ""
    if words[1] == "attr":
        return phone.id if words[2] == "id" else ""
    known = {"user_context": "default", **({"tt_tenant": phone.tenant} if phone.tenant else {}), **phone.variables}
    return known.get(words[2], "") if words[1] == "var" else ""


def domain_exists(console: Console, argument: str) -> str:
    """`domain_exists <domain>`."""
    known = {console.switch.domain, *(phone.domain for phone in console.switch.phones.values())}
    return ("true" if argument in known else "false") if argument else ""


def acl(_console: Console, argument: str) -> str:
    """`acl <address> <list or network>`."""
    words = plan.words(argument)
    if len(words) != 2:
        return "false"
    try:
        address = ipaddress.ip_address(words[0])
        networks = [ipaddress.ip_network(one, strict=False) for one in _LISTS.get(words[1], (words[1],))]
    except ValueError:
        return "false"
    return "true" if any(address in one for one in networks) else "false"


def xml_locate(_console: Console, argument: str) -> str:
    """`xml_locate <section> …`: this switch keeps no XML to show."""
    return "can't find anything\n" if argument else "-ERR bad args\n"


TABLE: Table = {
    "acl": acl,
    "domain_exists": domain_exists,
    "list_users": list_users,
    "user_data": user_data,
    "user_exists": user_exists,
    "xml_locate": xml_locate,
}
