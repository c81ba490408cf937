"""What a record of an identity check must hold, as the law says it."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.directory.identity.model import (
    METHODS,
    OF_PARTY,
    PARTIES,
    Record,
    differences,
    is_corporate_number,
    kept_until,
    missing,
    wrong,
)

TODAY = date(2026, 11, 22)
COMPANY = Record(
    name="株式会社アクメ",
    address="東京都千代田区霞が関3-1-1",
    corporate_number="7000012050002",
    purpose="代表番号の転送",
    business="ソフトウェアの開発",
    owners="阿久目 太郎 東京都港区 1970-01-01 申告",
    contact="佐藤 花子",
    contact_address="東京都文京区",
    contact_born="1985-05-05",
    contact_authority="委任状",
    method="in_person",
    papers="履歴事項全部証明書 東京法務局 2026-11-01\n運転免許証 123456789012 東京都公安委員会",
    checked_on="2026-11-20",
    checked_by="田中",
)
PERSON = Record(
    party="individual",
    name="山田 一郎",
    address="大阪市",
    born="1980-04-01",
    purpose="電話代行",
    business="デザイン業",
    method="in_person_and_mail",
    papers="健康保険証",
    checked_on="2026-11-20",
    checked_by="田中",
)


def test_a_whole_record_lacks_nothing() -> None:
    for record in (COMPANY, PERSON):
        assert (missing(record, base=False), wrong(record, TODAY)) == ((), {})
    assert missing(PERSON, base=True) == ("base",), "a fixed number needs a place of business in its area"


@given(st.sampled_from([COMPANY, PERSON]), st.data())
def test_what_is_taken_out_of_a_whole_record_is_asked_for(whole: Record, data: st.DataObject) -> None:
    filled = [name for name in Record.__struct_fields__ if getattr(whole, name) and name not in ("party", "note")]
    name = data.draw(st.sampled_from(filled))
    without = msgspec.structs.replace(whole, **{name: ""})
    assert missing(without, base=False) == (() if name == "corporate_number" else (name,))
    assert differences(whole, without) == (name,)


@given(st.from_regex(r"[0-9]{12}", fullmatch=True))
def test_one_check_digit_fits_a_corporate_number(digits: str) -> None:
    assert sum(is_corporate_number(f"{check}{digits}") for check in range(10)) == 1


@pytest.mark.parametrize("text", ["", "7000012050001", "70000120500020", "７０００", "7000012050002\n"])
def test_what_is_no_corporate_number(text: str) -> None:
    assert not is_corporate_number(text)
    assert is_corporate_number("7000012050002"), "that of the National Tax Agency"


def test_days_and_ways_that_cannot_be_are_named() -> None:
    bad = Record(
        party="individual", method="registry", born="1980-13-01", checked_on="2026-11-23", name="a\nb", note="長" * 2001
    )
    assert wrong(bad, TODAY) == {
        "born": "day", "checked_on": "future", "method": "method", "name": "line", "note": "long",
    }  # fmt: skip
    assert set(METHODS) == {method for party in PARTIES for method in OF_PARTY[party]}


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)))
def test_a_record_is_kept_for_seven_years_to_the_day(ended: date) -> None:
    until = kept_until(ended)
    assert until.year == ended.year + 7
    assert until - timedelta(days=7 * 365) >= ended
    assert (until.month, until.day) in ((ended.month, ended.day), (3, 1))
