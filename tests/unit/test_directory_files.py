"""What `toritsugi tenants check` says of good and bad tenant files."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.values import Party, is_geographic
from services.directory.tenants import check_command
from services.directory.tenants.documents import Document
from services.directory.tenants.yaml_files import parse
from services.routing.explain import explain

TODAY = date(2026, 11, 22)
SAMPLES = Path(__file__).parents[2] / "deploy" / "tenants"

PLATFORM = """\
switches: [{switch: fs1}]
carriers: [{name: trunk, gateway: trunk}]
pools:
  - {pool: tokyo-pool, phones: [{id: op1, domain: 127.0.0.1}]}
prices:
  - {table: standard, versions: [{from: 2024-01-01, rules: [{name: all, prefixes: ["0"], unit: 9.35}]}]}
"""

GUIDE = SAMPLES.parents[1] / "docs" / "tenants.md"
ARCHITECTURE_SAMPLE = GUIDE.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
"""The first file of the guide, as it stands there."""

MINIMAL = "tenant: {0}\nname: 客\ncontract: {{from: 2026-04-01}}\n"

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Write files into a folder and check it: exit code and what was printed."""

    def check(*, as_json: bool = False, **files: str) -> tuple[int, str]:
        for name, text in {"platform": PLATFORM, **files}.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        out = io.StringIO()
        return check_command.main(tmp_path, explain, out, io.StringIO(), as_json, TODAY), out.getvalue()

    return check


def tenant_of(text: str) -> Document[Tenant]:
    document, problems = parse(Tenant, text.encode(), "acme.yaml")
    assert document is not None, [str(p) for p in problems]
    return document


def complaints(text: str) -> list[str]:
    document, problems = parse(Tenant, text.encode(), "acme.yaml")
    assert document is None
    return [str(problem) for problem in problems]


# -- what passes ---------------------------------------------------------------------------------------------------


def test_the_samples_of_all_trades_pass() -> None:
    out = io.StringIO()
    assert check_command.main(SAMPLES, explain, out, io.StringIO(), False, TODAY) == 0
    assert out.getvalue() == "8 clients, 33 route tests: 0 errors, 0 warnings\n"


def test_the_sample_of_the_guide_passes_as_it_stands(run: Run) -> None:
    assert run(acme=ARCHITECTURE_SAMPLE) == (0, "1 client, 1 route test: 0 errors, 0 warnings\n")


# -- what YAML would have spoilt -----------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["0312345670", "0120", "03-1234-5670", '"0312345670"', "０３１２３４５６７０"])
def test_an_unquoted_telephone_number_is_not_read_as_an_octal_number(written: str) -> None:
    document = tenant_of(ARCHITECTURE_SAMPLE.replace("03-1234-5601", written))
    assert document.body.numbers[1].number in ("0312345670", "0120")


def test_times_dates_and_yes_no_words_stay_text() -> None:
    text = (
        MINIMAL.format("acme")
        + "reading: no\nanswering: {greeting: on}\nids: [{id: 1001, name: off}]\n"
        + "hours: {office: {mon: [9:00-18:00], closed: [2026-12-29]}}\n"
    )
    body = tenant_of(text).body
    assert (body.reading, body.answering.greeting, body.ids[0].id, body.ids[0].name) == ("no", "on", "1001", "off")
    assert (body.hours["office"].mon, body.hours["office"].closed) == (("9:00-18:00",), ("2026-12-29",))


@given(st.text(alphabet="0123456789:-/.eExobNnYyTtrueflsi_~", min_size=1, max_size=12))
@settings(max_examples=200, deadline=None, database=None)
def test_whatever_a_name_looks_like_it_is_kept_as_written(name: str) -> None:
    text = "tenant: acme\ncontract: {from: 2026-04-01}\nname: " + name + "\n"
    document, _ = parse(Tenant, text.encode(), "acme.yaml")
    if document is not None:
        assert document.body.name == name


# -- what is refused, and in which words ---------------------------------------------------------------------------


def test_a_wrong_word_is_named_with_file_line_key_value_and_what_is_allowed() -> None:
    assert complaints(ARCHITECTURE_SAMPLE.replace("kind: representative", "kind: represntative")) == [
        'acme.yaml:7: numbers[0].kind: "represntative" is not allowed; allowed: representative, direct, leased '
        "(did you mean representative?)"
    ]


