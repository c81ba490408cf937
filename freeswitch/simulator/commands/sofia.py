"""Commands of mod_sofia: status of profiles and gateways, registrations, rescan, contacts.

Enters: argument. Leaves: the real one's words, and the change. Source: mod_sofia.c (sofia_function, cmd_profile).
"""

from __future__ import annotations

from freeswitch.simulator import plan
from freeswitch.simulator.commands.console import Console, Table
from freeswitch.simulator.gateways import Gateway
from freeswitch.simulator.registrations import Entry

PROFILES = {"external": 5080, "internal": 5060}
_RULE = "=" * 97 + "\n"
_USAGE = (
    "USAGE:\n" + "-" * 80 + "\nsofia profile <name> [rescan | flush_inbound_reg [<call_id> | <[user]@domain>] | "
    "killgw <gateway name> | gwlist [up|down]]\nsofia status [profile <name> [reg [<contact str>]]] | gateway <name>\n"
    + "-" * 80
    + "\n"
)
_TABLE = "    Profile::Gateway-Name\t                        Data    \tState\tPing Time\tIB Calls(F/T)\tOB Calls(F/T)\n"


def sofia(console: Console, argument: str) -> str:
    """`sofia status|profile …`."""
    words = plan.words(argument)
    if not words or words[0] == "help":
        return _USAGE
    if words[0] == "status":
        return _status(console, words[1:])
    if words[0] == "profile":
        return _profile(console, words[1:])
    return f"Unknown Command [{words[0]}]\n"


def _status(console: Console, words: list[str]) -> str:
    if not words:
        return _all(console)
    if words[0] == "gateway":
        if len(words) == 1:
            return _gateways(console, "")
        gateway = console.switch.gateways.find(words[1])
        return console.switch.gateways.describe(gateway) if gateway else "Invalid Gateway!\n"
    if words[0] == "profile":
        return _profile_status(console, words[1:])
    return _all(console)


def _all(console: Console) -> str:
    rows = []
    for name, port in PROFILES.items():
        up = sum(one.profile.channel_name.startswith(f"sofia/{name}/") for one in console.switch.channels.values())
        rows.append(f"{name:>25}\tprofile\t{f'sip:mod_sofia@127.0.0.1:{port}':>42}\tRUNNING ({up})\n")
        for one in console.switch.gateways:
            if one.carrier.profile == name:
                named = f"{name}::{one.name}"
                rows.append(f"{named:>25}\tgateway\t{_address(one):>42}\t{one.state}\n")
    head = f"{'Name':>25}\t{'Type':>7}\t{'Data':>42}\tState\n"
    return head + _RULE + "".join(rows) + _RULE + f"{len(PROFILES)} profiles 0 aliases\n"


def _address(gateway: Gateway) -> str:
    return f"sip:{gateway.carrier.username or gateway.name}@{gateway.carrier.host or '127.0.0.1:5090'}"


def _gateways(console: Console, profile: str) -> str:
    known = [one for one in console.switch.gateways if profile in ("", one.carrier.profile)]
    rows = "".join(
        f"{f'{one.carrier.profile}::{one.name}':>25}\t{_address(one):>32}\t{one.state}\t  0.00\t0/0\t0/0\n"
        for one in known
    )
    count = f"{len(known)} gateway{'' if len(known) == 1 else 's'}"
    return _TABLE + _RULE + rows + _RULE + f"{count}: Inbound(Failed/Total): 0/0,Outbound(Failed/Total):0/0\n"


def _profile_status(console: Console, words: list[str]) -> str:
    if not words:
        return _gateways(console, "")
    if words[0] not in PROFILES:
        return "Invalid Profile!\n"
    if len(words) > 1 and words[1] in ("reg", "user"):
        return _registrations(console, words[0], words[2] if len(words) > 2 else "")
    on = list(console.switch.registrar.registered()) if words[0] == "internal" else []
    lines = {
        "Name": words[0],
        "Domain Name": "N/A",
        "Auto-NAT": "false",
        "DBName": f"sofia_reg_{words[0]}",
        "Dialplan": "XML",
        "Context": "public" if words[0] == "external" else "default",
        "RTP-IP": "127.0.0.1",
        "SIP-IP": "127.0.0.1",
        "URL": f"sip:mod_sofia@127.0.0.1:{PROFILES[words[0]]}",
        "CODECS IN": "PCMU",
        "CODECS OUT": "PCMU",
        "TEL-EVENT": "101",
        "DTMF-MODE": "rfc2833",
        "NOMEDIA": "false",
        "REGISTRATIONS": str(len(on)),
    }
    return _RULE + "".join(f"{name:<17}\t{value}\n" for name, value in lines.items())


