"""All forms of the settings by API: the same fields, checks, changes and entries as on the pages."""

from __future__ import annotations

from typing import Any

import pytest

from services.directory.settings.web import SETTINGS
from tests.integration.pages.test_api_writes import revisions, send
from tests.pages_house import PagesHouse
from tests.visitor import Answer, Visitor

ALL = "/api/v1/clients/acme/settings"


@pytest.fixture
def program(house: PagesHouse) -> Visitor:
    """A program of the platform's operator."""
    return house.program()


def put(program: Visitor, form: str, values: Any, key: str, match: str = "") -> Answer:
    """Write some fields of a form, as last seen unless something else is named."""
    match = match or program.get(ALL).headers["ETag"]
    return send(program, f"{ALL}/{form}", {"values": values}, key, match, "PUT")


@pytest.mark.requirement("D10")
def test_every_form_is_listed_read_and_written_back_without_a_change(program: Visitor) -> None:
    listed = program.get(ALL).json()["forms"]
    assert {one["form"] for one in listed} >= {"hours", "way", "permissions", "devices", "greeting", "notices"}
    assert {one["form"] for one in listed} <= {setting.subject for setting in SETTINGS}
    for n, one in enumerate(listed):
        shown = program.get(one["address"]).json()
        assert {field["name"].split(".")[0] for field in shown["fields"]} == set(shown["values"]), one
        if one["form"] in ("new-hours", "unused-hours"):
            continue  # to write these is to make or to delete something
        answer = put(program, "/".join(filter(None, (one["form"], one["which"]))), shown["values"], f"k{n}")
        assert (answer.status, answer.json()) == (200, {"values": shown["values"]}), one
    assert len(revisions(program)) == 1, "nothing was changed"


@pytest.mark.requirement("D10")
def test_a_form_is_changed_as_on_its_page_and_taken_back(program: Visitor) -> None:
    answer = put(program, "greeting", {"greeting": "はい、アクメでございます。"}, "k1")
    assert (answer.status, answer.json()) == (200, {"values": {"greeting": "はい、アクメでございます。"}})
    shown = program.get(f"{ALL}/greeting")
    assert (shown.json()["values"], shown.headers["ETag"]) == (answer.json()["values"], answer.headers["ETag"])
    assert revisions(program)[0][1:] == ("admin", "greeting")
    assert put(program, "greeting", {"greeting": "はい、アクメでございます。"}, "k2", '"other"').status == 200, (
        "it is so"
    )
    assert put(program, "greeting", {"greeting": "もしもし"}, "k3", '"other"').status == 412
    back = send(program, "/api/v1/clients/acme/undo", {"to": 1}, "k4", answer.headers["ETag"])
    assert back.status == 200
    assert program.get(f"{ALL}/greeting").json()["values"] != answer.json()["values"]


def test_the_way_of_a_call_is_written_step_by_step(program: Visitor) -> None:
    """Lists of entries with fields of their own; what one of them says is checked like on the page."""
    (way,) = [one for one in program.get(ALL).json()["forms"] if one["form"] == "way"][:1]
    form = f"way/{way['which']}"
    shown = program.get(way["address"]).json()
    offered = {field["name"]: [one["value"] for one in field["offered"]] for field in shown["fields"]}
    assert "forward" in offered["rules.steps.what"]
    rules = shown["values"]["rules"]
    step = {
        "was": "",
        "what": "forward",
        "number": "０９０ー１１１１ー２２２２",
        "for_s": "",
        "confirm": True,
        "present": "",
    }
    rules[-1]["steps"] = [step]
    for wrong, field in (
        ({"number": "12"}, "number"),
        ({"what": "anything"}, "what"),
        ({"confirm": "yes"}, "confirm"),
        ({"number": 12}, "number"),
        ({"number": None}, "number"),
        ({"more": ""}, "more"),
    ):
        bad = [*rules[:-1], {**rules[-1], "steps": [{**step, **wrong}]}]
        answer = put(program, form, {"rules": bad}, "w")
        assert answer.status == 422, wrong
        assert answer.json()["errors"][0]["field"] == f"rules.{len(rules) - 1}.steps.0.{field}", wrong
    lacking = [*rules[:-1], {**rules[-1], "steps": [{"what": "forward"}]}]
    assert put(program, form, {"rules": lacking}, "w").json()["errors"][0]["problem"] == "is missing"
    for nothing in ([], [{"was": "", "when": "", "steps": []}], "x", [rules[0]] * 50, [[[]]], [{}]):
        assert put(program, form, {"rules": nothing}, "w").status == 422, nothing
    assert len(revisions(program)) == 1
    done = put(program, form, {"rules": rules}, "k")
    assert done.status == 200, done.text
    assert done.json()["values"]["rules"][-1]["steps"][0]["number"] == "090-1111-2222"


def test_hours_are_made_and_deleted_again(program: Visitor) -> None:
    made = put(program, "new-hours", {"name": "night", "mon": "20:00-22:00"}, "k1")
    assert (made.status, made.json()["values"]["mon"]) == (200, "20:00-22:00")
    assert put(program, "new-hours", {"name": "night"}, "k2").status == 422, "there is one of this name"
    assert put(program, "unused-hours/night", {}, "k3").status == 200
    assert program.get(f"{ALL}/hours/night").status == 404
    assert [why for _, _, why in revisions(program)] == ["unused-hours night", "new-hours night", ""]


def test_what_is_no_form_no_field_or_not_the_own_is_refused(house: PagesHouse, program: Visitor) -> None:
    for nowhere in ("nothing", "nothing/at-all", "greeting/x", "hours", "hours/none", "permissions/none"):
        assert program.get(f"{ALL}/{nowhere}").status == 404, nowhere
        assert put(program, nowhere, {}, "k").status == 404, nowhere
    for values, field in (({"stands": "x"}, "stands"), ({"greeting": ["x"]}, "greeting"), ({"\u202e": ""}, "?")):
        answer = put(program, "greeting", values, "k")
        assert (answer.status, answer.json()["errors"][0]["field"]) == (422, field)
    assert send(program, f"{ALL}/greeting", {"greeting": "x"}, "k", "*", "PUT").status == 422
    house.visitor("other", "tenant_administrator", "zeta")
    house.visitor("reader", "read_only", "acme")
    assert house.program("other").get(f"{ALL}/greeting").status == 404
    assert house.program("reader").get(ALL).status == 403
    assert len(revisions(program)) == 1


def test_words_are_those_of_the_page_in_the_language_that_is_asked_for(program: Visitor) -> None:
    (greeting,) = [one for one in program.get(f"{ALL}?lang=en").json()["forms"] if one["form"] == "greeting"]
    (as_on_page,) = [one for one in program.get(ALL).json()["forms"] if one["form"] == "greeting"]
    assert as_on_page["title"] == "名乗り"
    assert greeting["title"].isascii()
