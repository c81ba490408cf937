"""Each check of the doctor: silent where all is well, and with a sentence that mends where it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.eventsocket.doctor.checks import CHECKS, examine
from services.eventsocket.doctor.conf_text import expand, includes, pieces
from services.eventsocket.doctor.dialplan_order import takers
from services.eventsocket.doctor.facts import (
    Expected,
    Facts,
    Folder,
    Gateway,
    Listening,
    Machine,
    Owned,
    Process,
    Profile,
    Rights,
    Switch,
)
from services.eventsocket.doctor.finding import Finding, on_one_line
from services.eventsocket.doctor.switch_checks import NEEDED

PHONES = """<context name="default">
  <extension name="toritsugi-emergency">
    <condition field="destination_number" expression="^(110|118|119)$">
      <action application="multiset" data="tt_stage=emergency"/>
      <action application="bridge" data="sofia/gateway/ntt/$1"/>
    </condition>
  </extension>
  <extension name="toritsugi-phone">
    <condition field="destination_number" expression="^[0-9]+$"><action application="park"/></condition>
  </extension>
</context>"""
TRUNKS = """<context name="public"><extension name="toritsugi-inbound">
  <condition field="destination_number" expression="^[0-9]+$"><action application="park"/></condition>
</extension></context>"""
FALLBACK = """<context name="fallback"><extension name="toritsugi-apology">
  <condition field="destination_number" expression=".*"><action application="hangup"/></condition>
