"""The API as programs meet it: every answer as its document says, refusals as problem details, lists page by page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from apispec import APISpec
from flask import Blueprint

from proto.values import Party
from services.directory.audit.rows import oldest_first
from services.history import search
from services.runtime.bus import Unavailable
from services.runtime.web import access, create_app
from services.runtime.web.pace import Pace
from tests import stories
from tests.pages_house import PagesHouse
from tests.visitor import Answer, Visitor

API = "/api/v1"
EVERYTHING = (
    "/calls",
    "/calls/live",
    "/calls/acme/c1",
    "/calls/acme/c1?lang=en",
    "/calls?from=2026-11-21&result=answered&talk=60&lang=en",
    "/token",
    "/health",
    "/clients",
    "/clients/acme/revisions",
    "/clients/acme/hours",
    "/clients/acme/hours/office",
    "/clients/acme/phone-book",
    "/clients/acme/phones",
    "/numbers",
    "/numbers/0312345678",
    "/audit",
    "/audit?who=admin&since=2026-01-01",
)


@pytest.fixture
def house(house: PagesHouse) -> PagesHouse:
    """Calls of two clients, one of them in progress."""
    later = stories.FRIDAY_US + 3_600_000_000
    withheld = Party(presentation="withheld")
    for story in (
        stories.forwarded("c1"),
        stories.abandoned("c2", caller=withheld, start_us=later),
        stories.queued("c3", start_us=later + 1),
        stories.forwarded("z1", tenant="zeta", start_us=later + 2),
    ):
        house.tell(story.facts)
    house.drained()
    return house


def document(house: PagesHouse) -> dict[str, Any]:
    """What the API says of itself."""
    found: dict[str, Any] = Visitor(house.server.port).get(f"{API}/openapi.json").json()
    return found


def schema_of(document: dict[str, Any], path: str, answer: Answer) -> dict[str, Any]:
    """What the document promises for this answer to a GET."""

    def fits(template: str) -> bool:
        ours, theirs = path.partition("?")[0].split("/"), template.removeprefix(API).split("/")
        pairs = zip(ours, theirs, strict=True) if len(ours) == len(theirs) else [("", "x")]
        return all(own == part or part.startswith("{") for own, part in pairs)

    template = min((one for one in document["paths"] if fits(one)), key=lambda one: one.count("{"))
    said = document["paths"][template]["get"]["responses"][str(answer.status)]
    if "$ref" in said:
        said = document["components"]["responses"][said["$ref"].rpartition("/")[2]]
    schema: dict[str, Any] = said["content"][answer.headers["Content-Type"]]["schema"]
    return schema


@pytest.mark.requirement("D10")
def test_every_answer_is_as_the_document_says(house: PagesHouse) -> None:
    said, program = document(house), house.program()
    assert said["openapi"].startswith("3.1")
    for path in (*EVERYTHING, "/calls/acme/nothing", "/calls?limit=0", "/audit?who=x&who=y"):
        answer = program.get(API + path)
        wanted = 404 if "nothing" in path else 422 if "limit" in path or "x&" in path else 200
        assert answer.status == wanted, (path, answer.text)
        validator = jsonschema.Draft202012Validator({**schema_of(said, path, answer), "components": said["components"]})
        validator.validate(answer.json())


def test_the_documents_of_the_services_are_told_apart_and_make_the_whole(house: PagesHouse) -> None:
    visitor = Visitor(house.server.port)
    parts = [visitor.get(f"{API}/openapi/{one}.json").json()["paths"] for one in ("history", "directory")]
    assert not parts[0].keys() & parts[1].keys()
    assert {**parts[0], **parts[1]} == document(house)["paths"]
    assert visitor.get(f"{API}/openapi/billing.json").status == 404


def test_the_document_is_made_once_however_often_somebody_asks(
    house: PagesHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody shows a token for it, so nothing bounds how often."""
    made: list[int] = []
    make = APISpec.to_dict

    def counted(spec: APISpec) -> dict[str, Any]:
        made.append(1)
        return make(spec)

    monkeypatch.setattr(APISpec, "to_dict", counted)
    for _ in range(3):
        for path in ("openapi.json", "openapi/history.json", "openapi/nobody.json"):
            Visitor(house.server.port).get(f"{API}/{path}")
    assert len(made) <= 2