def _registrations(console: Console, profile: str, wanted: str) -> str:
    on = [
        one
        for one in (console.switch.registrar.registered() if profile == "internal" else ())
        if not wanted or wanted in (one.phone.address, one.phone.id, one.call_id) or wanted in one.contact
    ]
    rows = "".join(_registered(console, one) + "\n" for one in on)
    return f"\nRegistrations:\n{_RULE}{rows}Total items returned: {len(on)}\n{_RULE}"


def _registered(console: Console, entry: Entry) -> str:
    phone, left_s = entry.phone, (entry.expires_us - console.switch.clock.now_us()) // 1_000_000
    lines = {
        "Call-ID:": entry.call_id,
        "User:": phone.address,
        "Contact:": f'"" <{entry.contact}>',
        "Agent:": phone.user_agent,
        "Status:": f"Registered(UDP)(unknown) EXPSECS({left_s})",
        "Ping-Status:": "Reachable",
        "Ping-Time:": "0.00",
        "Host:": console.switch.core.hostname,
        "IP:": "127.0.0.1",
        "Port:": str(phone.port),
        "Auth-User:": phone.id,
        "Auth-Realm:": phone.domain,
        "MWI-Account:": phone.address,
    }
    return "".join(f"{name:<12}\t{value}\n" for name, value in lines.items())


def _profile(console: Console, words: list[str]) -> str:
    if len(words) < 2:
        return "Invalid Args!\n"
    profile, what, *rest = [*words, ""]
    if profile not in PROFILES:
        return f"Invalid Profile [{profile}]"
    gateways, registrar = console.switch.gateways, console.switch.registrar
    if what == "rescan":
        console.switch.reload()
        gateways.rescan(profile)
        return "Reload XML [Success]\n+OK scan complete\n"
    if what == "killgw":
        if not rest[0]:
            return "-ERR missing gw name\n"
        return "+OK gateway marked for deletion.\n" if gateways.kill(rest[0]) else "-ERR no such gateway.\n"
    if what == "flush_inbound_reg":
        registrar.flush(rest[0] if profile == "internal" else "nobody")
        return f"+OK flushing all registrations{' matching specified call_id' if rest[0] else ''}\n"
    if what in ("register", "unregister"):
        gateway = gateways.find(rest[0])
        if gateway is None:
            return "Invalid gateway!\n"
        return f"-ERR NOREG gateway [{gateway.name}] can't be {what}ed!\n"
    if what == "gwlist":
        wanted = rest[0].lower() != "down"
        return "".join(f"{one.name} " for one in gateways if one.carrier.profile == profile and one.up is wanted)
    return "-ERR Unknown command!\n"


def contact(console: Console, argument: str) -> str:
    """`sofia_contact [profile/]<user>@<domain>`."""
    profile, slash, address = argument.partition("/")
    if slash and profile not in ("*", "internal"):
        return "error/user_not_registered"
    return console.switch.registrar.contact(_full(console, address if slash else argument))


def _full(console: Console, address: str) -> str:
    return address if "@" in address else f"{address}@{console.switch.domain}"


def count_reg(console: Console, argument: str) -> str:
    """`sofia_count_reg [profile/]<user>@<domain>`."""
    if not argument:
        return "-1"
    address = _full(console, argument.rpartition("/")[2])
    return str(sum(one.phone.address == address for one in console.switch.registrar.registered()))


TABLE: Table = {
    "reg_url": contact,
    "sofia": sofia,
    "sofia_contact": contact,
    "sofia_count_reg": count_reg,
}
