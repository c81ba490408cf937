"""The report of calls over HTTP: filters, days, earlier pages, and who sees whose calls."""

from __future__ import annotations

import csv
import html
import http.client
import io
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import openpyxl
import pytest
from sqlalchemy import select

from proto.events import CallAnswered, CallArrived, LegAnswered
from proto.values import Party
from services.history import report_web, search, workbook
from services.runtime.store import Tx
from tests import stories
from tests.pages_house import PagesHouse
from tests.visitor import Answer, Visitor

DAY_S = 24 * 3600


@pytest.fixture
def house(house: PagesHouse) -> PagesHouse:
    """Pages of two clients: what acme's people did on two days, and one call of another client."""
    later = stories.FRIDAY_US + DAY_S * stories.SECOND
    for story in (
        stories.forwarded("c1"),
        stories.abandoned("c2", caller=Party(number="0661234567", name="大阪商事"), start_us=stories.FRIDAY_US + 7),
        stories.abandoned("c3", caller=Party(presentation="withheld"), start_us=later),
        outgoing("c4", later + 9),
        stories.forwarded("z1", tenant="zeta", start_us=later + 11),
        stories.queued("c5", start_us=later + 13),
    ):
        house.tell(story.facts)
    house.drained()
    return house


@pytest.fixture
def reader(house: PagesHouse) -> Visitor:
    """Somebody who may see acme's calls alone."""
    return house.visitor("mori", "read_only", "acme")


def outgoing(call: str, start_us: int) -> stories.Story:
    """Phone 1001 calls a customer and talks for 50 seconds."""
    story = stories.Story(call, start_us=start_us, caller=Party(number="0312345678"), dialled="0451112222")
    story.say(
        0.0,
        CallArrived(
            switch="fs1",
            leg=story.leg,
            origin="phone",
            phone="1001",
            dialled=story.dialled,
            caller=story.caller,
            received_at_us=start_us,
        ),
    )
    story.ring(f"{call}-b", 0.1, story.dialled, "forward", "trunk")
    other = LegAnswered(
        switch="fs1",
        leg=f"{call}-b",
        kind="forward",
        direction="outbound",
        via="trunk",
        destination=story.dialled,
    )
    story.say(10.0, other)
    story.say(10.0, CallAnswered(switch="fs1", leg=story.leg, by=f"{call}-b"))
    story.end(f"{call}-b", 60.0, kind="forward", via="trunk", destination=story.dialled, started=0.1, answered=10.0)
    story.end(story.leg, 60.02, kind="inbound", via="phone", destination=story.dialled, answered=10.01)
    return story


def found(visitor: Visitor, **asked: str) -> list[str]:
    """The calls that the report shows, in its order."""
    return calls_of(visitor.get(f"/report?{urlencode(asked)}").text)


def calls_of(page: str) -> list[str]:
    return re.findall(r'class="number" href="/calls/[a-z]+/([a-z0-9]+)"', page)


def older(page: str) -> str:
    """Where the page says that earlier calls are."""
    link = re.search(r'href="([^"]+)" rel="next"', page)
    return html.unescape(link[1]) if link else ""


FILTERS: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["c4", "c3", "c2", "c1"]),
    ({"from": "2026-11-22"}, ["c4", "c3"]),
    ({"to": "２０２６／１１／２１"}, ["c2", "c1"]),
    ({"direction": "outbound"}, ["c4"]),
    ({"direction": "inbound", "result": "missed"}, ["c3", "c2"]),
    ({"result": "answered"}, ["c4", "c1"]),
    ({"number": "０６−６１２３−４５６７"}, ["c2"]),
    ({"number": "4567"}, ["c2"]),
    ({"number": "03-1234-5678"}, ["c4", "c3", "c2", "c1"]),
    ({"employee": "1001"}, ["c4"]),
    ({"employee": "090-1234-5678"}, ["c1"]),
    ({"own": "03-1234-5678", "result": "answered"}, ["c4", "c1"]),
    ({"talk": "60"}, ["c1"]),
    ({"talk": "１０"}, ["c4", "c1"]),
    ({"employee": "1001", "direction": "inbound"}, []),
    ({"client": "zeta"}, []),
]


@pytest.mark.requirement("D1")
def test_calls_are_found_by_what_is_known_of_them(reader: Visitor) -> None:
    """The call in progress (c5) is not among them."""
    for asked, calls in FILTERS:
        assert found(reader, **asked) == calls, asked


