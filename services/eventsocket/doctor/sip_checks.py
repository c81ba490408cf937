"""Checks of SIP: profiles, addresses, codecs, carriers, media ports, stock users. Pure.

Enters: facts. Leaves: findings. What a call does once it is in belongs to `dialplan_checks.py`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from services.eventsocket.doctor.conf_text import lines_with
from services.eventsocket.doctor.facts import Facts, Profile, parameters
from services.eventsocket.doctor.finding import Finding, check, error, listed, unseen, warning

RTP_FIRST, RTP_LAST = 16384, 32768
"""The switch's own range (switch_rtp.h)."""
FEW_PORTS = 100
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
"""What no carrier reaches (RFC 1918, RFC 6598, RFC 4193)."""
_STUN = re.compile(r"cmd=\"stun-set\"|\bstun:[a-z0-9.]+", re.IGNORECASE)
REGISTERED = ("REGED", "NOREG")


@check("profiles", "SIPプロファイルは動いています", "SIP profiles run")
def profiles(facts: Facts) -> Iterator[Finding]:
    """Phones are dialled through a profile; without one nothing rings."""
    if facts.switch.profiles is None:
        yield unseen(("SIPプロファイルを調べられません", "The SIP profiles cannot be asked for"))
        return
    if not facts.switch.profiles:
        yield error(
            ("SIPプロファイルが一つもありません", "No SIP profile runs: nobody can call"),
            (
                "`fs_cli -x 'sofia status'` とログを見てください。ポートが使用中のことが多いです。",
                "Look into the log: usually the port is taken, or the address is not this machine's.",
            ),
        )
    for one in facts.switch.profiles:
        if not one.state.startswith("RUNNING"):
            yield error(
                (
                    f"SIPプロファイル {one.name} が動いていません({one.state})",
                    f"SIP profile {one.name} does not run ({one.state})",
                ),
                (
                    f"ログを見て、`fs_cli -x 'sofia profile {one.name} restart'` をしてください。",
                    f"Look into the log, then run `fs_cli -x 'sofia profile {one.name} restart'`.",
                ),
            )


@check("sip-addresses", "SIPと音声のアドレスは届くものです", "SIP and voice addresses can be reached")
def sip_addresses(facts: Facts) -> Iterator[Finding]:
    """On loopback no phone reaches it; behind NAT the voice goes one way only."""
    for one in facts.switch.profiles or ():
        if _in_network(one.sip_ip, "127.0.0.0/8"):
            yield warning(
                (
                    f"{one.name} は {one.sip_ip} だけで待っています",
                    f"Profile {one.name} listens on {one.sip_ip} only: no phone or carrier reaches it",
                ),
                (
                    "toritsugi/local.xml の tt_sip_ip にこの機械のアドレスを書き、"
                    "再起動してください(試験だけならこのままで結構です)。",
                    "Set tt_sip_ip in toritsugi/local.xml to this machine's address and restart "
                    "(leave it for a test on one machine).",
                ),
            )
        elif _is_outside_facing(facts, one) and _is_private(one.ext_rtp_ip or one.rtp_ip):
            yield warning(
                (
                    f"{one.name} は {one.ext_rtp_ip or one.rtp_ip} を音声の宛先として伝えます",
                    f"Profile {one.name} tells carriers the private address {one.ext_rtp_ip or one.rtp_ip} for voice",
                ),
                (
                    "通信事業者が外にあるなら toritsugi/local.xml の tt_external_ip に外のアドレスを書いてください。",
                    "If the carrier is outside, set tt_external_ip in toritsugi/local.xml to your address there.",
                ),
            )


@check("stun", "外のSTUNサーバーに頼っていません", "No stranger is asked for our address")
def stun(facts: Facts) -> Iterator[Finding]:
    """Stock vars.xml asks stun.freeswitch.org at each start."""
    asked = {name for name in ("external_rtp_ip", "external_sip_ip") if "stun:" in facts.switch.variables.get(name, "")}
    places = [f"{path}:{line}" for path, text in facts.own_files() for line, _ in lines_with(text, _STUN)]
    if asked or places:
        where = listed([*places, *sorted(asked)])
        yield warning(
            (
                f"起動のたびに外のSTUNサーバーに聞きます({where})",
                f"At each start it asks a STUN server on the internet ({where})",
            ),
            (
                "その行を消すか、固定アドレスを書いてください。",
                "Remove these lines or write the fixed address: a switch must start without the internet.",
            ),
        )


