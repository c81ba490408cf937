"""People, their passwords and the audit log, over HTTP as a browser asks for them."""

from __future__ import annotations

import csv
import io
import json
import re

import msgspec
import pytest

from proto.tenant import Tenant
from services.directory.audit.chain import Entry
from services.directory.audit.rows import oldest_first
from tests.clients import ACME
from tests.pages_house import PagesHouse
from tests.visitor import Answer, Visitor


@pytest.fixture
def house(house: PagesHouse) -> PagesHouse:
    """Pages with two clients."""
    house.add_client(msgspec.convert({**ACME, "tenant": "beta", "name": "株式会社ベータ"}, Tenant))
    return house


def shown(answer: Answer) -> str:
    """The password that a page shows once."""
    found = re.search(r'class="secret"[^>]*>([^<]+)<', answer.text)
    assert found is not None, answer.text
    return found.group(1)


def add(visitor: Visitor, person: str, role: str, *tenants: str) -> str:
    """Somebody new, by the form; their password."""
    # One box alone comes as a single value; the browser of these tests sends no more than one of a name.
    form = {"person": person, "name": "山田 太郎", "role": role, "tenants": tenants[0] if tenants else ""}
    answer = visitor.post("/people/add", form)
    assert answer.status == 200
    return shown(answer)


def logged_in(house: PagesHouse, person: str, password: str) -> Visitor:
    visitor = Visitor(house.server.port)
    assert visitor.log_in(person, password, then="/account").status == 303
    return visitor


def entries(house: PagesHouse) -> list[Entry]:
    return list(oldest_first(house.directory))


@pytest.mark.requirement("D10")
def test_a_person_added_on_a_page_logs_in_with_the_password_that_was_shown_once(
    house: PagesHouse, admin: Visitor
) -> None:
    password = add(admin, "ｙａｍａｄａ", "employee", "acme")
    visitor = logged_in(house, "yamada", password)
    assert "山田 太郎" in visitor.get("/account").text
    page = admin.get("/people").text
    assert all(text in page for text in ("yamada", "山田 太郎", "社員", "株式会社アクメ", "利用中"))
    assert "Employee" in admin.get("/people?lang=en").text
    assert password not in page + admin.get("/people/yamada").text + admin.get("/audit").text
    assert (entries(house)[-1].who, entries(house)[-1].what) == ("admin", "person.added")


@pytest.mark.requirement("D10")
def test_a_change_ends_the_sessions_of_its_person_at_once(house: PagesHouse, admin: Visitor) -> None:
    yamada = logged_in(house, "yamada", add(admin, "yamada", "employee", "acme"))
    for path, form, status in (
        ("/people/yamada", {"name": "山田 花子", "role": "employee", "tenants": "acme"}, 200),
        ("/people/yamada", {"name": "山田 花子", "role": "read_only", "tenants": "acme"}, 302),
    ):
        assert admin.post(path, form).status == 303
        house.drained()
        assert yamada.get("/account").status == status
    told = admin.post("/people/yamada/password", {})
    assert 'href="/?lang=en"' in told.text, "no link to a page that can only be posted to"
    renewed = shown(told)
    house.drained()
    yamada = logged_in(house, "yamada", renewed)
    assert admin.post("/people/yamada/active", {"active": "no"}).status == 303
    house.drained()
    assert yamada.get("/account").status == 302
    assert yamada.log_in("yamada", renewed).status == 422
    assert "停止中" in admin.get("/people").text
    admin.post("/people/yamada/active", {"active": "yes"})
    house.drained()
    assert yamada.log_in("yamada", renewed).status == 303


@pytest.mark.requirement("D10")
def test_an_administrator_of_a_client_manages_only_its_people(house: PagesHouse, admin: Visitor) -> None:
    boss = logged_in(house, "boss", add(admin, "boss", "tenant_administrator", "acme"))
    add(admin, "stranger", "employee", "beta")
    add(boss, "clerk", "employee", "acme")
    page = boss.get("/people").text
    assert "clerk" in page
    assert ">管理者</td>" not in page, "nor the platform's own people"
    assert not re.search(r"stranger|ベータ", page + boss.get("/people/add").text + boss.get("/audit").text)
    for path in ("/people/stranger", "/people/admin", "/people/nobody"):
        assert boss.get(path).status == 404
        for below, form in (("", {"name": "x", "role": "employee"}), ("/password", {}), ("/active", {"active": "no"})):
            assert boss.post(path + below, form).status == 404
    for role, tenant in (("platform_operator", "acme"), ("reseller", "acme"), ("employee", "beta")):
        refused = boss.post("/people/add", {"person": "x", "name": "x", "role": role, "tenants": tenant})
        assert refused.status == 422
        assert 'class="field-error"' in refused.text
    assert [one.what for one in entries(house) if one.who == "boss"] == ["person.added"]