def test_the_page_says_in_both_languages_who_called_whom_and_how_each_day_went(reader: Visitor) -> None:
    page = reader.get("/report").text
    assert '<html lang="ja"' in page
    for text in (
        "2026年11月22日(日)",
        "全2件(応答 1、不在 1)",
        "06-6123-4567",
        "大阪商事",
        "非通知",
        "2分05秒",
        "045-111-2222",
    ):
        assert text in page
    assert "契約者</label>" not in page, "there is nobody else to choose"
    english = reader.get("/report?lang=en&result=missed").text
    for text in ("Call history", "Missed", "Sun 22 Nov 2026", "Ended calls, newest first", "Withheld"):
        assert text in english
    assert "2 calls" not in english, "how many a day had says nothing about some of them"


def test_whoever_sees_several_clients_chooses_one_or_sees_them_in_one_order(house: PagesHouse, admin: Visitor) -> None:
    assert found(admin) == ["z1", "c4", "c3", "c2", "c1"]
    assert found(admin, client="zeta") == ["z1"]
    both = house.visitor("reseller", "read_only", "acme", "zeta")
    assert found(both) == ["z1", "c4", "c3", "c2", "c1"]
    assert found(both, number="09011112222") == ["z1", "c1"]
    assert '<option value="zeta"' in both.get("/report").text


@pytest.mark.requirement("D10")
def test_nobody_finds_calls_of_other_clients_by_any_address(house: PagesHouse, reader: Visitor) -> None:
    for asked in ({"client": "zeta"}, {"before": f"{10**17}~zeta~z1"}, {"number": "09011112222", "client": "zeta"}):
        assert "z1" not in found(reader, **asked)
    assert "zeta" not in reader.get("/report").text
    assert Visitor(house.server.port).get("/report").status == 302