def _is_outside_facing(facts: Facts, profile: Profile) -> bool:
    return settings_of(facts, profile.name).get("auth-calls") != "true"


def settings_of(facts: Facts, profile: str) -> dict[str, str]:
    """The parameters of one SIP profile, without those of its gateways."""
    sofia = facts.part("sofia.conf")
    for one in () if sofia is None else sofia.iter("profile"):
        if one.get("name") == profile:
            return parameters(one.find("settings"))
    return {}


def _is_private(address: str) -> bool:
    return any(_in_network(address, network) for network in PRIVATE)


def _in_network(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network)
    except ValueError:
        return False


@check("codecs", "PCMUが使えます", "PCMU is offered, which every carrier takes")
def codecs(facts: Facts) -> Iterator[Finding]:
    """Japanese carriers speak PCMU; the core has it built in, profiles may leave it out."""
    if facts.switch.codecs is not None and not any("ulaw" in one for one in facts.switch.codecs):
        yield error(
            ("PCMU(G.711 ulaw)がありません", "The switch has no PCMU (G.711 ulaw)"),
            (
                "FreeSWITCHを入れ直してください。PCMUは本体の一部です。",
                "Install FreeSWITCH again: PCMU is part of its core.",
            ),
        )
    for one in facts.switch.profiles or ():
        if one.codecs and "PCMU" not in one.codecs:
            yield error(
                (
                    f"{one.name} がPCMUを使いません({listed(one.codecs)})",
                    f"Profile {one.name} does not offer PCMU ({listed(one.codecs)})",
                ),
                (
                    "vars.xml の global_codec_prefs と outbound_codec_prefs に PCMU を加えてください。",
                    "Add PCMU to global_codec_prefs and outbound_codec_prefs in vars.xml and restart the profile.",
                ),
            )


@check("trunk-acl", "外からの着信は通信事業者に限られています", "Only carriers may send calls in without a password")
def trunk_acl(facts: Facts) -> Iterator[Finding]:
    """Robots find an open port within hours."""
    for one in facts.switch.profiles or ():
        settings = settings_of(facts, one.name)
        if settings and settings.get("auth-calls") != "true" and not settings.get("apply-inbound-acl"):
            yield warning(
                (f"{one.name} は誰からの着信でも受けます", f"Profile {one.name} takes calls from anybody"),
                (
                    "acl.conf.xml に通信事業者のアドレスの一覧を作り、apply-inbound-acl にその名前を書いてください。",
                    "List your carriers' addresses in acl.conf.xml and name that list in the "
                    "profile's apply-inbound-acl.",
                ),
            )


@check("open-door", "認証のない着信は内線の発信に届きません", "Calls without a password cannot dial out")
def open_door(facts: Facts) -> Iterator[Finding]:
    """Calls of strangers in the phones' context are toll fraud."""
    for one in facts.switch.profiles or ():
        settings = settings_of(facts, one.name)
        context = facts.part(f"context:{one.context}")
        phones = context is not None and any(
            extension.get("name") in ("toritsugi-phone", "toritsugi-emergency")
            for extension in context.iter("extension")
        )
        if settings and phones and settings.get("auth-calls") != "true":
            yield error(
                (
                    f"{one.name} は認証なしの通話を内線用の {one.context} に入れます",
                    f"Profile {one.name} puts calls without a password into the phones' context {one.context}",
                ),
                (
                    "そのプロファイルの context を public にするか、auth-calls を true にしてください。",
                    "Set the profile's context to public, or its auth-calls to true, and restart it.",
                ),
            )


@check("gateways", "通信事業者の回線は生きています", "All gateways are up")
def gateways(facts: Facts) -> Iterator[Finding]:
    """A gateway that is down carries no call; the emergency one carries lives."""
    if facts.switch.gateways is None:
        yield unseen(("ゲートウェイを調べられません", "The gateways cannot be asked for"))
        return
    for one in facts.switch.gateways:
        if one.state not in REGISTERED or one.status.startswith("DOWN"):
            yield error(
                (
                    f"ゲートウェイ {one.name} が使えません({one.state}, {one.status})",
                    f"Gateway {one.name} is {one.state}, {one.status}",
                ),
                (
                    f"パスワードと宛先を確かめ、`fs_cli -x 'sofia status gateway {one.name}'` を見てください。",
                    f"Check its password and proxy; `fs_cli -x 'sofia status gateway {one.name}'` "
                    "tells what the carrier said.",
                ),
            )