def test_every_mistake_of_a_file_is_named_at_once_in_the_order_of_lines() -> None:
    text = ARCHITECTURE_SAMPLE.replace("closing_day: 20", "closing_day: 32").replace("9:00-18:00", "9-18")
    assert [line.split(": ")[:2] for line in complaints(text)] == [
        ["acme.yaml:5", "contract.closing_day"],
        ["acme.yaml:19", "hours.office.mon-fri[0]"],
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("tenant: a\nname: x\nname: y\n", 3, "stands twice (first in line 2)"),
        ("tenant: a\nnames:\n\t- x\n", 3, "a tab stands at the beginning of the line (indent with spaces)"),
        ("tenant: !!python/object/apply:os.system [ls]\n", 1, "has the tag"),
        ("tenant: !!str acme\n", 1, "has the tag"),
        ("tenant: a\n---\ntenant: b\n", 2, "a second document begins"),
        ("tenant: *nobody\n", 1, "names nothing before it"),
        ("- a\n- b\n", 1, "holds no keys"),
        ("", 1, "holds no keys"),
        ("tenant: [a\n", 2, "is not YAML"),
        ("tenant: a\nname: 会社\x07\n", 2, "control characters are not allowed"),
        ("? [a, b]\n: c\n", 1, "a key is a plain word"),
    ],
)
def test_what_is_no_proper_file_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    (complaint,) = complaints(text)
    assert complaint.startswith(f"acme.yaml:{line}: ")
    assert words in complaint


def test_a_bomb_of_aliases_goes_off_harmlessly() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for this, last in zip("bcdefghi", "abcdefgh", strict=True):
        bomb += f"{this}: &{this} [{', '.join([f'*{last}'] * 10)}]\n"
    (complaint,) = complaints(bomb)
    assert "holds more than 50000 values" in complaint


def test_endless_nesting_is_refused() -> None:
    (complaint,) = complaints("a: " + "[" * 500_000)
    assert "is nested more than 20 deep" in complaint or "is not YAML" in complaint


def test_a_file_too_large_or_not_utf8_is_refused() -> None:
    _, (large,) = parse(Tenant, b"#" * 1_100_000, "a.yaml")
    _, (other,) = parse(Tenant, "tenant: a\nname: 株式会社".encode("cp932"), "a.yaml")
    assert "bytes; at most" in str(large)
    assert str(other) == "a.yaml:2: is not UTF-8 (save the file as UTF-8)"


def test_keys_and_names_from_a_file_cannot_steer_a_terminal(run: Run) -> None:
    (complaint,) = complaints(MINIMAL.format("acme") + '"a\\e[2J\\n": 1\n')
    assert "a\\x1b[2J\\x0a: is not a known key" in complaint
    text = ARCHITECTURE_SAMPLE.replace("株式会社アクメ", '"\\e[2J"').replace("{play: closed}}", "{ring: sales}}")
    code, said = run(acme=text)
    assert code == 1 and "\x1b" not in said


def test_an_alias_is_a_copy() -> None:
    text = MINIMAL.format("acme") + 'hours: {a: &a {daily: ["9:00-18:00"]}, b: *a}\n'
    assert tenant_of(text).body.hours["b"] == tenant_of(text).body.hours["a"]


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None, database=None)
def test_no_bytes_break_the_reader(data: bytes) -> None:
    document, problems = parse(Tenant, data, "a.yaml")
    assert document is None
    assert all("\n" not in str(problem) for problem in problems)