def test_calls_come_page_by_page_each_once(house: PagesHouse) -> None:
    program = house.program()
    seen, path = [], f"{API}/calls?limit=1&client=acme"
    while path:
        page = program.get(path).json()
        seen += [line["call"] for line in page["calls"]]
        path = page["next"]
    assert seen == ["c2", "c1"], "c3 is not over"
    (running,) = program.get(f"{API}/calls/live").json()["live"]
    assert (running["call"], running["state_key"]) == ("c3", "talking")


def test_a_list_that_looked_far_enough_says_so_and_goes_on(house: PagesHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "EXAMINED", 1)
    first = house.program("admin", "calls:read").get(f"{API}/calls?client=acme&talk=60").json()
    assert first["calls"] == []
    assert first["searched_to_us"] == stories.FRIDAY_US + 3_600_000_000


def test_a_withheld_number_stays_withheld(house: PagesHouse) -> None:
    (line,) = house.program().get(f"{API}/calls?result=missed&client=acme&lang=en").json()["calls"]
    assert (line["caller"], line["caller_name"], line["result"], line["result_key"]) == (
        "Withheld",
        "",
        "Missed",
        "missed",
    )


def test_files_and_revisions_are_read_by_whoever_runs_the_platform(house: PagesHouse) -> None:
    program = house.program()
    file = program.get(f"{API}/clients/acme/file")
    assert (file.headers["Content-Type"], file.status) == ("application/yaml", 200)
    assert "アクメ" in file.text
    (revision,) = program.get(f"{API}/clients/acme/revisions").json()["revisions"]
    again = program.get(f"{API}/clients/acme/revisions/{revision['number']}")
    assert (again.text, again.headers["ETag"]) == (file.text, file.headers["ETag"])
    for path in ("/clients/nobody/file", "/clients/acme/revisions/9", f"/clients/acme/revisions/{10**30}"):
        assert program.get(API + path).status == 404, path
    house.visitor("boss", "tenant_administrator", "acme")
    boss = house.program("boss")
    assert boss.get(f"{API}/clients").json()["clients"] == [{"tenant": "acme", "name": "株式会社アクメ"}]
    assert boss.get(f"{API}/clients/acme/file").status == 403


def test_whoever_takes_entries_of_the_audit_log_away_is_an_entry(house: PagesHouse) -> None:
    program = house.program()
    first = program.get(f"{API}/audit?limit=2").json()
    assert [entry["what"] for entry in first["entries"]] == ["audit.exported", "program.added"]
    second = program.get(first["next"]).json()
    assert second["entries"][0]["seq"] == first["entries"][-1]["seq"] - 1
    whats = [entry.what for entry in oldest_first(house.directory)]
    assert whats.count("audit.exported") == 1, "going on in a list is no other look"


def test_nobody_begins_in_the_middle_of_the_audit_log_unseen(house: PagesHouse) -> None:
    house.program().get(f"{API}/audit?before={10**15}")
    (after,) = [e.after for e in oldest_first(house.directory) if e.what == "audit.exported"]
    assert '"before":1000000000000000' in (after or "")


REFUSED = {
    "/calls?form=x": ("form", "client, from, to"),
    "/calls?from=2026-02-31": ("from", "2026-11-21"),
    "/calls?from=yesterday": ("from", "2026-12-29"),
    "/calls?limit=201": ("limit", "1 to 200"),
    "/calls?talk=-1": ("talk", "0 to 604800"),
    "/calls?number=%3Cb%3E": ("number", "digits"),
    "/calls?lang=fr": ("lang", "ja, en"),
    "/calls?before=now": ("before", "next"),
    "/audit?before=x": ("before", "smaller"),
    "/audit?since=2026-02-31": ("since", "no day"),
    "/token?x=1": ("x", "not a known key"),
    "/clients?limit=1&limit=2": ("limit", "more than once"),
}


