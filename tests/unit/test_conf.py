"""What is written for a switch: phones, carriers, the fallback of a number; and what never stands in it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.tenant import Tenant
from proto.tenant.platform import Platform, Switch
from services.eventsocket import conf
from services.eventsocket.conf_folder import ConfFolder
from services.eventsocket.fallbacks import fallback_path
from services.eventsocket.words import RenderSettings

PLATFORM = msgspec.convert(
    {
        "switches": [{"switch": "fs1", "domain": "pbx.example"}],
        "carriers": [{"name": "hikari", "gateway": "hikari"}, {"name": "direct", "host": "192.0.2.9:5060"}],
        "pools": [{"pool": "tokyo", "phones": [{"id": "op1", "domain": "pbx.example"}]}],
    },
    Platform,
)
HERE = Switch("fs1", domain="pbx.example")
PASSWORDS = conf.Credentials(phones={"1001@pbx.example": "geheim", "op1@pbx.example": "a1:" + "0f" * 16})


def tenant(**changes: Any) -> Tenant:
    of_acme: dict[str, Any] = {
        "tenant": "acme",
        "name": "アクメ",
        "contract": {"from": "2026-04-01"},
        "numbers": [
            {"number": "05012345678", "route": "main"},
            {"number": "0312345678", "route": "main"},
            {"number": "0312345601", "kind": "direct", "id": "1001"},
        ],
        "ids": [{"id": "1001", "name": "佐藤"}],
        "routes": {"main": [{"do": [{"play": "closed"}, {"forward": "09012345678", "confirm": "key"}]}]},
    }
    return msgspec.convert(of_acme | changes, Tenant)


def pieces(one: Tenant, credentials: conf.Credentials = PASSWORDS) -> conf.OfTenant:
    return conf.of_tenant(one, "ab" * 32, PLATFORM, HERE, credentials, RenderSettings())


def actions(text: str) -> list[tuple[str, str]]:
    return [(a.get("application", ""), a.get("data", "")) for a in ElementTree.fromstring(text).iter("action")]


def test_a_phone_is_given_its_tenant_its_emergency_line_and_a_hash_of_its_password() -> None:
    root = ElementTree.fromstring(conf.directory_xml([pieces(tenant())]))
    (user,) = root.findall("domain[@name='pbx.example']/groups/group/users/user")
    values = {one.get("name"): one.get("value") for one in [*user.iter("param"), *user.iter("variable")]}
    assert user.get("id") == "1001"
    assert values["a1-hash"] == hashlib.md5(b"1001:pbx.example:geheim", usedforsecurity=False).hexdigest()
    assert (values["tt_tenant"], values["tt_emergency_number"]) == ("acme", "0312345678")
    assert values["allow-empty-password"] == "false", "else no password at all would be the right one"
    assert "dial-string" not in values
    assert "geheim" not in conf.directory_xml([pieces(tenant())])


def test_a_phone_without_a_password_is_not_written_and_that_is_said() -> None:
    found = pieces(tenant(), conf.Credentials())
    assert found.phones == ()
    assert "1001@pbx.example: no password was issued, so it cannot register" in found.problems


@pytest.mark.parametrize("numbers", [["05012345678"], ["0120123456", "08001234567"], []])
def test_a_client_without_a_geographic_number_has_no_emergency_line_not_somebody_elses(numbers: list[str]) -> None:
    found = pieces(tenant(numbers=[{"number": number, "route": "main"} for number in numbers]))
    assert 'name="tt_emergency_number" value="none"' in found.phones[0]
    assert any("110" in problem for problem in found.problems)


def test_a_leased_number_is_no_emergency_line() -> None:
    one = tenant(numbers=[{"number": "0312345679", "kind": "leased", "mode": "published", "route": "main"}])
    assert conf.emergency_number(one) == ""


def test_a_number_falls_back_to_the_first_target_of_its_route_with_its_key_press() -> None:
    (_set, variables), (_bridge, dialled), (_transfer, then) = actions(
        pieces(tenant()).fallbacks["fallback/678/0312345678.xml"]
    )
    assert dialled.endswith("]sofia/gateway/hikari/09012345678")
    assert "origination_caller_id_number=0312345678" in dialled
    assert "group_confirm_key=1" in variables
    assert "tt_fallback=abababababababab" in variables, "the revision it was written from"
    assert then == "apology XML fallback"


@pytest.mark.requirement("R17")
def test_a_suspended_number_falls_back_to_its_guidance_and_to_nobody() -> None:
    suspended = {"0312345678", "0312345601"}
    found = conf.of_tenant(tenant(), "ab" * 32, PLATFORM, HERE, PASSWORDS, RenderSettings(), suspended)
    for number in suspended:
        done = actions(found.fallbacks[fallback_path(number)])
        assert [name for name, _ in done] == ["multiset", "pre_answer", "playback", "hangup"]
        assert done[0][1].startswith("tt_tenant=acme ") and done[-1][1] == "UNALLOCATED_NUMBER"
    assert found.fallbacks.keys() == pieces(tenant()).fallbacks.keys()
    assert "09012345678" in found.fallbacks[fallback_path("05012345678")], "the others go on"
    assert found.phones == pieces(tenant()).phones, "its phones, and their line for 110, stay"
    assert conf.emergency_number(tenant(), {"0312345678"}) == "0312345601", "who rings back gets through"


def test_a_direct_number_falls_back_to_its_phone() -> None:
    (_set, (_bridge, dialled), _transfer) = actions(pieces(tenant()).fallbacks["fallback/601/0312345601.xml"])
    assert dialled.endswith("]sofia/internal/1001%pbx.example")


def test_a_fallback_dials_phones_as_plans_do_with_encrypted_voice() -> None:
    told = conf.of_tenant(tenant(), "ab" * 32, PLATFORM, HERE, PASSWORDS, RenderSettings(srtp="optional"))
    asked = {name: "rtp_secure_media=optional" in text for name, text in told.fallbacks.items()}
    assert asked["fallback/601/0312345601.xml"] and not asked["fallback/678/0312345678.xml"]


def test_a_number_that_is_forwarded_nowhere_falls_back_to_the_phones_that_its_route_rings() -> None:
    one = tenant(
        ids=[{"id": "1001", "name": "佐藤"}, {"id": "1101", "name": "佐藤", "device": "app"}],
        lines=[{"line": "sato", "ids": ["1001", "1101"]}],
        groups=[{"group": "sales", "lines": ["sato"]}],
        routes={"main": [{"do": [{"play": "closed"}]}, {"do": [{"ring": "sales", "for_s": 25}]}]},
    )
    (_set, (_bridge, dialled), (_transfer, then)) = actions(pieces(one).fallbacks["fallback/678/0312345678.xml"])
    legs = re.findall(r"\[([^]]*)\]([^,]+)", dialled)
    assert [address for _, address in legs] == ["sofia/internal/1001%pbx.example", "sofia/internal/1101%pbx.example"]
    assert all("tt_leg=ring" in options and "leg_timeout=25" in options for options, _ in legs)
    assert then == "apology XML fallback"


@pytest.mark.parametrize("target", ["0312345678", "110"])
def test_a_target_that_would_come_back_or_call_for_help_is_an_apology(target: str) -> None:
    one = tenant(routes={"main": [{"do": [{"forward": target}]}]})
    assert [name for name, _ in actions(pieces(one).fallbacks["fallback/678/0312345678.xml"])] == [
        "multiset",
        "transfer",
    ]


def test_operators_phones_are_written_once_and_belong_to_nobody() -> None:
    found = conf.of_pools(PLATFORM, set(), PASSWORDS)
    assert [("tt_tenant" in one.phones[0], one.problems) for one in found] == [(False, ())]
    assert "tt_emergency_number" not in found[0].phones[0], "the switch's own counts, which stands for its site"
    assert conf.of_pools(PLATFORM, {("op1", "pbx.example")}, PASSWORDS) == []


def test_a_gateway_stands_over_several_lines_and_unknown_ones_are_said() -> None:
    known = conf.Credentials(
        gateways={"hikari": conf.Gateway(proxy="192.0.2.1", password='a"<&b', allow=("192.0.2.1",))}  # noqa: S106
    )
    text, problems = conf.gateways_xml(PLATFORM, known)
    assert problems == ()
    assert ElementTree.fromstring(text).find("gateway/param[@name='password']").get("value") == 'a"<&b'  # type: ignore[union-attr]
    assert all(line.count("<") <= 1 for line in text.splitlines())
    assert conf.acl_xml(known) == ('<include>\n  <node type="allow" cidr="192.0.2.1/32"/>\n</include>\n', ())
    assert conf.gateways_xml(PLATFORM, conf.Credentials())[1][0].startswith("gateway hikari: not in the credentials")


def test_an_address_alone_lets_in_one_address_of_either_kind() -> None:
    allowed = ("192.0.2.1", "2001:db8::1", "198.51.100.7/24", "2001:db8:1::/48", "999.1.1.1", "192.0.2.1/33", "::g")
    text, problems = conf.acl_xml(conf.Credentials(gateways={"a": conf.Gateway(proxy="x", allow=allowed)}))
    assert re.findall('cidr="([^"]*)"', text) == [
        "192.0.2.1/32",
        "2001:db8::1/128",
        "198.51.100.0/24",
        "2001:db8:1::/48",
    ]
    assert len(problems) == 3


def test_which_carriers_the_switch_must_be_told_to_forget() -> None:
    """mod_sofia ignores a gateway that it knows by name already, whatever has changed in it."""

    def written(**gateways: str) -> str:
        carriers = [{"name": name, "gateway": name} for name in gateways]
        known = {name: conf.Gateway(proxy="192.0.2.1", password=one) for name, one in gateways.items()}
        of_platform = msgspec.convert({"switches": [{"switch": "fs1"}], "carriers": carriers}, Platform)
        return conf.gateways_xml(of_platform, conf.Credentials(gateways=known))[0]

    before = written(same="a", changed="b", gone="c")
    assert conf.gateways_that_differ(before, written(same="a", changed="other", new="d")) == {"changed", "gone"}
    assert conf.gateways_that_differ("<include>\n</include>\n", before) == frozenset()


@pytest.mark.parametrize(
    "changes",
    [
        {"ids": [{"id": "X-PRE-PROCESS", "name": "x"}]},
        {"domain": "x-pre-process.example"},
        {"tenant": "x-pre-process"},
    ],
)
def test_a_name_that_the_switch_takes_for_an_instruction_costs_nobody_else_anything(changes: dict[str, Any]) -> None:
    """The switch drops the whole line, so that its directory would be broken for all clients (switch_xml.c)."""
    phones = {f"{phone}@{domain}": "p" for phone in ("1001", "X-PRE-PROCESS") for domain in _DOMAINS}
    one = pieces(tenant(**changes), conf.Credentials(phones=phones))
    assert one.problems
    for text in (conf.directory_xml([one]), *one.fallbacks.values()):
        assert "x-pre-process" not in text.lower()


_DOMAINS = ("pbx.example", "x-pre-process.example")


HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["$${tt_x}", '"/><X-PRE-PROCESS cmd="exec" data="id"/>', "a\nb", "--><x>", "${system(id)}", "a,b]c"]
    ),
)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_nothing_in_a_credentials_file_becomes_a_line_or_an_instruction(one: str, two: str, three: str) -> None:
    """The switch's pre-processor looks at every line, and carries out what it finds in attributes and comments."""
    given = conf.Credentials(
        phones={"1001@pbx.example": one},
        gateways={"hikari": conf.Gateway(proxy="192.0.2.1", username=one, password=two, realm=three, allow=(three,))},
    )
    acl, gateways = conf.acl_xml(given)[0], conf.gateways_xml(PLATFORM, given)[0]
    for text in (conf.directory_xml([pieces(tenant(), given)]), gateways, acl):
        ElementTree.fromstring(text)
        assert "$" not in text
        assert "x-pre-process" not in text.lower()
    allowed = re.compile(r"</?(include|gateway|param)[ >]")
    assert all(allowed.match(line.strip()) for line in gateways.splitlines())


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=9)))
def test_a_credentials_file_that_is_wrong_is_refused_without_repeating_it(raw: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="credentials file") as refused:
        conf.credentials_of(json.dumps({"phones": raw, "gatewais": {}}).encode())
    assert not [value for value in raw.values() if len(value) > 5 and value in str(refused.value)]