# -- what the values mean together ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "route: main}",
            "route: mian}",
            'numbers[0].route: "mian" is not a route of this file; allowed: main, secretary',
        ),
        ('id: "1001"}', 'id: "1002"}', 'numbers[1].id: "1002" is not an id of this file'),
        (', id: "1001"}', "}", "a direct number names its id"),
        (", mode: published", "", "a leased number has one mode; allowed: published, forward_target"),
        ("channels: 2", "channels: 3", "never more channels than ids"),
        ("lines: [sato]", "lines: [saito]", "(did you mean sato?)"),
        ("when: {hours: office}", "when: {hours: offise}", '"offise" is not hours of this file'),
        ("     hours: office", "     hours: offise", '"offise" is not hours of this file'),
        ("ring: sales", "ring: salse", '"salse" is not a line, a group or an id of this file'),
        ("queue: tokyo-pool", "queue: kyoto-pool", '"kyoto-pool" is not a pool of platform.yaml; allowed: tokyo-pool'),
        ("plan: cloud-pbx", "prices: cheap", '"cheap" is not a price table of platform.yaml; allowed: standard'),
        ("forward: 090-1234-5678", "forward: 03-1234-5678", "is the client's own number: the call would come back"),
        ("forward: 090-1234-5678", "forward: 119", "never forwarded to an emergency service"),
        ("confirm: key", "carrier: nowhere", '"nowhere" is not a carrier of platform.yaml; allowed: trunk'),
        ("confirm: key", "present: 03-9999-0000", "is no number of this client"),
        ("ring: sales, for_s: 20", "ring: sales, confirm: key", "has no meaning for ring"),
        ("{voicemail: sales}]\n    - do", "{reject: busy}, {voicemail: sales}]\n    - do", "is never reached"),
        ("2026-12-29/2027-01-03", "2026-12-29/2026-02-30", "is no day of the calendar"),
        ("2026-12-29/2027-01-03", "2027-01-03/2026-12-29", "ends before it begins"),
        ("9:00-18:00", "09:00-9:00", "is empty"),
        ("from: 2026-04-01", "from: 2026-04-31", "is no day of the calendar"),
        ("reading: アクメ", "timezone: Asia/Tokio", '"Asia/Tokio" is no time zone'),
        ("kind: direct", "kind: representative", "only a direct number has an id"),
        ("03-1234-5601", "03-1234-5678", '"0312345678" stands twice'),
        ('{id: "1101"', '{id: "1001"', '"1001" stands twice'),
        ("group: sales", "group: sato", "is the name of a line, too"),
        ("to: voicemail", "to: nobody", "is not voicemail, a line, a group or a number"),
        ("call: 03-1234-5678", "call: 03-1234-9999", "is no number of this client"),
        (
            "expect: {play: closed}",
            "expect: {ring: sales}",
            "expected ring sales, but the call would hear the announcement",
        ),
    ],
)
def test_a_file_that_cannot_hold_its_promises_is_refused(run: Run, old: str, new: str, expected: str) -> None:
    assert old in ARCHITECTURE_SAMPLE
    code, said = run(acme=ARCHITECTURE_SAMPLE.replace(old, new, 1))
    assert code == 1
    assert expected in said
    assert said.startswith("acme.yaml:")


def _numbers(count: int, ids: int, purpose: str = "") -> str:
    text = MINIMAL.format("acme").replace("2026-04-01", f"2026-04-01, purpose: {purpose}" if purpose else "2026-04-01")
    text += "ids:\n" + "".join(f'  - {{id: "10{i:02}", name: x}}\n' for i in range(ids))
    text += "lines:\n" + "".join(f'  - {{line: l{i}, ids: ["10{i:02}"]}}\n' for i in range(ids))
    return text + "numbers:\n" + "".join(f"  - {{number: 03-1234-560{i}}}\n" for i in range(count))


@pytest.mark.requirement("R3")
def test_representative_numbers_are_limited_by_three_and_by_the_ids(run: Run) -> None:
    """代表番号は3番号まで、IDの数まで。"""
    assert run(acme=_numbers(3, 3))[0] == 0
    code, said = run(acme=_numbers(4, 5))
    assert code == 1 and "4 representative numbers; at most 3 without a declared purpose" in said
    assert run(acme=_numbers(4, 5, purpose="店舗ごとの代表番号"))[0] == 0
    code, said = run(acme=_numbers(4, 3, purpose="店舗ごとの代表番号"))
    assert code == 1 and "4 representative numbers, but only 3 ids" in said


@pytest.mark.requirement("R5")
def test_a_numbers_area_fits_the_registered_address(run: Run) -> None:
    """埼玉の会社に03番号はない。西東京は042。"""
    saitama = MINIMAL.format("acme") + "address: {prefecture: 埼玉県, municipality: さいたま市浦和区}\n"
    routed = "routes: {main: [{do: [{play: closed}]}]}\n"

    def with_number(number: str, text: str = saitama) -> tuple[int, str]:
        return run(
            acme=f"{text}{routed}numbers:\n  - {{number: {number}, kind: leased, mode: published, route: main}}\n"
        )

    code, said = with_number("03-1234-5678")
    assert code == 1
    assert 'numbers[0].number: "0312345678" is of the area 東京 (03)' in said and said.startswith("acme.yaml:7: ")
    assert "埼玉県さいたま市浦和区" in said and "allowed: numbers of 浦和 (048)" in said
    for fits in ("048-822-1234", "050-1234-5678", "0120-123-456", "0800-123-4567"):
        assert with_number(fits)[0] == 0
    machida = saitama.replace("埼玉県, municipality: さいたま市浦和区", "東京都, municipality: 町田市")
    code, said = with_number("044-988-1234", machida)
    assert code == 0 and "warning" in said and "only the town tells which" in said and "address.street" in said
    assert "town" not in with_number("044-988-1234", machida.replace("町田市", "町田市, street: 三輪町 1"))[1]
    kofu = saitama.replace("埼玉県, municipality: さいたま市浦和区", "山梨県, municipality: 甲府市")
    assert with_number("055-222-1234", kofu)[0] == 0, "of what is not in the table nothing is said"


