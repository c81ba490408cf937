"""A phone book as values and files: what is written is read again, what is typed is found, no vCard is torn."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.directory import service as directory
from services.directory.imports.sheets import read_sheets
from services.directory.phone_book import entries
from services.directory.phone_book.files import cards_of, csv_bytes
from services.directory.phone_book.model import Card, Entry, ending, endings, folded, names_of, read_number, sought
from services.directory.phone_book.vcards import vcards
from services.runtime.store import Store, Tx
from services.runtime.worker import Emit
from tests.stores import Database
from tests.unit.test_store import statements

TEXT = st.text("アイカ漢髙あabC=+-@'\",;:\\ \u3000ー１%_#&<", max_size=12)
NUMBERS = st.lists(
    st.tuples(st.sampled_from(["03", "06", "050", "090", "+1555"]), st.integers(10_000_000, 99_999_999)).map(
        lambda parts: f"{parts[0]}{parts[1]}"
    )
    | st.sampled_from(["104", "0570", "5551234", "98765432"]),
    min_size=1,
    max_size=4,
    unique=True,
)


@st.composite
def cards(draw: st.DrawFn) -> Card:
    """Cards as `plain` and `wrong_with` let them through."""

    def text() -> str:
        return unicodedata.normalize("NFKC", draw(TEXT)).strip().lstrip("' ")

    name = text()
    return Card(
        name or "誰か",
        text(),
        text(),
        tuple(draw(NUMBERS)),
        draw(st.sampled_from(["", "一行目\n二行目", "=1+1", "-\n'-x", "a\n\n  b: \nc"])),
    )


def as_entry(card: Card, entry: str = "1", at_us: int = 1) -> Entry:
    return Entry(entry, card, at_us, "keiri")


@pytest.mark.requirement("D5")
@given(st.lists(cards(), max_size=5))
def test_a_book_comes_back_from_its_csv(book: list[Card]) -> None:
    for lang in ("ja", "en"):
        data = csv_bytes([as_entry(card) for card in book], lang)  # type: ignore[arg-type]
        found, notes = cards_of(read_sheets("book.csv", data))
        assert notes == [] and found == book


def unfolded(data: bytes) -> list[str]:
    """Content lines, as RFC 6350, 3.2 has them read."""
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))
    return data.decode().replace("\r\n ", "").split("\r\n")[:-1]


def plain(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], value)


@pytest.mark.parametrize("number", ["+1", "0", "12", "+", "0" * 21, "+1-2"])
def test_no_file_brings_a_number_that_could_not_be_told(number: str) -> None:
    """The last two digits say in which part of the book it is told."""
    with pytest.raises(ValueError, match=re.escape(number)):
        read_number(number)
    found, notes = cards_of(read_sheets("book.csv", f"氏名,電話番号\n客,{number}\n".encode()))
    assert found == [] and [note.level for note in notes] == ["error"]


def test_a_lost_zero_is_asked_for_by_the_form_and_told_by_the_file() -> None:
    with pytest.raises(ValueError, match="312345678"):
        read_number("312345678")
    (card,), (note,) = cards_of(read_sheets("book.csv", "氏名,電話番号\n客,312345678\n".encode()))
    assert card.numbers == ("0312345678",) and note.level == "warning"


@pytest.mark.requirement("D5")
@given(cards(), st.sampled_from(["3.0", "4.0"]))
def test_a_vcard_says_what_the_card_says(card: Card, version: str) -> None:
    lines = unfolded(vcards([as_entry(card)], version))  # type: ignore[arg-type]
    assert lines[0] == "BEGIN:VCARD" and lines[1] == f"VERSION:{version}" and lines[-1] == "END:VCARD"
    said = [line.partition(":") for line in lines]
    of = {name.partition(";")[0]: plain(value) for name, _, value in said}
    assert of["FN"] == (card.name or card.company) and of.get("ORG", "") == card.company
    assert of.get("NOTE", "") == card.note and of.get("X-PHONETIC-LAST-NAME", "") == card.reading
    numbers = [value for name, _, value in said if name.startswith("TEL")]
    assert [read_number(value.removeprefix("tel:").partition(";")[0]) for value in numbers] == list(card.numbers)


def test_a_vcard_as_a_phone_gets_it() -> None:
    card = Card("山田 太郎", "ヤマダ タロウ", "山田商店, 本店", ("0398765432", "+15551234567"), "月曜;休み")
    assert vcards([as_entry(card)], "4.0").decode().split("\r\n") == [
        "BEGIN:VCARD",
        "VERSION:4.0",
        "UID:urn:toritsugi:1",
        "FN:山田 太郎",
        'N;SORT-AS="ヤマダ タロウ":山田 太郎;;;;',
        "X-PHONETIC-LAST-NAME:ヤマダ タロウ",
        "ORG:山田商店\\, 本店",
        "TEL;VALUE=uri;TYPE=voice:tel:+81398765432",
        "TEL;VALUE=uri;TYPE=voice:tel:+15551234567",
        "NOTE:月曜\\;休み",
        "END:VCARD",
        "",
    ]


def test_people_are_found_by_part_of_anything_in_any_width() -> None:
    card = Card("山田 Ｔarō", "ヤマダ タロウ", "㈱山田", ("0398765432",))
    for typed in (
        "山田",
        "やまだ",
        "ﾔﾏﾀﾞ",
        "ヤマダタロウ",
        "（株）",
        "TARŌ",
        "9876",
        "03-9876",
        "０３−９８",
        "+81 3-9876",
    ):
        assert sought(typed) in card.found_by, typed
    assert sought("") == "" and folded("ア あ") == "ああ"
    assert sought("1") not in Card("x", numbers=("0312345678",)).found_by.split()[0], "one digit is text"


@given(st.lists(cards(), max_size=6))
def test_every_number_is_told_in_one_part_and_the_newest_name_counts(book: list[Card]) -> None:
    known = [as_entry(card, str(n), n) for n, card in enumerate(book)]
    told = {number: name for names in names_of(known, endings(book)).values() for number, name in names.items()}
    wanted = {number: card.label for card in book for number in card.numbers}
    assert told == wanted
    assert all(re.fullmatch("[0-9]{2}", ending(number)) for number in wanted)


def test_a_file_with_errors_names_each_row() -> None:
    rows = "氏名,会社名,電話番号,誕生日\r\n山田,,03-1234-5678,1\r\n,,0312345678\r\n佐藤,,12\r\n鈴木\r\n"
    found, notes = cards_of(read_sheets("book.csv", rows.encode()))
    places = [str(note.place) for note in notes if note.level == "error"]
    assert places == ["book.csv:4:電話番号", "book.csv:5:電話番号", "book.csv:3:氏名"]
    assert len(found) == 2


def test_a_large_book_is_kept_and_told_at_once_not_number_by_number(database: Database) -> None:
    store = Store(database.store("directory"), directory.build().metadata)
    store.start()
    book = [Card(f"客 {n}", numbers=(f"03{n:08}",)) for n in range(300)]

    def asked(work: Callable[[Tx], object]) -> int:
        """How often the table of entries was read or written."""

        def counted(tx: Tx) -> int:
            with statements(tx) as executed:
                work(tx)
            return sum(bool(re.search(r"(FROM|INTO) phone_book\b", statement)) for statement in executed)

        return store.run(counted)

    assert asked(lambda tx: entries.add_many(tx, "acme", book, "keiri", 1)) <= 3
    assert asked(lambda tx: entries.add(tx, "acme", Card("誰か", numbers=("0300000000",)), "keiri", 2)) <= 3
    found: list[Emit] = []
    assert asked(lambda tx: found.extend(entries.say_all(tx))) == 1
    told = {number: name for emit in found for number, name in emit.body.names.items()}  # type: ignore[attr-defined]
    assert len(found) == 100 and told == {f"03{n:08}": f"客 {n}" for n in range(300)} | {"0300000000": "誰か"}
    store.stop()
