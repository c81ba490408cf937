"""What `toritsugi tenants check` warns of: files that may take effect, but hardly mean what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli import main
from services.directory.tenants.doubts import doubts
from tests.unit.test_directory_files import ARCHITECTURE_SAMPLE, MINIMAL, PLATFORM, TODAY, tenant_of


def warned(text: str) -> list[str]:
    return [str(problem) for problem in doubts(tenant_of(text).body, TODAY)]


def with_hours(written: str) -> str:
    return ARCHITECTURE_SAMPLE.replace('mon-fri: ["9:00-18:00"]', written)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (with_hours("mon-fri: [9:00-11:59, 12:00-18:00]"), "leaves a gap of 1 min after 9:00-11:59"),
        (with_hours("mon-fri: [13:00-18:00, 9:00-13:30]"), 'mon-fri[0]: "13:00-18:00" overlaps 9:00-13:30'),
        (with_hours("mon: [9:00-18:00], wed: [9:00-18:00], thu: [9:00-18:00], fri: []"), "says nothing of tue: closed"),
        (with_hours("mon-fri: []"), '"office" is never open'),
        (
            ARCHITECTURE_SAMPLE.replace("2026-12-29/2027-01-03", "2026-08-11/2026-08-15"),
            'hours.office.closed: "office" names no closed or special day in 2027',
        ),
        (
            ARCHITECTURE_SAMPLE.replace(
                "    - do: [{play: closed}", "    - when: {hours: office}\n      do: [{play: closed}"
            ),
            'routes.main[1]: "office" is never reached: rule 1 has the same hours',
        ),
        (ARCHITECTURE_SAMPLE.replace("hours:\n", "hours:\n  night: {daily: [22:00-5:00]}\n"), '"night" is used by no'),
        (
            ARCHITECTURE_SAMPLE.replace("{ring: sales, for_s: 20}", "{ring: sato, for_s: 20}"),
            'groups[0]: "sales" is rung by no route',
        ),
        (
            ARCHITECTURE_SAMPLE.replace("ids:\n", 'ids:\n  - {id: "1102", name: 会議室}\n', 1),
            '"1102" is in no line and has no direct number',
        ),
    ],
)
def test_what_is_hardly_meant_is_told(text: str, expected: str) -> None:
    (said,) = warned(text)
    assert "warning: " in said and expected in said


@pytest.mark.parametrize(
    "hours",
    [
        "mon-fri: [9:00-12:00, 13:00-18:00]",
        "mon-fri: [9:00-12:00, 12:00-18:00]",
        "daily: [22:00-5:00]",
        "sat-sun: [10:00-17:00]",
        "mon-fri: [9:00-18:00], wed: []",
    ],
)
def test_usual_hours_are_not_doubted(hours: str) -> None:
    assert warned(with_hours(hours)) == []


def test_until_september_nobody_is_asked_for_the_next_years_holidays() -> None:
    text = ARCHITECTURE_SAMPLE.replace("2026-12-29/2027-01-03", "2026-08-11/2026-08-15")
    assert not doubts(tenant_of(text).body, TODAY.replace(month=9))
    assert doubts(tenant_of(text).body, TODAY.replace(month=10))


def test_a_leased_number_carries_no_emergency_call(tmp_path: Path) -> None:
    numbers = "numbers: [{number: 03-1234-5678, kind: leased, mode: published, route: main}]\n"
    text = numbers + 'ids: [{id: "1", name: x}]\nlines: [{line: x, ids: ["1"]}]\nroutes: {main: [{do: [{ring: x}]}]}\n'
    said, _ = checked(tmp_path, acme=MINIMAL.format("acme") + text)
    assert "acme.yaml:4: warning: numbers: no geographic number" in said


def test_a_call_that_two_clients_forward_to_each_other_is_told_with_its_way(tmp_path: Path) -> None:
    def passing_on(name: str, own: str, to: str) -> str:
        numbers = f"numbers: [{{number: {own}, kind: leased, mode: forward_target, route: on}}]\n"
        return MINIMAL.format(name) + numbers + f"routes: {{on: [{{do: [{{forward: {to}}}]}}]}}\n"

    files = {"a": passing_on("a", "03-1234-0001", "03-1234-0002"), "b": passing_on("b", "03-1234-0002", "03-1234-0001")}
    said, code = checked(tmp_path, **files)
    assert code == 0
    way = "sends a call round in a circle: 0312340001 → 0312340002 → 0312340001"
    assert f'a.yaml:5: warning: routes.on[0].do[0].forward: "0312340002" {way}' in said
    files["b"] = passing_on("b", "03-1234-0002", "090-1234-5678")
    assert "in a circle" not in checked(tmp_path, **files)[0]


def test_an_unknown_key_is_told_with_the_nearest_one_and_everything_else_at_once(tmp_path: Path) -> None:
    wrong = ARCHITECTURE_SAMPLE.replace("reading:", "raeding:").replace("closing_day: 20", "closing_day: 32")
    said, code = checked(tmp_path, acme=wrong, other="name: x\n")
    assert code == 1
    assert "acme.yaml:3: raeding: is not a known key; allowed: " in said and "(did you mean reading?)" in said
    assert "acme.yaml:5: contract.closing_day: " in said
    assert "other.yaml:1: tenant: is missing" in said and "(did" not in said.partition("other.yaml")[2]


def test_warnings_are_objects_too(tmp_path: Path) -> None:
    said, code = checked(tmp_path, "--json", acme=with_hours("mon-fri: []"))
    first, *_, summary = [json.loads(line) for line in said.splitlines()]
    assert code == 0 or summary["errors"]
    assert (first["level"], first["key"], first["line"]) == ("warning", "hours.office", 19)


def checked(folder: Path, *options: str, **files: str) -> tuple[str, int]:
    """The command itself, over these files."""
    for name, text in {"platform": PLATFORM, **files}.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(main, ["tenants", "check", str(folder), *options])
    return result.output, result.exit_code