def test_the_last_operator_is_told_so(admin: Visitor) -> None:
    answer = admin.post("/people/admin/active", {"active": "no"})
    assert (answer.status, "最後の運営者です。" in answer.text) == (422, True)
    assert admin.get("/people").status == 200


def test_ones_own_password_is_changed_only_by_whoever_knows_the_old_one(house: PagesHouse, admin: Visitor) -> None:
    elsewhere = logged_in(house, "admin", house.password)

    def change(old: str, new: str, again: str | None = None) -> Answer:
        return admin.post("/account/password", {"old": old, "new": new, "again": new if again is None else again})

    mine = admin.post("/people/admin/password", {})
    assert (mine.status, mine.headers["Location"]) == (303, "/account/password"), "not by the page of people either"
    assert admin.get("/account").status == 200
    assert 'action="/people/admin/password"' not in admin.get("/people/admin").text
    assert "今のパスワードが違います。" in change("guess", "correct horse battery").text
    assert "12文字以上" in change(house.password, "short").text
    assert "一致しません" in change(house.password, "correct horse battery", "another").text
    assert "違うものに" in change(house.password, house.password).text
    changed = change(house.password, "正しい馬と電池とホチキス")
    assert (changed.status, changed.headers["Location"]) == (303, "/account?saved=password")
    assert admin.get("/account").status == 200, "this browser stays logged in"
    assert elsewhere.get("/account").status == 302, "all others do not"
    logged_in(house, "admin", "正しい馬と電池とホチキス")
    for _ in range(5):
        slow = change("guess", "correct horse battery")
    assert (slow.status, int(slow.headers["Retry-After"]) > 0) == (429, True)
    assert [one.what for one in entries(house)].count("person.renewed") == 1


@pytest.mark.requirement("D10")
def test_the_audit_log_is_a_page_with_a_filter_and_a_file(house: PagesHouse, admin: Visitor) -> None:
    boss = logged_in(house, "boss", add(admin, "boss", "tenant_administrator", "acme"))
    add(admin, "stranger", "employee", "beta")
    admin.post("/people/boss", {"name": "=1+1", "role": "tenant_administrator", "tenants": "acme"})
    page = admin.get("/audit").text
    assert all(
        text in page for text in ("利用者を追加", "利用者を変更", "株式会社ベータ", "<del>山田 太郎</del>", "=1+1")
    )
    for query, count in (("who=nobody", 0), ("tenant=acme", 2), ("since=2100-01-01", 0), ("until=2100-01-01", 4)):
        assert admin.get(f"/audit?{query}").text.count('<td class="number">') == count, query
    assert "日付は" in admin.get("/audit?since=yesterday").text
    assert boss.get("/audit?tenant=beta").text.count('<td class="number">') == 0
    file = boss.get("/audit.csv")
    assert file.headers["Content-Disposition"] == "attachment; filename=audit.csv"
    rows = list(csv.DictReader(io.StringIO(file.text.removeprefix("\ufeff"))))
    assert {row["tenant"] for row in rows} == {"acme"}
    lines = [json.loads(line) for line in admin.get("/audit.jsonl?who=admin").text.splitlines()]
    assert [line["what"] for line in lines] == ["person.added", "person.added", "person.changed", "audit.exported"]
    assert [one.who for one in entries(house) if one.what == "audit.exported"] == ["boss", "admin"]
    assert admin.get("/audit.csv?since=x").status == 422


def test_long_logs_are_read_page_by_page(house: PagesHouse, admin: Visitor) -> None:
    for number in range(55):
        admin.get(f"/audit.csv?who=nobody{number}")
    first = admin.get("/audit").text
    older = re.search(r'href="(/audit\?before=\d+)" rel="next"', first)
    assert older is not None
    second = admin.get(older.group(1)).text
    assert (first.count('<td class="number">'), second.count('<td class="number">')) == (50, 6)
    assert "nobody54" in first and "nobody54" not in second
    assert admin.get("/audit?before=x%27").status == 200