def test_what_cannot_be_asked_is_refused_with_the_field_and_what_is_allowed(house: PagesHouse) -> None:
    program = house.program()
    for path, (field, told) in REFUSED.items():
        answer = program.get(API + path)
        assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json"), path
        (error,) = answer.json()["errors"]
        assert error["field"] == field, path
        assert told in error["problem"], path
        assert "yesterday" not in answer.text and "<b>" not in answer.text, "what was sent is not repeated"


def test_every_refusal_is_a_problem(house: PagesHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    program, nobody = house.program(), Visitor(house.server.port)

    def away(*_: object) -> object:
        raise Unavailable("the password is geheim")

    def fail(*_: object) -> object:
        raise ZeroDivisionError("the password is geheim")

    answers = {
        401: nobody.get(f"{API}/calls"),
        403: house.program("admin", "audit:read").get(f"{API}/calls"),
        404: program.get("/api/v2"),
        405: program.post(f"{API}/calls", {}, token=False),
        400: program.get(f"{API}/calls?number=%00"),
    }
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(search, "find", away)
        answers[503] = program.get(f"{API}/calls")
        meanwhile.setattr(search, "find", fail)
        answers[500] = program.get(f"{API}/calls")
    for status, answer in answers.items():
        assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json"), status
        assert answer.json()["status"] == status
        assert "geheim" not in answer.text
        assert answer.headers["Set-Cookie"] is None
    assert answers[401].headers["WWW-Authenticate"].lower() == "bearer"


def test_a_program_that_asks_too_often_is_told_when_to_go_on(house: PagesHouse) -> None:
    program, other = house.program(), house.program()
    house.app.extensions["toritsugi_pace"] = Pace(per_minute=1, at_once=3)
    assert [program.get(f"{API}/token").status for _ in range(4)] == [200, 200, 200, 429]
    slowed = program.get(f"{API}/token")
    assert 1 <= int(slowed.headers["Retry-After"]) <= 60
    assert slowed.headers["Content-Type"] == "application/problem+json"
    assert other.get(f"{API}/token").status == 200


def test_the_pace_is_even_after_a_burst() -> None:
    pace = Pace(per_minute=60, at_once=3)
    assert [pace.wait_us("a", 0) for _ in range(5)] == [0, 0, 0, 1_000_000, 1_000_000]
    assert pace.wait_us("b", 0) == 0
    assert [pace.wait_us("a", 1_000_000) for _ in range(2)] == [0, 1_000_000]
    assert [pace.wait_us("a", 60_000_000) for _ in range(4)] == [0, 0, 0, 1_000_000]


@pytest.mark.requirement("D10")
@pytest.mark.parametrize("path", [f"{API}/x", "/x"])
def test_a_route_of_the_api_without_a_scope_and_a_page_with_one_do_not_start(tmp_path: Path, path: str) -> None:
    def view() -> str:
        return ""

    def start(opened: Callable[..., str]) -> None:
        room = Blueprint("room", __name__)
        room.get(path)(opened)
        create_app([room], key_file=tmp_path / "key", people=lambda _name: None)

    for_people, for_programs = (
        access.roles("employee")(view),
        access.by_token("calls:read")(access.roles("employee")(lambda: "")),
    )
    right, wrong = (for_programs, for_people) if access.is_api(path) else (for_people, for_programs)
    with pytest.raises(access.UndeclaredScope, match=path):
        start(wrong)
    start(right)
    with pytest.raises(ValueError, match="scopes of tokens"):
        access.by_token("everything")