def test_page_by_page_every_call_comes_once(reader: Visitor, admin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    own = ["c4", "c3", "c2", "c1"]
    for visitor, calls, size in (
        (reader, own, 1),
        (reader, own, 3),
        (admin, ["z1", *own], 2),
        (admin, ["z1", *own], 5),
    ):
        monkeypatch.setattr(search.find, "__defaults__", (size,))
        seen, address = [], "/report"
        while address:
            page = visitor.get(address).text
            here = calls_of(page)
            assert len(here) <= size
            seen += here
            address = older(page)
            assert ("最新の通話に戻る" not in page) == (len(seen) == len(here))
        assert seen == calls


def test_a_page_that_has_looked_far_enough_says_so_and_goes_on_from_there(
    reader: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "EXAMINED", 2)
    first = reader.get("/report?talk=60").text
    assert calls_of(first) == []
    assert "2026年11月22日(日) 14:05" in first
    assert "さらに前を探す" in first
    assert calls_of(reader.get(older(first)).text) == ["c1"]


@pytest.mark.requirement("D10")
def test_a_search_that_stops_among_calls_of_others_names_none_of_them(
    house: PagesHouse, reader: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number that many clients' people call: it is looked up among all calls, and each link says how far."""
    monkeypatch.setattr(search, "EXAMINED", 2)
    for n in range(5):
        house.tell(stories.forwarded(f"secret{n}", tenant="zeta", start_us=stories.FRIDAY_US + n + 1).facts)
    house.drained()
    seen, address, pages = [], "/report?number=09011112222", 0
    while address and pages < 9:
        page = reader.get(address).text
        assert "zeta" not in page and "secret" not in page
        seen, address, pages = [*seen, *calls_of(page)], older(page), pages + 1
    assert (seen, pages > 2) == (["c1"], True)


def test_what_cannot_be_read_is_said_beside_its_field_and_the_rest_is_shown(reader: Visitor) -> None:
    answer = reader.get("/report?number=%E5%B1%B1%E7%94%B0%22%3E%3Cb%3E&result=missed")
    assert answer.status == 422
    assert "電話番号は数字で入力してください。" in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "<b>" not in answer.text
    assert "06-6123-4567" in answer.text


def test_a_look_at_the_report_is_written_down_once_a_visit(house: PagesHouse, reader: Visitor, admin: Visitor) -> None:
    for visitor in (reader, reader, admin):
        visitor.get("/report")
    assert looks(house) == [("mori", "report", "acme", ""), ("admin", "report", "*", "")]


def csv_of(answer: Answer) -> list[dict[str, str]]:
    """A CSV file as a spreadsheet reads it."""
    assert answer.body.startswith(b"\xef\xbb\xbf"), "Excel takes it for UTF-8"
    return list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"), newline="")))


@pytest.mark.requirement("D2")
def test_exactly_the_calls_that_the_conditions_select_are_saved_as_csv(
    house: PagesHouse, reader: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = Party(number="09011112222", name='=HYPERLINK("http://evil.example","a")')
    house.tell(stories.abandoned("c6", caller=hostile, start_us=stories.FRIDAY_US - DAY_S * stories.SECOND).facts)
    house.drained()
    monkeypatch.setattr(report_web, "PIECE", 2)
    answer = reader.get("/report.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=calls-")
    rows = csv_of(answer)
    assert [row["通話ID"] for row in rows] == ["c4", "c3", "c2", "c1", "c6"]
    assert rows[3] == {
        "開始": "2026-11-21 14:05:00",
        "契約者": "株式会社アクメ",
        "種別": "着信",
        "結果": "応答",
        "発信者": "090-1111-2222",
        "発信者名": "山田 太郎",
        "かけた内線": "",
        "着信先": "03-1234-5678",
        "応答者": "090-1234-5678",
        "自社の電話番号": "03-1234-5678",
        "通話時間(秒)": "125",
        "録音(秒)": "125",
        "料金(税込・円)": "52.8",
        "料金(税抜・円)": "0",
        "推定": "",
        "通話ID": "c1",
    }
    assert (rows[0]["かけた内線"], rows[1]["発信者"]) == ("1001", "非通知")
    assert rows[4]["発信者名"].startswith("'=")
    for asked, calls in FILTERS:
        found = csv_of(reader.get(f"/report.csv?{urlencode({'from': '2026-11-21', 'lang': 'en', **asked})}"))
        assert [row["Call"] for row in found] == calls, asked


@pytest.mark.requirement("D2")
def test_the_same_rows_are_saved_for_excel(reader: Visitor) -> None:
    answer = reader.get("/report.xlsx?from=2026-11-21")
    assert answer.headers["Content-Disposition"].endswith(".xlsx")
    rows = list(openpyxl.load_workbook(io.BytesIO(answer.body)).active.iter_rows(values_only=True))
    lines = list(csv.reader(io.StringIO(reader.get("/report.csv?from=2026-11-21").body.decode("utf-8-sig"))))
    assert [["" if cell is None else str(cell) for cell in row] for row in rows] == lines
    assert rows[4][10:13] == (125, 125, 52.8), "numbers to reckon with"


def test_what_is_too_much_for_excel_is_said_and_leaves_nothing_behind(
    reader: Visitor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workbook, "MOST_ROWS", 3)
    (tmp_path / "left").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "left"))
    for _ in range(report_web.AT_ONCE + 1):
        answer = reader.get("/report.xlsx")
        assert answer.status == 422
    assert "CSVをお使いください" in answer.text
    assert reader.get("/report.xlsx?from=2026-11-22").status == 200
    assert list((tmp_path / "left").iterdir()) == []


@pytest.mark.requirement("D10")
def test_a_download_is_refused_for_what_cannot_be_read_and_written_down_otherwise(
    house: PagesHouse, reader: Visitor, admin: Visitor
) -> None:
    assert reader.get("/report.csv?talk=x").status == 400
    assert Visitor(house.server.port).get("/report.csv").status == 302
    assert csv_of(reader.get("/report.csv?client=zeta")) == []
    for _ in range(2):
        assert "z1" not in reader.get("/report.csv?number=090-1111-2222&from=2026-11-21").text
    assert csv_of(reader.get("/report.csv?employee=090-1234-5678"))
    assert "z1" in [row["通話ID"] for row in csv_of(admin.get("/report.csv"))]
    assert looks(house) == [
        ("mori", "csv", "acme", "from=2026-11-21&number=%2A"),
        ("mori", "csv", "acme", "from=2026-11-21&number=%2A"),
        ("mori", "csv", "acme", "employee=%2A"),
        ("admin", "csv", "*", ""),
    ]


def test_whoever_logs_out_gets_no_more_of_a_file(
    house: PagesHouse, reader: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_web, "PIECE", 1)
    asked: list[int] = []

    def ends_after_two() -> Callable[[], object]:
        return lambda: asked.append(1) or (None if len(asked) > 2 else True)

    monkeypatch.setattr(report_web, "watch_session", ends_after_two)
    with pytest.raises(http.client.HTTPException):
        reader.get("/report.csv")
    monkeypatch.undo()
    assert len(csv_of(reader.get("/report.csv"))) == 4


def looks(house: PagesHouse) -> list[tuple[str, ...]]:
    """Who looked at what, as it was written down."""

    def ask(tx: Tx) -> list[tuple[str, ...]]:
        log = tx.tables["access_log"].c
        return [
            tuple(row) for row in tx.sql.execute(select(log.person, log.what, log.tenant, log.call).order_by(log.seq))
        ]

    return house.history.run(ask)