def test_only_what_differs_is_written_and_nothing_is_left_beside(tmp_path: Path) -> None:
    folder = ConfFolder(tmp_path / "agent")
    assert folder.write({"a.xml": "1", "b.xml": "2"}) == {"a.xml", "b.xml"}
    assert folder.write({"a.xml": "1", "b.xml": "3"}) == {"b.xml"}
    folder.replace_fallbacks(set(), {"fallback/678/x.xml": "x", "fallback/679/y.xml": "y"})
    folder.replace_fallbacks({"fallback/678/x.xml"}, {})
    folder.keep_fallbacks(set())
    assert sorted(p.name for p in (tmp_path / "agent").rglob("*") if p.is_file()) == ["a.xml", "b.xml"]


def test_on_a_full_disk_only_what_has_changed_becomes_an_apology(tmp_path: Path) -> None:
    folder = ConfFolder(tmp_path / "agent")
    before = {"fallback/678/x.xml": "x", "fallback/679/y.xml": "y"}
    folder.replace_fallbacks(set(), before)
    (tmp_path / "agent/fallback/679/.y.xml.new").mkdir()  # stands for a disk that takes no more
    with pytest.raises(OSError, match=r"y\.xml"):
        folder.replace_fallbacks(set(before), {"fallback/678/x.xml": "x", "fallback/679/y.xml": "changed"})
    assert folder.text("fallback/678/x.xml") == "x"
    assert folder.text("fallback/679/y.xml") == ""


def test_a_directory_that_is_not_quite_ours_is_read_as_far_as_it_can_be() -> None:
    """Edited by hand: a phone without a hash that we know is nobody's; the files of the switch are still written."""
    ours = conf.directory_xml([pieces(tenant())])
    strange = ours.replace('name="a1-hash"', 'name="password"', 1)
    assert strange != ours
    owners = {"acme"}
    assert conf.phones_that_differ(strange, ours, owners) == frozenset()
    assert len(conf.phones_that_differ(ours, strange, owners)) == 1
