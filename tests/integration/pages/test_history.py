"""The pages over HTTP: log-in, role walls, live updates, and callers who try to break them."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import gevent
import pytest
from flask import Blueprint
from itsdangerous import TimestampSigner
from sqlalchemy import select

from proto.values import PLATFORM_TENANT, Party
from services.directory import service as directory
from services.directory.audit.rows import oldest_first
from services.directory.people import passwords, tries
from services.directory.people import rows as people
from services.directory.people.web import inside
from services.history import reads
from services.history.summary import summary
from services.runtime import clock
from services.runtime.store import Store
from services.runtime.web import create_app
from services.runtime.web.access import UndeclaredScope
from tests import stories
from tests.pages_house import PagesHouse
from tests.stores import Database
from tests.visitor import Visitor


def test_calls_are_shown_with_result_and_charge_in_japanese_and_english(house: PagesHouse, admin: Visitor) -> None:
    house.tell([*stories.forwarded("c1").facts, *stories.queued("c2").facts])
    house.drained()
    page = admin.get("/").text
    assert '<html lang="ja"' in page
    for text in (
        "090-1111-2222",
        "株式会社アクメ",
        "応答",
        "2分05秒",
        "52.8円(税込)",
        "通話中",
        "2026年11月21日(土) 14:05",
    ):
        assert text in page
    english = admin.get("/?lang=en").text
    assert '<html lang="en"' in english
    for text in ("Answered", "2 min 05 s", "¥52.8 (tax incl.)", "Talking", "Calls in progress", "Log out"):
        assert text in english
    assert '<html lang="en"' in admin.get("/").text, "the choice is remembered"


def test_the_api_says_what_the_page_says(house: PagesHouse, admin: Visitor) -> None:
    house.tell(stories.forwarded("c1").facts)
    program = house.program()
    (line,) = program.get("/api/v1/calls/live").json()["last"]
    page = admin.get("/").text
    assert all(line[name] in page for name in ("caller", "dialled", "result", "talk", "charge", "answered_by"))
    story = program.get("/api/v1/calls/acme/c1").json()
    assert story["line"]["charge"] == line["charge"]
    assert [step["text"] for step in story["steps"]][-1] in admin.get("/calls/acme/c1").text


def test_every_fact_delivered_twice_and_backwards_changes_nothing(house: PagesHouse) -> None:
    facts = stories.forwarded("c1").facts
    before = house.bus.depth("connectors.0")
    house.tell([*reversed(facts), *facts])
    house.drained()
    (line,) = house.program().get("/api/v1/calls").json()["calls"]
    assert (line["talk_ms"], line["charge_incl"]) == (125_000, "52.8")
    counted = house.history.run(summary)
    assert counted.calls == {"c1": 1}
    assert counted.legs_ended == {"c1-a": 1, "c1-b": 1, "c1-c": 1}
    assert counted.legs_charged == {"c1-a": 1, "c1-c": 1}
    assert (counted.decided, counted.calls_routed) == ({"c1-a:park:1": 1}, 1)
    assert counted.decision_us == (6200,)
    assert house.bus.depth("connectors.0") == before + 1, "one CallEnded"


def test_the_same_leg_ended_or_charged_under_another_id_is_counted_as_a_surplus(house: PagesHouse) -> None:
    story = stories.forwarded("c1")
    story.charge(f"{story.call}-c", 151.0, "52.8")
    house.tell(story.facts)
    house.drained()
    assert house.history.run(summary).legs_charged == {"c1-a": 1, "c1-c": 2}
    assert house.call("acme", "c1").charges.keys() == {"c1-a", "c1-c"}  # type: ignore[union-attr]


def test_whoever_is_not_logged_in_is_asked_to_and_comes_back(house: PagesHouse) -> None:
    visitor = Visitor(house.server.port)
    asked = visitor.get("/calls/acme/c1")
    assert (asked.status, asked.headers["Location"]) == (302, "/login?next=%2Fcalls%2Facme%2Fc1")
    assert visitor.get("/live", accept="text/event-stream").status == 401
    back = visitor.log_in("admin", house.password, then="/calls/acme/c1")
    assert (back.status, back.headers["Location"]) == (303, "/calls/acme/c1")


def test_the_session_cookie_is_signed_and_out_of_reach_of_scripts(house: PagesHouse, tmp_path: Path) -> None:
    visitor = Visitor(house.server.port)
    cookie = visitor.log_in("admin", house.password).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert visitor.get("/").status == 200
    body, _, signature = visitor.cookies["toritsugi"].partition(".")
    visitor.cookies["toritsugi"] = f"{body[:-2]}xx.{signature}"
    assert visitor.get("/").status == 302
    assert stat.S_IMODE((tmp_path / "session.key").stat().st_mode) == 0o600


def test_a_session_ends_twelve_hours_after_the_log_in_however_busy_it_is(
    house: PagesHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = Visitor(house.server.port)
    visitor.log_in("admin", house.password)  # and no page yet: the first one with a form must not lengthen it either
    now_s = int(time.time())
    for hours, status in ((6, 200), (11.9, 200), (12.1, 302)):
        monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _, at=now_s + hours * 3600: int(at))
        assert visitor.get("/").status == status, hours


def test_a_renewed_login_makes_all_cookies_of_before_worthless(house: PagesHouse, admin: Visitor) -> None:
    assert admin.get("/").status == 200
    stream = admin.open_stream()
    password = people.reset_login(house.directory)
    house.publish_people()
    house.until(lambda: (known := house.person("admin")) is not None and known.session_version == 2)
    assert admin.get("/").status == 302
    thrown_out = (one for one in iter(stream.next_event, None) if one["event"] == "ended")
    assert next(thrown_out), "an open page is thrown out too, within two seconds"
    stream.close()
    assert Visitor(house.server.port).log_in("admin", house.password).status == 422
    assert Visitor(house.server.port).log_in("admin", password).status == 303


def test_whoever_logs_in_before_the_pages_know_the_new_session_is_let_in_once_they_do(house: PagesHouse) -> None:
    password = people.reset_login(house.directory)
    visitor = Visitor(house.server.port)
    house.asked_in_vain = 0
    asked = gevent.spawn(visitor.log_in, "admin", password)
    house.until(lambda: people_asked(house) or asked.ready())
    house.publish_people()
    assert asked.get(timeout=10).status == 303
    assert visitor.get("/").status == 200


def people_asked(house: PagesHouse) -> bool:
    """Whether the log-in has looked for its person at the pages, in vain."""
    return house.asked_in_vain > 0


def test_leaving_ends_the_session(admin: Visitor) -> None:
    assert admin.post("/logout", {}).status == 303
    assert admin.get("/").status == 302


def test_a_form_without_its_token_is_refused(house: PagesHouse, admin: Visitor) -> None:
    assert admin.post("/logout", {}, token=False).status == 400
    assert admin.get("/").status == 200


def test_a_wrong_password_and_a_wrong_name_are_told_alike(house: PagesHouse) -> None:
    visitor = Visitor(house.server.port)
    for name in ("admin", "nobody"):
        answer = visitor.log_in(name, "guess")
        assert answer.status == 422
        assert "利用者名またはパスワードが違います。" in answer.text


def test_wrong_passwords_are_slowed_per_account_and_address(house: PagesHouse) -> None:
    soon_us = clock.now_us() + 60_000_000  # failures of a minute ahead, so that no slow machine waits them out
    for _ in range(tries.FREE_TRIES["pair"]):
        assert tries.log_in(house.directory, "admin", "guess", "127.0.0.1", soon_us) == tries.Wrong()
    waits = Visitor(house.server.port).log_in("admin", house.password)
    assert waits.status == 429
    assert 50 <= int(waits.headers["Retry-After"]) <= 61
    later_us = soon_us + tries.FIRST_WAIT_US
    assert isinstance(tries.log_in(house.directory, "admin", house.password, "127.0.0.1", later_us), tries.Welcome)
    assert tries.log_in(house.directory, "admin", "guess", "127.0.0.1", later_us) == tries.Wrong(), "all forgotten"


def test_sixty_tries_at_once_are_not_sixty_guesses(house: PagesHouse) -> None:
    now_us = clock.now_us()
    asked = house.directory, "admin"
    guesses = [gevent.spawn(tries.log_in, *asked, f"guess{n}", "192.0.2.1", now_us) for n in range(60)]
    gevent.joinall(guesses, timeout=30)
    assert [one.value for one in guesses].count(tries.Wrong()) == tries.FREE_TRIES["pair"]


def test_nobody_keeps_another_person_out_by_failing_in_their_name(house: PagesHouse) -> None:
    now_us = clock.now_us()
    for n in range(20):
        tries.log_in(house.directory, "admin", "guess", f"192.0.2.{n // 5}", now_us)
    assert isinstance(tries.log_in(house.directory, "admin", house.password, "198.51.100.1", now_us), tries.Welcome)


def test_very_many_addresses_together_are_slowed_too_but_never_for_longer_than_a_minute() -> None:
    assert tries.wait_us("account", tries.FREE_TRIES["account"] - 1, 0, 0) == 0
    assert tries.wait_us("account", tries.FREE_TRIES["account"], 0, 0) == 1_000_000
    assert tries.wait_us("account", 10_000, 0, 0) == 60_000_000


def test_the_first_password_is_shown_before_it_counts(house: PagesHouse, database: Database) -> None:
    """A process that is ended right after writing the row has shown it already."""
    store = Store(database.store("fresh"), directory.build().metadata)
    store.start()
    standing: list[tuple[str, object]] = []

    def show(password: str) -> None:
        standing.append((password, store.run(lambda tx: people.find(tx, "admin"))))

    try:
        _, password = people.ensure_first_person(store, show)
        assert standing == [(password, None)]
        people.ensure_first_person(store, show)
        assert len(standing) == 1
    finally:
        store.stop()


def test_one_address_that_tries_many_names_is_slowed_too_and_others_are_not(house: PagesHouse) -> None:
    now_us = clock.now_us()
    for n in range(tries.FREE_TRIES["address"]):
        tries.log_in(house.directory, f"name{n}", "guess", "192.0.2.1", now_us)
    assert tries.log_in(house.directory, "admin", house.password, "192.0.2.1", now_us) == tries.Wait(1)
    assert isinstance(tries.log_in(house.directory, "admin", house.password, "192.0.2.2", now_us), tries.Welcome)


@pytest.mark.parametrize(("failures", "seconds"), [(2, 0), (3, 1), (4, 2), (5, 4), (13, 900), (10_000, 900)])
def test_each_further_failure_doubles_the_wait_up_to_a_quarter_of_an_hour(failures: int, seconds: int) -> None:
    assert tries.wait_us("pair", failures, 0, 0) == seconds * 1_000_000


def test_empty_fields_are_named_beside_themselves_and_in_a_summary(house: PagesHouse) -> None:
    answer = Visitor(house.server.port).post("/login", {"name": "", "password": ""})
    assert answer.status == 422
    assert answer.text.count("利用者名を入力してください。") == 2
    assert 'aria-describedby="name-error"' in answer.text
    assert "必須" in answer.text


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb", ""])
def test_a_login_never_leads_to_another_host(target: str) -> None:
    assert inside(target) == "/"


def test_a_tenants_administrator_sees_no_other_tenants_calls(house: PagesHouse) -> None:
    other = stories.forwarded("c2", tenant="other", caller=Party(number="09099998888"))
    house.tell([*stories.forwarded("c1").facts, *other.facts])
    house.drained()
    visitor = house.visitor("suzuki", "tenant_administrator", "acme")
    assert "090-9999-8888" not in visitor.get("/").text
    assert visitor.get("/calls/acme/c1").status == 200
    assert visitor.get("/calls/other/c2").status == 404


def test_a_tenants_administrator_is_not_even_told_that_another_tenant_has_a_call(house: PagesHouse) -> None:
    visitor = house.visitor("suzuki", "tenant_administrator", "acme")
    stream = visitor.open_stream()
    assert stream.next().keys() == {"retry"}
    house.tell(stories.abandoned("c2", tenant="other").facts)
    house.drained()
    assert stream.next() == {"comment": "still here"}
    house.tell(stories.abandoned("c1").facts)
    assert stream.next_event()["event"] == "changed"
    stream.close()


@pytest.mark.parametrize("role", ["employee", "answering_operator"])
def test_roles_without_a_right_to_histories_are_turned_away(house: PagesHouse, role: str) -> None:
    visitor = house.visitor("tanaka", role, "acme")
    answer = visitor.get("/")
    assert answer.status == 403
    assert "この画面を見る権限がありません。" in answer.text


def test_who_looks_at_a_call_is_written_down(house: PagesHouse, admin: Visitor) -> None:
    house.tell(stories.forwarded("c1").facts)
    house.drained()
    admin.get("/")
    admin.get("/calls/acme/c1")
    admin.get("/calls/acme/c1.json")  # the open page looks again
    admin.get("/calls/acme/c1/drawing.svg")
    assert accesses(house) == [("admin", "call", "acme", "c1")]
    now_us = clock.now_us()
    for person, later_us in (("suzuki", 0), ("admin", reads.VISIT_US + 1)):
        house.history.run(
            lambda tx, p=person, us=later_us: reads.story(tx, None, "acme", "c1", p, now_us + us)  # type: ignore[misc]
        )
    assert [row[0] for row in accesses(house)] == ["admin", "suzuki", "admin"]


@pytest.mark.requirement("D8")
def test_the_picture_of_a_call_is_a_file_of_its_own_for_those_who_see_the_call(
    house: PagesHouse, admin: Visitor
) -> None:
    house.tell(stories.forwarded("c1").facts)
    house.drained()
    answer = admin.get("/calls/acme/c1/drawing.svg")
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert "電話機 1001が終了(応答なし)" in answer.text
    assert "style" not in answer.text
    assert '<svg xmlns="http://www.w3.org/2000/svg"' in admin.get("/calls/acme/c1").text
    assert house.visitor("mori", "read_only", "zeta").get("/calls/acme/c1/drawing.svg").status == 404


def accesses(house: PagesHouse) -> list[tuple[str, ...]]:
    """Who looked at what."""
    return house.history.run(lambda tx: [tuple(row)[2:] for row in tx.sql.execute(select(tx.tables["access_log"]))])


@pytest.mark.requirement("D10")
def test_a_look_at_a_call_stands_in_the_audit_log(house: PagesHouse, admin: Visitor) -> None:
    house.tell(stories.forwarded("c1").facts)
    house.drained()
    for path in ("/calls/acme/c1", "/calls/acme/c1", "/report", "/report.csv"):
        assert admin.get(path).status == 200
    # what history's worker does every ten seconds
    house.bus.publish(house.history.run(lambda tx: tx.unposted()))
    house.until(lambda: house.bus.depth("directory.0") == 0)
    looks = [one for one in oldest_first(house.directory) if one.what.startswith("call.")]
    assert [(one.who, one.what, one.tenant, one.about) for one in looks[:2]] == [
        ("admin", "call.looked", "acme", "c1"),
        ("admin", "call.looked", PLATFORM_TENANT, ""),
    ]
    assert [one.what for one in looks[2:]] == ["call.exported"]
    assert "通話を閲覧" in admin.get("/audit").text


def test_who_looked_is_known_for_a_year_and_then_erased(house: PagesHouse) -> None:
    house.tell(stories.forwarded("c1").facts)
    house.drained()
    for at_us in (1, 2 + reads.ACCESS_KEPT_US):
        house.history.run(
            lambda tx, at_us=at_us: reads.story(tx, None, "acme", "c1", f"p{at_us}", at_us)  # type: ignore[misc]
        )
    assert len(accesses(house)) == 1


def test_an_open_page_hears_of_a_call_within_a_second_and_goes_on_after_a_break(
    house: PagesHouse, admin: Visitor
) -> None:
    waited_us: list[int] = []
    while not waited_us or (min(waited_us) > 1_000_000 and len(waited_us) < 5):  # a busy machine may miss one
        stream = admin.open_stream()
        stream.next()
        began_us = clock.monotonic_us()
        house.tell(stories.abandoned(f"c1-{len(waited_us)}").facts)
        first = stream.next_event()
        waited_us.append(clock.monotonic_us() - began_us)
        assert first["event"] == "changed"
        stream.close()
        house.drained()
    assert min(waited_us) <= 1_000_000
    house.tell(stories.abandoned("c2").facts)
    house.drained()
    again = admin.open_stream(last=first["id"])
    missed = again.next_event()
    assert missed["event"] == "changed"
    assert missed["id"] != first["id"]
    again.close()
    stranger = admin.open_stream(last="0000-7")
    assert stranger.next_event()["event"] == "reset", "an id of another life: load anew"
    stranger.close()


def test_a_person_has_one_stream(admin: Visitor) -> None:
    first, second = admin.open_stream(), None
    first.next()
    second = admin.open_stream()
    second.next()
    assert first.next_event()["event"] == "replaced"
    first.close()
    second.close()


def test_a_page_that_does_not_read_neither_grows_nor_stops_the_news(house: PagesHouse, admin: Visitor) -> None:
    stream = admin.open_stream()
    stream.next()
    for n in range(5000):
        house.feed.publish("changed", "acme", str(n))
    event = stream.next_event()
    assert event["event"] == "reset"
    stream.close()


HOSTILE = "<script>alert(1)</script>\"'&\r\n‮x" + "y" * 2000


def test_what_a_caller_calls_himself_is_only_text(house: PagesHouse, admin: Visitor) -> None:
    house.tell(stories.forwarded("c1", caller=Party(number="09011112222", name=HOSTILE)).facts)
    house.drained()
    for path in ("/", "/calls/acme/c1"):
        page = admin.get(path)
        assert page.status == 200
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert(1)" in page.text
        assert "‮" not in page.text
        assert len(page.text) < 30_000


def test_pages_need_no_inline_code_and_no_other_host(house: PagesHouse, admin: Visitor) -> None:
    house.tell([*stories.forwarded("c1").facts, *stories.queued("c2").facts])
    house.drained()
    for path in ("/", "/calls/acme/c1", "/login", "/nothing-here"):
        answer = admin.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self'; img-src 'self' data:;")
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "style=" not in answer.text
        assert "//cdn" not in answer.text
        assert "<script>" not in answer.text
        assert "onclick" not in answer.text
        assert 'href="#content"' in answer.text
    for file in (
        "/static/app.css",
        "/static/app.js",
        "/history/static/live.js",
        "/bootstrap/static/css/bootstrap.min.css",
    ):
        assert Visitor(house.server.port).get(file).status == 200


def test_errors_are_pages_in_the_visitors_language(house: PagesHouse, admin: Visitor) -> None:
    assert "お探しの画面は見つかりませんでした。" in admin.get("/calls/acme/none").text
    assert "There is no such page." in admin.get("/nothing?lang=en").text
    assert admin.get("/nothing", accept="application/json").json() == {"error": "There is no such page."}
    assert admin.post("/", {}).status == 405


def test_an_application_with_a_route_that_forgets_to_say_who_may_see_it_does_not_start(tmp_path: Path) -> None:
    room = Blueprint("forgetful", __name__)
    room.get("/secret")(lambda: "everything")
    with pytest.raises(UndeclaredScope, match="/secret"):
        create_app([room], key_file=tmp_path / "key", people=lambda _name: None)


def test_passwords_are_kept_only_as_salted_scrypt(house: PagesHouse) -> None:
    stored = house.directory.run(lambda tx: tx.sql.execute(select(tx.tables["people"].c.password)).scalar_one())
    assert stored.startswith("scrypt$32768$8$1$")
    assert house.password not in stored
    assert passwords.hash_password("a") != passwords.hash_password("a")
    assert passwords.password_fits(house.password, stored)
    assert not passwords.password_fits(house.password + "x", stored)


def test_the_first_person_is_made_once(house: PagesHouse) -> None:
    again, password = people.ensure_first_person(house.directory)
    assert (again, password) == (house.admin, None)
