"""The page of the dead letters: seen with numbers masked, opened under one's name, mended, given back, thrown away."""

from __future__ import annotations

import html
import json
import re

import pytest

from proto import events as e
from proto.envelope import encode
from proto.topics import Outgoing
from services.directory.audit.chain import Entry
from services.directory.audit.rows import oldest_first
from tests.integration.test_dead_letters import NUMBER, ended
from tests.pages_house import PagesHouse
from tests.visitor import Visitor

RIGHT = encode(ended(1))
WRONG = RIGHT.replace(b'"started_at_us":1,', b"")
"""A fact that history refuses, since it cannot know when the leg began."""
HOSTILE = b'{"type": "jp.toritsugi.leg.ended", "tenant": "acme", "data": "<script>alert(1)</script>\xe2\x80\xae"}'


def put_aside(house: PagesHouse, visitor: Visitor, *bodies: bytes) -> list[str]:
    """History could do nothing with these; the addresses of their pages, oldest first."""
    key = f"acme.{e.LegEnded.NAME}"
    house.bus.publish([Outgoing(f"m{n}", "fact", key, "acme", body) for n, body in enumerate(bodies)])
    house.until(lambda: house.bus.letters() == len(bodies))
    return re.findall(r'href="(/letters/[0-9a-f]{16})"', visitor.get("/letters").text)


def audited(house: PagesHouse) -> list[Entry]:
    return [entry for entry in oldest_first(house.directory) if entry.what.startswith("letter.")]


def in_textarea(page: str) -> str:
    """What stands in the field, as somebody edits it."""
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
    assert found is not None
    return html.unescape(found.group(1)).strip()


@pytest.mark.requirement("D10")
def test_the_list_names_no_caller_and_whoever_opens_a_letter_is_in_the_audit_log(
    house: PagesHouse, admin: Visitor
) -> None:
    assert 'href="/letters"' not in re.sub("<nav.*?</nav>", "", admin.get("/health").text, flags=re.DOTALL)
    (path,) = put_aside(house, admin, WRONG)
    assert 'href="/letters"' in re.sub("<nav.*?</nav>", "", admin.get("/health").text, flags=re.DOTALL)
    listed = admin.get("/letters").text
    for text in ("history.0", "leg.ended", "acme"):
        assert text in listed
    assert NUMBER not in listed
    assert audited(house) == []
    opened = html.unescape(admin.get(path).text)
    assert json.loads(in_textarea(opened)) == json.loads(WRONG)
    assert NUMBER in opened
    (look,) = audited(house)
    assert (look.who, look.what, look.tenant) == ("admin", "letter.looked", "acme")
    assert path.endswith(look.about or "?")
    assert "処理できなかったメッセージを閲覧" in admin.get("/audit").text


def test_what_stands_in_a_letter_is_text_whatever_it_is(house: PagesHouse, admin: Visitor) -> None:
    for path in put_aside(house, admin, HOSTILE, b"\xff\x00<script>alert(1)</script>"):
        for page in (admin.get("/letters").text, admin.get(path).text):
            assert "<script>alert" not in page
            assert not {"\x00", "\u202e"} & set(page)
        assert "&lt;script&gt;alert(1)" in page
    foreign = [entry.tenant for entry in audited(house)]
    assert foreign == ["acme", "_platform"], "whose nobody can tell is the platform's"


def test_a_letter_is_mended_checked_and_replayed(house: PagesHouse, admin: Visitor) -> None:
    (path,) = put_aside(house, admin, WRONG)
    refused = admin.post(f"{path}/replay", {})
    assert (refused.status, "このままではまた処理できません" in refused.text) == (409, True)
    for body, why in (
        ("{}", "このままではまた処理できません"),
        (RIGHT.decode().replace('"acme"', '"globex"'), "会社（tenant）は変えられません"),
        (encode(ended(2)).decode(), "メッセージのID（id）は変えられません"),
        ("", "メッセージを入力してください"),
    ):
        said = admin.post(f"{path}/mend", {"body": body})
        assert (said.status, why in html.unescape(said.text)) == (422, True), why
        assert body in html.unescape(said.text), "what was typed stays"
    assert admin.post(f"{path}/mend", {"body": RIGHT.decode()}).headers["Location"] == f"{path}?done=mended"
    assert "修正済み" in admin.get("/letters").text
    opened = html.unescape(admin.get(path).text)
    assert json.loads(in_textarea(opened)) == json.loads(RIGHT)
    sent = admin.post(f"{path}/replay", {})
    assert sent.headers["Location"] in ("/letters?done=replayed", "/letters?done=waits")
    house.until(lambda: house.bus.letters() == 0)
    house.drained()
    assert house.bus.letters() == 0, "history could handle it"
    assert admin.get(path).status == admin.post(f"{path}/replay", {}).status == 404
    done = [entry.what for entry in audited(house) if entry.what != "letter.looked"]
    assert done == ["letter.mended", "letter.replayed"]


def test_a_letter_is_thrown_away_with_a_reason_by_somebody_who_means_it(house: PagesHouse, admin: Visitor) -> None:
    path, other = put_aside(house, admin, b"poison", WRONG)
    for form, why in (
        ({}, "理由を入力してください"),
        ({"reason": "a test"}, "確認の印を付けてください"),
        ({"sure": "y"}, "理由を入力してください"),
        ({"reason": "x" * 121, "sure": "y"}, "120文字以内"),
    ):
        said = admin.post(f"{path}/discard", form)
        assert (said.status, why in said.text) == (422, True), form
    assert house.bus.letters() == 2
    assert admin.post(f"{path}/discard", {"reason": "a test", "sure": "y"}).headers["Location"] == (
        "/letters?done=discarded"
    )
    assert "破棄しました" in admin.get("/letters?done=discarded").text
    assert re.findall(r'href="(/letters/[0-9a-f]{16})"', admin.get("/letters").text) == [other]
    (entry,) = [entry for entry in audited(house) if entry.what == "letter.discarded"]
    assert "a test" in (entry.after or "")
    assert admin.post(f"{path}/discard", {"reason": "again", "sure": "y"}).status == 404


def test_all_letters_of_a_service_are_given_back_and_the_others_stay(house: PagesHouse, admin: Visitor) -> None:
    put_aside(house, admin, b"poison", WRONG)
    page = admin.get("/letters?queue=billing").text
    assert "ありません" in page
    assert 'value="history"' in admin.get("/letters?queue=history").text
    sent = admin.post("/letters/replay", {"queue": "history"})
    assert sent.headers["Location"] == "/letters?queue=history&done=all&count=0&left=2", "neither can go back as it is"
    assert admin.post("/letters/replay", {"queue": "nobody"}).status == 400
    assert "2件は再処理できない" in admin.get(sent.headers["Location"]).text
    assert "Cannot be replayed" in admin.get(f"{sent.headers['Location']}&lang=en").text


@pytest.mark.requirement("D10")
def test_nobody_else_comes_here(house: PagesHouse, admin: Visitor) -> None:
    (path,) = put_aside(house, admin, WRONG)
    visitor = house.visitor("reseller", "reseller", "acme")
    for where in ("/letters", path):
        assert visitor.get(where).status == 403
    for what in ("mend", "replay", "discard"):
        assert visitor.post(f"{path}/{what}", {"reason": "x", "sure": "y", "body": "{}"}).status == 403
    assert visitor.post("/letters/replay", {"queue": "history"}).status == 403
    assert "/letters" not in visitor.get("/").text
    assert house.bus.letters() == 1
    assert audited(house) == []