@check("rtp-ports", "音声ポートはほかと重なりません", "Voice ports and the kernel's own ports do not overlap")
def rtp_ports(facts: Facts) -> Iterator[Finding]:
    """A port that the kernel has lent to another program is a call without voice."""
    if facts.machine is None or facts.machine.local_ports is None:
        yield unseen(("カーネルのポート範囲を調べられません", "The kernel's range of ports cannot be seen"))
        return
    first = _whole(facts.parameter("switch.conf", "rtp-start-port"), RTP_FIRST)
    last = _whole(facts.parameter("switch.conf", "rtp-end-port"), RTP_LAST)
    low, high = facts.machine.local_ports
    if min(last, high) - max(first, low) >= FEW_PORTS:
        yield warning(
            (
                f"音声ポート {first}-{last} がカーネルの {low}-{high} と重なります",
                f"Voice ports {first}-{last} overlap with the kernel's own {low}-{high}",
            ),
            (
                f"`sysctl -w net.ipv4.ip_local_port_range='{max(last + 1, 32769)} 60999'` を設定してください。",
                f"Set `sysctl -w net.ipv4.ip_local_port_range='{max(last + 1, 32769)} 60999'`, or move "
                "the voice ports in switch.conf.xml.",
            ),
        )
    legs = (last - first) // 2  # each takes one for voice and one for RTCP
    if 0 < legs < (facts.switch.max_sessions or 0):
        yield warning(
            (
                f"音声ポートは {legs} 本分ですが、max-sessions は {facts.switch.max_sessions} です",
                f"There are voice ports for {legs} legs, but max-sessions is {facts.switch.max_sessions}",
            ),
            (
                "switch.conf.xml の rtp-end-port を上げてください。",
                "Raise rtp-end-port in switch.conf.xml, or lower max-sessions.",
            ),
        )


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,5}", text) else otherwise


@check("stock-passwords", "初期パスワードの内線はありません", "No phone has the stock password")
def stock_passwords(facts: Facts) -> Iterator[Finding]:
    """Users 1000 to 1019 with 1234 are known to every robot."""
    if facts.switch.stock_users:
        yield error(
            (
                f"見本の内線 {listed(facts.switch.stock_users, 3)} が初期パスワード 1234 のままです",
                f"Demonstration phones {listed(facts.switch.stock_users, 3)} have the stock password 1234",
            ),
            (
                "directory/default/10*.xml を消し、vars.xml の default_password を変えて、reloadxml をしてください。",
                "Remove directory/default/10*.xml, change default_password in vars.xml and run `fs_cli -x reloadxml`.",
            ),
        )
    elif facts.switch.stock_users is None and facts.switch.variables.get("default_password") == "1234":
        yield warning(
            ("vars.xml の default_password が 1234 です", "default_password in vars.xml is 1234"),
            (
                "別の値にして reloadxml をしてください。",
                "Change it and run `fs_cli -x reloadxml`: the next phone would get it.",
            ),
        )


@check("sip-trace", "SIPの記録は止まっています", "No profile writes every SIP message into the log")
def sip_trace(facts: Facts) -> Iterator[Finding]:
    """Left on after a search for a fault, it fills the disk and names everybody."""
    for one in facts.switch.profiles or ():
        settings = settings_of(facts, one.name)
        if settings.get("sip-trace", "no") in ("yes", "true"):
            yield warning(
                (f"{one.name} の sip-trace が有効です", f"sip-trace is on in profile {one.name}"),
                (
                    f"no にして `fs_cli -x 'sofia profile {one.name} siptrace off'` をしてください。",
                    f"Set it to no and run `fs_cli -x 'sofia profile {one.name} siptrace off'`.",
                ),
            )


CHECKS = (
    profiles,
    sip_addresses,
    stun,
    codecs,
    trunk_acl,
    open_door,
    gateways,
    rtp_ports,
    stock_passwords,
    sip_trace,
)