</extension></context>"""


def settings(**params: str) -> str:
    """`<settings>` of a configuration; underlines stand for hyphens."""
    rows = "".join(f'<param name="{name.replace("_", "-")}" value="{value}"/>' for name, value in params.items())
    return f"<settings>{rows}</settings>"


def sofia(
    internal: str = settings(auth_calls="true"), external: str = settings(apply_inbound_acl="carriers")
) -> Element:
    return ElementTree.fromstring(
        f'<configuration><profiles><profile name="internal">{internal}</profile>'
        f'<profile name="external">{external}</profile></profiles></configuration>'
    )


def conf(text: str) -> Element:
    return ElementTree.fromstring(f"<configuration>{text}</configuration>")


LOADED = {
    "switch.conf": conf(
        settings(api_expansion="false", loglevel="warning", rtp_start_port="16384", rtp_end_port="32767")
    ),
    "event_socket.conf": conf(
        settings(listen_ip="127.0.0.1", password="a long secret", apply_inbound_acl="loopback.auto")  # noqa: S106
    ),
    "json_cdr.conf": conf(settings(log_b_leg="true", log_dir="/var/log/freeswitch/json_cdr")),
    "sofia.conf": sofia(),
    "context:default": ElementTree.fromstring(PHONES),
    "context:public": ElementTree.fromstring(TRUNKS),
    "context:fallback": ElementTree.fromstring(FALLBACK),
}
SWITCH = Switch(
    version="FreeSWITCH Version 1.11.3-release (64bit)",
    core="core-1",
    modules=dict.fromkeys([*NEEDED, "mod_json_cdr"], True),
    profiles=(
        Profile("internal", context="default", sip_ip="203.0.113.5", rtp_ip="203.0.113.5", codecs=("PCMU",)),
        Profile("external", context="public", sip_ip="203.0.113.5", rtp_ip="203.0.113.5", codecs=("PCMU", "PCMA")),
    ),
    gateways=(Gateway("ntt"),),
    codecs=frozenset({"G.711 ulaw"}),
    streams=frozenset({"moh"}),
    max_sessions=1000,
    sessions_per_second=30,
    stock_users=(),
)
MACHINE = Machine(
    process=Process(
        100, 999, frozenset({999}), {"Max open files": 100_000, "Max stack size": 245_760, "Max core file size": 0}
    ),
    listening=(Listening("tcp", "127.0.0.1", 8021), Listening("tcp", "0.0.0.0", 22)),  # noqa: S104
    clock_synchronised=True,
    clock_source="tsc",
    local_ports=(32768, 60999),
    folders={
        use: Folder(f"/var/{use}", exists=True, uid=999, gid=999, file_system="ext4")
        for use in ("cdr", "recordings", "db")
    },
)
FILES = {"freeswitch.xml": '<document>\n<section name="dialplan"/>\n</document>\n'}
HEALTHY = Facts(SWITCH, machine=MACHINE, files=FILES, prefix="/etc/freeswitch", loaded=LOADED, from_files=LOADED)


def switch(**changes: object) -> Facts:
    return replace(HEALTHY, switch=replace(SWITCH, **changes))  # type: ignore[arg-type]


def machine(**changes: object) -> Facts:
    return replace(HEALTHY, machine=replace(MACHINE, **changes))  # type: ignore[arg-type]


def loaded(**changes: Element) -> Facts:
    """`switch_conf=…` stands for `switch.conf`, `context_public=…` for `context:public`."""
    renamed = {name.replace("_conf", ".conf").replace("context_", "context:"): value for name, value in changes.items()}
    return replace(HEALTHY, loaded={**LOADED, **renamed}, from_files={**LOADED, **renamed})


def file(path: str, text: str) -> Facts:
    return replace(HEALTHY, files={**FILES, path: text})


def folder(use: str, **changes: object) -> Facts:
    return machine(folders={**MACHINE.folders, use: replace(MACHINE.folders[use], **changes)})  # type: ignore[arg-type]


def profile(place: int, **changes: object) -> Facts:
    assert SWITCH.profiles is not None
    both = list(SWITCH.profiles)
    both[place] = replace(both[place], **changes)  # type: ignore[arg-type]
    return switch(profiles=tuple(both))


def before(context: str, extension: str) -> Element:
    """One of our contexts with a foreign extension in front."""
    return ElementTree.fromstring(context.replace(">", f">{extension}", 1))


def without(module: str) -> Facts:
    return switch(modules={**(SWITCH.modules or {}), module: False})


def limit(name: str, value: int | None) -> Facts:
    assert MACHINE.process is not None
    return machine(process=replace(MACHINE.process, limits={**MACHINE.process.limits, name: value}))


TAKE_ALL = '<extension name="demo"><condition><action application="bridge" data="user/1000"/></condition></extension>'
HAND_ON = (
    '<extension name="public_extensions"><condition field="destination_number" expression="^(10..)$">'
    '<action application="transfer" data="$1 XML default"/></condition></extension>'
)
NO_GATEWAY = ElementTree.fromstring(PHONES.replace("ntt", "none"))

TROUBLE: list[tuple[str, str, str, Facts]] = [
    ("simulator", "unseen", "simulator", switch(version="FreeSWITCH Version 1.11.3-simulated")),
    ("version", "error", "1.8", switch(version="FreeSWITCH Version 1.8.7~64bit")),
    ("version", "warning", "1.12", switch(version="FreeSWITCH Version 1.12.0~64bit")),
    ("version", "warning", "read", switch(version="something else")),
    ("api-expansion", "error", "Restart", switch(expansion="on")),
    (
        "api-expansion",
        "error",
        "install",
        replace(loaded(switch_conf=conf(settings())), switch=replace(SWITCH, expansion="on")),
    ),
    ("api-expansion", "error", "Restart", switch(expansion="unclear")),
    ("modules", "error", "every call but an emergency call is refused", without("mod_hash")),
    ("modules", "unseen", "modules", switch(modules=None)),
    ("event-sinks", "warning", "mod_amqp", switch(modules={**(SWITCH.modules or {}), "mod_amqp": True})),
    ("event-socket-password", "error", "ClueCon", replace(HEALTHY, expected=Expected(stock_password=True))),
    ("event-socket-password", "error", "short", loaded(event_socket_conf=conf(settings(password="")))),
    ("event-socket-address", "error", "::", machine(listening=(Listening("tcp", "::", 8021),))),
    (
        "event-socket-address",
        "error",
        "::",
        replace(loaded(event_socket_conf=conf(settings(listen_ip="::"))), machine=None),
    ),
    ("event-socket-address", "warning", "::", loaded(event_socket_conf=conf(settings(listen_ip="::")))),
    ("event-socket-acl", "warning", "loopback.auto", loaded(event_socket_conf=conf(settings(listen_ip="127.0.0.1")))),
    ("rights", "error", "uuid_kill", switch(rights=Rights(refused=("uuid_kill",)))),
    ("rights", "error", "esl-allowed-events", switch(rights=Rights(takes_subscription=False))),
    ("rights", "error", "wrong password", switch(rights=Rights(log_in="wrong password"))),
    ("stalled-clients", "error", "127.0.0.1:4711", machine(stalled=("127.0.0.1:4711",))),
    ("clock-offset", "warning", "+0.40 s", switch(clock_offset_us=400_000)),
    ("clock-offset", "error", "-3.00 s", switch(clock_offset_us=-3_000_000)),
    ("session-limits", "warning", "max-sessions", switch(max_sessions=20)),
    ("session-limits", "warning", "110", switch(max_sessions=1000, variables={"tt_calls_at_once": "500"})),
    ("session-limits", "warning", "sessions-per-second", switch(sessions_per_second=2)),
    ("log-level", "warning", "loglevel", loaded(switch_conf=conf(settings(loglevel="debug")))),
    ("profiles", "error", "No SIP profile", switch(profiles=())),
    ("profiles", "error", "internal", profile(0, state="DOWN")),
    ("sip-addresses", "warning", "127.0.0.1", profile(0, sip_ip="127.0.0.1")),
    ("sip-addresses", "warning", "192.168.1.2", profile(1, rtp_ip="192.168.1.2")),
    (
        "stun",
        "warning",
        "vars.xml:1",
        file("vars.xml", '<X-PRE-PROCESS cmd="stun-set" data="a=stun:stun.example.org"/>'),
    ),
    ("codecs", "error", "PCMU", profile(1, codecs=("OPUS",))),
    ("codecs", "error", "ulaw", switch(codecs=frozenset({"OPUS"}))),
    ("trunk-acl", "warning", "external", loaded(sofia_conf=sofia(external=settings(auth_calls="false")))),
    ("open-door", "error", "external", profile(1, context="default")),
    ("gateways", "error", "FAIL_WAIT", switch(gateways=(Gateway("ntt", "FAIL_WAIT", "DOWN"),))),
    ("rtp-ports", "warning", "ip_local_port_range", machine(local_ports=(10_000, 60_999))),
    ("rtp-ports", "warning", "max-sessions", switch(max_sessions=9_000)),
    ("stock-passwords", "error", "1000, 1001", switch(stock_users=("1000", "1001"))),
    (
        "stock-passwords",
        "warning",
        "default_password",
        switch(stock_users=None, variables={"default_password": "1234"}),
    ),
    ("sip-trace", "warning", "internal", loaded(sofia_conf=sofia(settings(auth_calls="true", sip_trace="yes")))),
    ("contexts", "error", "fallback", loaded(context_fallback=ElementTree.fromstring('<context name="fallback"/>'))),
    ("emergency", "error", "demo", loaded(context_default=before(PHONES, TAKE_ALL))),
    (
        "emergency",
        "error",
        "does not reach",
        loaded(context_default=ElementTree.fromstring('<context><extension name="toritsugi-x"/></context>')),
    ),
    ("emergency-line", "error", "'none'", loaded(context_default=NO_GATEWAY)),
    ("emergency-line", "error", "050", switch(variables={"tt_emergency_number": "05012345678"})),
    ("before-ours", "warning", "demo", loaded(context_default=before(PHONES, TAKE_ALL))),
    ("strangers", "error", "public_extensions", loaded(context_public=before(TRUNKS, HAND_ON))),
    ("music", "error", "moh", switch(streams=frozenset())),
    ("one-line-files", "error", "ntt.xml:1", file("ntt.xml", '<include><gateway name="ntt"/></include>\n')),
    (
        "loaded",
        "warning",
        "reloadxml",
        replace(HEALTHY, from_files={**LOADED, "context:public": before(TRUNKS, TAKE_ALL)}),
    ),
    ("well-formed", "warning", "a.xml", file("a.xml", "<extension>")),
    (
        "api-calls",
        "warning",
        "dialplan/own.xml: lines 2 ",
        file("dialplan/own.xml", '<a>\n<b data="${hash(x)}"/>\n</a>'),
    ),
    (
        "dial-strings",
        "warning",
        "directory/d.xml:1",
        file("directory/d.xml", '<p name="dial-string" value="${sofia_contact(1)}"/>'),
    ),
    ("foreign-marks", "warning", "tt_tenant", file("dialplan/own.xml", '<a data="tt_tenant=acme"/>')),
    ("foreign-marks", "warning", "tt_leg", file("directory/d.xml", '<variable name="tt_leg" value="ring"/>')),
    ("limits", "warning", "1024", limit("Max open files", 1024)),
    ("limits", "warning", "LimitSTACK", limit("Max stack size", None)),
    ("limits", "warning", "core", limit("Max core file size", None)),
    ("ntp", "warning", "NTP", machine(clock_synchronised=False)),
    ("clock-source", "warning", "hpet", machine(clock_source="hpet")),
    ("call-records", "error", "mod_json_cdr", without("mod_json_cdr")),
    ("call-records", "error", "log-b-leg", loaded(json_cdr_conf=conf(settings()))),
    ("call-records", "warning", "url", loaded(json_cdr_conf=conf(settings(log_b_leg="true", url="http://a")))),
    ("call-records", "warning", "queue", loaded(json_cdr_conf=conf(settings(log_b_leg="true", queue_capacity="9")))),
    ("call-records", "error", "not there", folder("cdr", exists=False)),
    ("call-records", "error", "may not write", folder("cdr", uid=0, gid=0, mode=0o755)),
    ("call-records", "warning", "clear", folder("cdr", writable=False)),
    ("call-records", "error", "MB left", folder("cdr", free_bytes=1 << 20)),
    ("call-records", "warning", "MB left", folder("cdr", free_bytes=1 << 30)),
    ("call-records", "warning", "same file system", folder("cdr", own_file_system=False)),
    ("call-records", "warning", "2.0 hours", folder("cdr", files=3, oldest_s=7200.0)),
    ("call-records", "error", "cdr_dir: /var/cdr", replace(HEALTHY, expected=Expected(cdr_dir=""))),
    ("readable", "error", "secrets.xml", replace(HEALTHY, owners={"toritsugi/secrets.xml": Owned(0, 0, 0o640)})),
    ("recordings", "error", "may not write", folder("recordings", uid=0, gid=0, mode=0o755)),
    ("prompts", "error", "closed.wav", replace(HEALTHY, expected=Expected(sounds_dir="/sounds", prompts=("confirm",)))),
    ("core-database", "warning", "nfs4", folder("db", file_system="nfs4")),
]


def test_a_healthy_switch_has_nothing_to_mend() -> None:
    wrong = [finding for finding in examine(HEALTHY) if finding.severity != "ok"]
    assert not wrong


@pytest.mark.parametrize(
    ("check", "severity", "word", "facts"), TROUBLE, ids=[f"{row[0]}: {row[2]}" for row in TROUBLE]
)
def test_trouble_is_named_and_can_be_mended(check: str, severity: str, word: str, facts: Facts) -> None:
    found = [one for one in examine(facts) if one.check == check]
    assert [one.severity for one in found] == [severity], found
    assert word in found[0].text("en")
    assert any(ord(char) > 0x3000 for char in found[0].text("ja")), "also in Japanese"
    if severity != "unseen":
        assert all(found[0].mend), "every finding says how to mend it"


def test_a_line_of_the_pre_processor_need_not_be_closed() -> None:
    """The entrypoint of a common image leaves vars.xml so, and the switch reads it (switch_xml.c, preprocess)."""
    text = '<include>\n  <X-PRE-PROCESS cmd="set" data="default_password=vy8G"\n  <!-- next -->\n</include>\n'
    assert "well-formed" not in [one.check for one in examine(file("vars.xml", text)) if one.severity != "ok"]


def test_one_trouble_makes_no_other() -> None:
    """Except where two questions are about the same thing."""
    together = {"emergency": {"before-ours", "emergency-line"}, "before-ours": {"emergency", "emergency-line"}}
    together |= {"open-door": {"trunk-acl"}, "event-socket-password": {"event-socket-address", "event-socket-acl"}}
    together["event-socket-address"] = {"event-socket-acl", "stalled-clients"}
    together["api-expansion"] = {"log-level"}
    together["strangers"] = {"before-ours"}
    for check, _, _, facts in TROUBLE:
        others = {one.check for one in examine(facts) if one.severity in ("error", "warning")} - {check}
        assert others <= together.get(check, set()), f"{check} also raises {others}"


def test_every_check_has_been_seen_to_find_something() -> None:
    assert {check.name for check in CHECKS} == {row[0] for row in TROUBLE}


def test_a_switch_elsewhere_is_examined_as_far_as_it_tells() -> None:
    findings = examine(replace(HEALTHY, machine=None, files=None))
    assert {one.check for one in findings if one.severity == "unseen"} >= {"limits", "ntp", "recordings", "api-calls"}
    assert not [one for one in findings if one.severity in ("error", "warning")]


def test_a_switch_that_tells_nothing_is_not_called_healthy() -> None:
    silent = examine(Facts(Switch(modules=None)))
    assert not {"modules", "profiles", "gateways", "contexts", "emergency", "music"} & {
        one.check for one in silent if one.severity == "ok"
    }


@pytest.mark.parametrize(
    ("owned", "may"),
    [
        (Owned(999, 0, 0o400), True),
        (Owned(999, 999, 0o040), False),  # its own rights count, not its group's
        (Owned(0, 999, 0o040), True),
        (Owned(0, 0, 0o604), True),
        (Owned(0, 0, 0o640), False),
    ],
)
def test_who_may_read_a_file(owned: Owned, may: bool) -> None:
    found = [one for one in examine(replace(HEALTHY, owners={"vars.xml": owned})) if one.check == "readable"]
    assert [one.severity for one in found] == ["ok" if may else "error"]


@given(st.text())
def test_nothing_that_a_terminal_would_act_on_leaves(name: str) -> None:
    one = Finding(severity="error", found=(name, name), mend=("", ""))
    assert one.text("en").isprintable()
    assert len(on_one_line(name)) <= 400


# -- the configuration as the switch reads it --


def test_includes_variables_and_lost_lines() -> None:
    files = {
        "freeswitch.xml": '<document>\n<X-PRE-PROCESS cmd="include" data="vars.xml"/>\n<section name="configuration">\n'
        '<X-PRE-PROCESS cmd="include" data="autoload_configs/*.xml"/>\n</section>\n</document>\n',
        "vars.xml": '<!-- <X-PRE-PROCESS cmd="set" data="port=1"/> -->\n',
        "autoload_configs/a.xml": '<configuration name="a.conf">\n<p name="p" value="$${port}"/>\n</configuration>\n',
        "autoload_configs/b.xml": '<include><configuration name="b.conf"/>\n</include>\n',
        "autoload_configs/c.noload": "<broken",
    }
    found = pieces(expand(files, {}))
    assert list(found) == ["a.conf"], "a line with <include> is lost with all that stands on it"
    assert ElementTree.tostring(found["a.conf"]).count(b'value="1"'), "a pre-processor line works inside a comment too"


def test_what_a_file_includes_is_found_from_where_it_stands() -> None:
    text = '<X-PRE-PROCESS cmd="include" data="../toritsugi/*.xml"/>\n<X-PRE-PROCESS cmd="set" data="a=b"/>'
    assert includes("autoload_configs/acl.conf.xml", text) == ["toritsugi/*.xml"]


def test_a_file_that_includes_itself_ends() -> None:
    assert len(expand({"freeswitch.xml": 'a\n<X-PRE-PROCESS cmd="include" data="freeswitch.xml"/>\n'}, {})) < 300


@pytest.mark.timeout(100)
def test_files_that_would_take_for_ever_do_not() -> None:
    """Both include all of their folder, a line is as long as a file, comments have no end."""
    both = '<X-PRE-PROCESS cmd="include" data="a*.xml"/>\n' * 2
    assert expand({"freeswitch.xml": both, "a1.xml": both, "a2.xml": both}, {}) == ""
    assert examine(file("dialplan/default/10_mine.xml", "<a>" + "x " * 200_000 + "</a>"))
    assert examine(file("dialplan/default/10_mine.xml", "<!--" * 100_000 + "$${" * 100_000))


Walk = Callable[[str], list[str]]


@pytest.fixture
def walk() -> Walk:
    context = ElementTree.fromstring(
        '<context><extension name="loop"><condition field="${looped}" expression="^true$">'
        '<action application="deflect"/></condition></extension>'
        '<extension name="night"><condition hour="20-23"><action application="park"/></condition></extension>'
        '<extension name="mark" continue="true"><condition><action application="set"/></condition></extension>'
        '<extension name="police"><condition field="destination_number" expression="^110$">'
        '<action application="bridge"/></condition></extension>'
        '<extension name="rest"><condition field="destination_number" expression="["><action application="park"/>'
        "</condition></extension></context>"
    )
    return lambda number: [one.name for one in takers(context, number, {"looped": ""})]


def test_who_takes_a_number(walk: Walk) -> None:
    assert walk("110") == ["night", "mark", "police"], "what ends the walk is the last"
    assert walk("117") == ["night", "mark", "rest"], "a broken pattern may match for all we know"
