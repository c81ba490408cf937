"""Identity checks over HTTP: a client begins when it has been checked, and everything about it can be handed over."""

from __future__ import annotations

import http.client
import io
import json
import re
import zipfile
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest

from services.directory import service as directory
from services.directory.audit.rows import oldest_first
from services.directory.days import JAPAN, day_of
from services.directory.identity import records
from services.directory.identity.model import Record
from services.runtime import clock
from services.runtime.store import Tx
from tests.clients import ACME, PLATFORM
from tests.pages_house import PagesHouse
from tests.unit.test_identity_record import COMPANY
from tests.visitor import Answer, Visitor

ENOUGH = {name: str(getattr(COMPANY, name)) for name in Record.__struct_fields__} | {"base": "事務所を訪ねた"}
YEAR_US = 366 * 86_400_000_000


def events(house: PagesHouse) -> list[tuple[str, str]]:
    return [(one.who, one.what) for one in oldest_first(house.directory) if one.what.startswith("identity")]


def upload(visitor: Visitor, path: str, name: str, body: bytes) -> Answer:
    """A file, as a browser sends it."""
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', visitor.get("/login").text)
    assert token is not None
    parts = (
        f'--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{token.group(1)}\r\n'
        f'--b\r\nContent-Disposition: form-data; name="copy"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    connection = http.client.HTTPConnection("127.0.0.1", visitor.port, timeout=10)
    headers = {"Cookie": urlencode(visitor.cookies), "Content-Type": "multipart/form-data; boundary=b"}
    connection.request("POST", path, body=parts + body + b"\r\n--b--\r\n", headers=headers)
    response = connection.getresponse()
    answer = Answer(response.status, response.headers, response.read())
    connection.close()
    return answer


def test_a_new_client_begins_when_its_check_is_confirmed(house: PagesHouse, admin: Visitor, tmp_path: Path) -> None:
    folder = tmp_path / "tenants"
    (folder / "platform.yaml").write_bytes(
        msgspec.json.encode({**msgspec.to_builtins(PLATFORM), "identity": "required"})
    )
    beta = {**ACME, "tenant": "beta", "name": "株式会社ベータ", "numbers": [], "ids": [], "lines": [], "groups": []}
    (folder / "beta.yaml").write_bytes(msgspec.json.encode({**beta, "routes": {}, "tests": []}))
    found = house._files.reload()
    assert [(p.level, p.file) for p in found.problems if "identity" in p.text] == [
        ("warning", "acme.yaml"), ("error", "beta.yaml"),
    ], "who is served already goes on"  # fmt: skip
    assert "beta" not in house.directory.run(directory.in_force).tenants

    half = admin.post("/identity/beta", {**ENOUGH, "papers": "", "seen": "0", "do": "confirm"})
    assert half.status == 422 and "確認を終えるには入力が必要です。" in half.text
    assert admin.post("/identity/beta", {**ENOUGH, "papers": "", "seen": "0", "do": "save"}).status == 303
    assert "beta" not in house.directory.run(directory.in_force).tenants, "half a check is none"
    done = admin.post("/identity/beta", {**ENOUGH, "seen": "1", "do": "confirm"})
    assert done.headers["Location"] == "/identity/beta?done=confirmed"
    assert "beta" in house.directory.run(directory.in_force).tenants
    assert "確認済み" in admin.get("/identity").text
    assert events(house) == [("admin", "identity.changed"), ("admin", "identity.confirmed")]


def test_whoever_comes_back_after_a_month_is_checked_again(house: PagesHouse, admin: Visitor, tmp_path: Path) -> None:
    folder, required = tmp_path / "tenants", {**msgspec.to_builtins(PLATFORM), "identity": "required"}
    (folder / "platform.yaml").write_bytes(msgspec.json.encode(required))
    assert admin.post("/identity/acme", {**ENOUGH, "seen": "0", "do": "confirm"}).status == 303
    text = (folder / "acme.yaml").read_bytes()
    (folder / "acme.yaml").unlink()
    house._files.reload()
    (folder / "acme.yaml").write_bytes(text)
    house._files.reload()
    assert "acme" in house.directory.run(directory.in_force).tenants, "a file that was away for a moment"
    (folder / "acme.yaml").unlink()
    house._files.reload()
    left(house, clock.now_us() + 1000 - 31 * 86_400_000_000, confirmed_earlier=True)
    (folder / "acme.yaml").write_bytes(text)
    house._files.reload()
    assert "acme" not in house.directory.run(directory.in_force).tenants
    assert "確認を終えて保存" in admin.get("/identity/acme").text
    assert admin.post("/identity/acme", {**ENOUGH, "seen": "1", "do": "confirm"}).status == 303
    assert "acme" in house.directory.run(directory.in_force).tenants


def test_the_page_says_of_a_check_what_holds_for_the_file(house: PagesHouse, admin: Visitor) -> None:
    """To the hour: where the page said "confirmed" and the file was refused, nobody could have confirmed it again."""
    assert admin.post("/identity/acme", {**ENOUGH, "seen": "0", "do": "confirm"}).status == 303
    left_us = int(datetime(2026, 10, 1, 12, tzinfo=JAPAN).timestamp()) * 1_000_000
    left(house, left_us, confirmed_earlier=True)

    def asked(tx: Tx, now_us: int) -> tuple[bool, bool]:
        tx.sql.execute(
            tx.tables["revisions"].update().where(tx.tables["revisions"].c.tenant == "acme").values(gone=True)
        )
        standing = records.standing(tx, "acme", day_of(now_us))
        return "acme" in records.confirmed(tx, now_us), standing.confirmed

    for hour in (-1, 1, 11, 12, 13, 36):
        now_us = left_us + records.LAPSES_AFTER_US + hour * 3_600_000_000
        holds, said = house.directory.run(lambda tx, now_us=now_us: asked(tx, now_us))  # type: ignore[misc]
        assert holds == said == (hour < 12), "until the end of the day in Japan"


def test_a_refused_file_ends_nobodys_service(house: PagesHouse, tmp_path: Path) -> None:
    folder, required = tmp_path / "tenants", {**msgspec.to_builtins(PLATFORM), "identity": "required"}
    (folder / "platform.yaml").write_bytes(msgspec.json.encode(required))
    (folder / "acme.yaml").write_bytes(msgspec.json.encode({**ACME, "tenant": "acme-new", "tests": []}))
    house._files.reload()
    assert "acme" in house.directory.run(directory.in_force).tenants, "its file names a client who may not begin"


def left(house: PagesHouse, at_us: int, confirmed_earlier: bool = False) -> None:
    """The client's file was taken away at that time, and not today."""

    def change(tx: Tx) -> None:
        revisions, checks = tx.tables["revisions"], tx.tables["identity_records"]
        tx.sql.execute(revisions.update().where(revisions.c.tenant == "acme").values(since_us=at_us))
        if confirmed_earlier:
            tx.sql.execute(checks.update().values(at_us=at_us - 1))

    house.directory.run(change)


def test_every_version_stays_and_every_look_is_written_down(house: PagesHouse, admin: Visitor) -> None:
    assert admin.post("/identity/acme", {**ENOUGH, "seen": "0", "do": "confirm"}).status == 303
    late = admin.post("/identity/acme", {**ENOUGH, "name": "旧い画面から", "seen": "0", "do": "save"})
    assert late.status == 409, "somebody else was first"
    moved = {**ENOUGH, "address": "東京都＝港区", "why": "本店移転", "seen": "1", "do": "save"}
    assert admin.post("/identity/acme", moved).status == 303
    assert admin.post("/identity/acme", {**moved, "owners": "", "seen": "2"}).status == 422, "confirmed stays whole"
    page = admin.get("/identity/acme").text
    assert all(text in page for text in ("本店移転", "東京都=港区", "株式会社アクメ", "佐藤 花子"))
    first = house.directory.run(lambda tx: records.versions(tx, "acme"))[-1]
    assert first.record.address == COMPANY.address
    assert events(house)[-1] == ("admin", "identity.looked")
    log = repr([(one.before, one.after, one.about) for one in oldest_first(house.directory)])
    assert "佐藤" not in log and "address" in log, "the log names fields, not what stands in them"


def test_copies_of_papers_are_files_of_three_kinds(house: PagesHouse, admin: Visitor) -> None:
    for name, body, status in (
        ("免許証.pdf", b"%PDF-1.7 x", 303),
        ('..\\"<script>.png', b"\x89PNG\r\n\x1a\n x", 303),
        ("x.pdf", b"<html>", 422),
        ("x.pdf", b"", 422),
        ("x.pdf", b"%PDF-" + bytes(records.LARGEST_FILE), 422),
        ("x.pdf", b"%PDF-" + bytes(records.LARGEST_FILE + (2 << 20)), 413),
    ):
        assert upload(admin, "/identity/acme/copies", name, body).status == status, name
    kept = house.directory.run(lambda tx: records.copies(tx, "acme"))
    assert [one.name for one in kept] == ["免許証.pdf", "script.png"]
    copy = admin.get(f"/identity/acme/copies/{kept[0].id}")
    assert (copy.body, copy.headers["Content-Type"]) == (b"%PDF-1.7 x", "application/pdf")
    assert copy.headers["Content-Disposition"].startswith("attachment;")
    assert events(house)[-1] == ("admin", "identity.looked")
    assert admin.get("/identity/acme/copies/0000").status == 404


def test_the_evidence_is_one_file_with_a_reason(house: PagesHouse, admin: Visitor) -> None:
    admin.post("/identity/acme", {**ENOUGH, "seen": "0", "do": "confirm"})
    upload(admin, "/identity/acme/copies", "免許証.pdf", b"%PDF-1.7 x")
    assert admin.post("/identity/acme/evidence.zip", {"why": " "}).status == 422
    answer = admin.post("/identity/acme/evidence.zip", {"why": "照会 第12号"})
    assert answer.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        names = archive.namelist()
        record, numbers = json.loads(archive.read("record.json")), archive.read("numbers.csv").decode()
        digests = json.loads(archive.read("contents.json"))
        assert archive.read(next(name for name in names if name.startswith("copies/"))) == b"%PDF-1.7 x"
    assert set(digests) == set(names) - {"contents.json"}
    assert record["versions"][0]["record"]["name"] == "株式会社アクメ" and record["why"] == "照会 第12号"
    assert all(entry["number"] in numbers for entry in ACME["numbers"])
    assert events(house)[-1] == ("admin", "identity.exported")


def test_a_record_is_erased_only_after_seven_years(house: PagesHouse, admin: Visitor, tmp_path: Path) -> None:
    admin.post("/identity/acme", {**ENOUGH, "seen": "0", "do": "confirm"})
    assert admin.post("/identity/acme/erase", {}).status == 422
    (tmp_path / "tenants" / "acme.yaml").unlink()
    house._files.reload()
    assert "契約が終わっています" in admin.get("/identity/acme").text
    assert admin.post("/identity/acme/erase", {}).status == 422
    left(house, clock.now_us() - 8 * YEAR_US)
    assert "記録と写しを消す" in admin.get("/identity/acme").text
    assert admin.post("/identity/acme/erase", {}).status == 303
    assert house.directory.run(lambda tx: records.versions(tx, "acme")) == []


@pytest.mark.requirement("D10")
def test_only_the_operator_and_the_clients_reseller_see_it(house: PagesHouse, admin: Visitor) -> None:
    admin.post("/identity/acme", {**ENOUGH, "seen": "0", "do": "confirm"})
    seller = house.visitor("seller", "reseller", "acme")
    assert "佐藤 花子" in seller.get("/identity/acme").text
    other = house.visitor("other", "reseller", "beta")
    assert other.get("/identity/acme").status == 404 and "アクメ" not in other.get("/identity").text
    assert house.visitor("boss", "tenant_administrator", "acme").get("/identity/acme").status == 403
    assert Visitor(house.server.port).get("/identity/acme").status == 302