def test_a_leased_number_never_originates(run: Run) -> None:
    text = ARCHITECTURE_SAMPLE.replace("     hours: office", "     present: 050-1234-5678, hours: office")
    code, said = run(acme=text)
    assert code == 1 and 'lines[0].present: "05012345678" a leased number never originates' in said


def test_lines_that_pass_a_call_round_are_refused(run: Run) -> None:
    text = MINIMAL.format("acme") + 'ids: [{id: "1", name: a}, {id: "2", name: b}, {id: "3", name: c}]\nlines:\n'
    for name, own, to in (("a", 1, "b"), ("b", 2, "c"), ("c", 3, "a")):
        text += f'  - {{line: {name}, ids: ["{own}"], no_answer: {{to: {to}}}}}\n'
    code, said = run(acme=text + "numbers: [{number: 03-1234-5678}]\n")
    assert code == 1 and 'lines[0].no_answer.to: "b" goes round in a loop: a → b → c → a' in said


def test_phones_without_a_geographic_number_are_warned_of(run: Run) -> None:
    text = _numbers(1, 1).replace("03-1234-5600", "050-1234-5600")
    code, said = run(acme=text)
    assert code == 0
    assert (
        "warning: numbers: no geographic number (03, 06, …) of its own: its phones cannot reach 110, 118, 119" in said
    )


def test_only_numbering_areas_are_geographic() -> None:
    assert all(is_geographic(number) for number in ("0312345678", "0612345678", "0451234567"))
    others = (
        "05012345678",
        "0120123456",
        "0570123456",
        "09012345678",
        "0800123456",
        "110",
        "0990123456",
        "+81312345678",
    )
    assert not any(is_geographic(number) for number in others)


def test_json_says_the_same_to_a_program(run: Run) -> None:
    code, said = run(acme=ARCHITECTURE_SAMPLE.replace("route: main}", "route: mian}"), as_json=True)
    *problems, summary = [json.loads(line) for line in said.splitlines()]
    assert code == 1
    assert problems[0]["key"] == "numbers[0].route" and problems[0]["line"] == 7 and problems[0]["file"] == "acme.yaml"
    assert (problems[0]["value"], problems[0]["level"]) == ('"mian"', "error")
    assert summary["clients"] == 1 and summary["errors"] == len([p for p in problems if p["level"] == "error"])


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    err = io.StringIO()
    assert check_command.main(tmp_path / "none", explain, io.StringIO(), err, False, TODAY) == 1
    assert "No such file" in err.getvalue()


def test_a_folder_without_platform_file_is_an_error(tmp_path: Path) -> None:
    out = io.StringIO()
    assert check_command.main(tmp_path, explain, out, io.StringIO(), False, TODAY) == 1
    assert out.getvalue().startswith("platform.yaml: is missing")


def test_the_platform_is_checked_too(run: Run) -> None:
    code, said = run(platform=PLATFORM.replace("gateway: trunk", "profile: external").replace("9.35", "-9.35"))
    assert code == 1 and "a price of -9.35 is not allowed" in said
    code, said = run(platform=PLATFORM.replace("gateway: trunk", "profile: external"))
    assert code == 1 and "needs either a gateway of the switch or a host" in said


def test_a_route_test_asks_for_the_caller_and_the_moment_it_names() -> None:
    asked: list[tuple[str, Party, int]] = []

    def recording(
        tenant: Tenant, platform: Platform, dialled: str, caller: Party, at_us: int
    ) -> tuple[tuple[()], list[str]]:
        asked.append((dialled, caller, at_us))
        return (), ["no rule"]

    from services.directory.tenants.route_tests import run_tests

    platform, _ = parse(Platform, PLATFORM.encode(), "platform.yaml")
    assert platform is not None
    body = tenant_of(ARCHITECTURE_SAMPLE.replace("expect: {play", "from: 090-1111-2222, expect: {play")).body
    (problem,) = run_tests(body, platform.body, recording)
    assert "expected play closed, but the call would go nowhere (no rule)" in str(problem)
    assert asked == [("0312345678", Party("09011112222"), 1795309200 * 1_000_000)]


def _blocks() -> list[tuple[str, str]]:
    found = []
    for path in (SAMPLES.parents[1] / "README.md", *sorted((SAMPLES.parents[1] / "docs").glob("*.md"))):
        blocks = re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL) if path.exists() else []
        found += [(f"{path.name}-{n}", block) for n, block in enumerate(blocks) if re.search(r"^tenant:", block, re.M)]
    return found


@pytest.mark.parametrize("block", [block for _, block in _blocks()], ids=[name for name, _ in _blocks()])
def test_every_tenant_file_in_readme_and_guides_passes(run: Run, block: str) -> None:
    code, said = run(platform=(SAMPLES / "platform.yaml").read_text(encoding="utf-8"), guide=block)
    assert code == 0, said
