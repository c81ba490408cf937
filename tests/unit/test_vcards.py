"""vCards of phones and programs are read into a phone book, every error by entry; hostile ones stay bounded."""

from __future__ import annotations

import base64
import quopri
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.directory.imports.model import Note
from services.directory.imports.sheets import Unreadable
from services.directory.phone_book.files import cards_of
from services.directory.phone_book.model import Card
from services.directory.phone_book.vcard_lines import lines, split
from services.directory.phone_book.vcards import Version, is_vcards, read_vcards, vcards
from tests.unit.test_phone_book import as_entry, cards

YAMADA = Card("山田 葵", "ヤマダ アオイ", "山田商店 本店", ("09011112222", "0398765432"), "月曜は休み\n得意先")


def read(data: bytes | str) -> tuple[list[Card], list[Note]]:
    """The cards, and every note by entry."""
    sheets, left = read_vcards(data if isinstance(data, bytes) else data.encode(), "ja", 10_000)
    found, notes = cards_of(sheets)
    return found, [*left, *notes]


def card(*said: str, version: str = "3.0") -> str:
    return "\r\n".join(["BEGIN:VCARD", f"VERSION:{version}", *said, "END:VCARD", ""])


def quoted(text: str, charset: str) -> str:
    return quopri.encodestring(text.encode(charset), quotetabs=True).decode()


@pytest.mark.requirement("D5")
@given(st.lists(cards(), max_size=5), st.sampled_from(["3.0", "4.0"]))
def test_a_book_comes_back_from_its_vcards(book: list[Card], version: Version) -> None:
    data = vcards([as_entry(one) for one in book], version)
    assert is_vcards(data) or not book
    assert read(data) == (book, [])


def test_a_phone_of_docomo_writes_shift_jis_as_it_is() -> None:
    """Export of a phone of 2006; 表 and ソ end in a backslash there."""
    data = card(
        "X-GNO:1",
        "N;CHARSET=SHIFT_JIS:表ソ 葵;;;;",
        "SOUND;X-IRMC-N;CHARSET=SHIFT_JIS:ｵﾓﾃｿ ｱｵｲ;;;;",
        "ADR;HOME:;;;;;;",
        "NOTE:",
        "ORG:;",
        "TEL;VOICE:090-1111-2222",
        "TEL;CELL:",
        "PHOTO:",
        version="2.1",
    ).encode("cp932")
    found, notes = read(data)
    assert found == [Card("表ソ 葵", "オモテソ アオイ", "", ("09011112222",))]
    assert [(note.level, note.say[1]) for note in notes] == [
        ("warning", "what a phone book does not have is not read: ADR, PHOTO")
    ]


@pytest.mark.parametrize("charset", ["SHIFT_JIS", "UTF-8", "ISO-2022-JP", "EUC-JP"])
def test_quoted_printable_of_older_phones_is_decoded(charset: str) -> None:
    coded = f"CHARSET={charset};ENCODING=QUOTED-PRINTABLE"
    data = card(
        f"N;{coded}:{quoted('山田;葵;;;', charset)}",
        f"SOUND;X-IRMC-N;{coded}:{quoted('ヤマダ;アオイ;;;', charset)}",
        f"ORG;{coded}:{quoted('山田商店;本店', charset)}",
        f"NOTE;{coded}:{quoted('月曜は休み', charset)}=0D=0A={chr(13)}{chr(10)}{quoted('得意先', charset)}",
        "TEL;CELL:+819011112222",
        "TEL;WORK;VOICE:03-9876-5432",
        version="2.1",
    )
    assert read(data) == ([YAMADA], [])


def test_a_smartphone_of_today() -> None:
    """As iOS and Android write them: groups, folded lines, phonetic names, a picture."""
    picture = base64.b64encode(bytes(300)).decode()
    data = card(
        "PRODID:-//Apple Inc.//iPhone OS 17.0//EN",
        "N:山田;葵;;;",
        "FN:山田 葵",
        "X-PHONETIC-FIRST-NAME:アオイ",
        "X-PHONETIC-LAST-NAME:ヤマダ",
        "ORG:山田商店;本店;",
        "item1.TEL;type=CELL;type=VOICE;type=pref:+81 90-1111-",
        " 2222",
        "item1.X-ABLabel:_$!<Mobile>!$_",
        'TEL;TYPE="voice,work";VALUE=uri:tel:+81-3-9876-5432;ext=12',
        "NOTE:月曜は休み\\n得意先",
        f"PHOTO;ENCODING=b;TYPE=JPEG:{picture[:60]}",
        *(f" {picture[at : at + 74]}" for at in range(60, len(picture), 74)),
    )
    found, notes = read(data)
    assert found == [YAMADA] and [note.level for note in notes] == ["warning"]


def test_a_picture_of_2_1_goes_on_without_blanks() -> None:
    data = card("FN:客", "TEL:0312345678", "PHOTO;BASE64:AAAA", "BBBB", "CC==", "", "TEL:0312345679", version="2.1")
    assert read(data)[0] == [Card("客", numbers=("0312345678", "0312345679"))]


@pytest.mark.parametrize(
    ("said", "name", "company"),
    [
        (("FN:山田商店", "N:;;;;", "ORG:山田商店"), "", "山田商店"),
        (("FN:山田商店", "ORG:山田商店"), "", "山田商店"),
        (("N:山田;葵",), "山田 葵", ""),
        (("FN:", "N:山田;葵"), "山田 葵", ""),
        (("FN:山田\\, 葵\\;様", "ORG:a\\;b;c"), "山田, 葵;様", "a;b c"),
    ],
)
def test_who_it_is_stands_in_several_places(said: tuple[str, ...], name: str, company: str) -> None:
    assert read(card(*said, "TEL:0312345678"))[0] == [Card(name, "", company, ("0312345678",))]


@pytest.mark.parametrize(
    ("said", "reading"),
    [
        (('N;SORT-AS="ヤマダ,アオイ":山田;葵',), "ヤマダ アオイ"),
        (("N:山田;葵", "SORT-STRING:ヤマダ"), "ヤマダ"),
        (("N:山田;葵", "SOUND:http://example.com/a.wav"), ""),
    ],
)
def test_how_it_is_read_stands_in_several_places(said: tuple[str, ...], reading: str) -> None:
    assert read(card(*said, "TEL:0312345678"))[0][0].reading == reading


def test_every_error_names_its_entry() -> None:
    data = "".join(
        (
            card("FN:一", "TEL:0312345678"),
            card("FN:二", "TEL:#5555"),
            card("FN:三", "EMAIL:a@example.com"),
            card("FN:四", "no line of a vCard", "TEL:0312345678"),
            card("FN;CHARSET=KLINGON:五", "TEL:0312345678"),
            card("FN:" + "六" * 81, "TEL:0312345678"),
            card("FN:七", *(f"TEL:031234567{n}" for n in range(6))),
            card("TEL:0312345678"),
        )
    )
    found, notes = read(data)
    by_entry = {(note.place.row, note.level): note.sentence("en") for note in notes if note.place.row}
    assert by_entry == {
        (2, "error"): '"#5555" is no telephone number; allowed: 03-1234-5678',
        (3, "warning"): '"三" has no number: left out',
        (4, "error"): '"四" holds a line that is none of a vCard',
        (5, "error"): "is not coded as it says, or too long",
        (6, "error"): f'"{"六" * 60}…" is too long',
        (7, "warning"): '"七" has 2 numbers more than four: left out',
        (8, "error"): "names neither a person nor a company",
    }
    assert found[0] == Card("一", numbers=("0312345678",))


def test_a_file_that_is_cut_off_is_not_taken_in_part() -> None:
    whole = card("FN:一", "TEL:0312345678") + card("FN:二", "TEL:0312345679")
    _, notes = read(whole[: whole.rindex("END:VCARD")])
    assert [(note.place.row, note.level) for note in notes] == [(2, "error")]


def test_somebody_within_somebody_is_not_taken_for_them() -> None:
    inner = card("FN:秘書", "TEL:0311112222", version="2.1").rstrip()
    assert read(card("FN:社長", "AGENT:", inner, "TEL:0312345678", version="2.1"))[0] == [
        Card("社長", numbers=("0312345678",))
    ]


@pytest.mark.parametrize(
    ("data", "one"),
    [
        (b"BEGIN:VCARD\r\nVERSION:3.0\r\n", True),
        (b"\xef\xbb\xbfbegin:vcard\nversion:2.1\n", True),
        (b"\r\nBEGIN:VCARD\r\n", True),
        ("氏名,電話番号\n".encode(), False),
        (b"BEGIN:VCALENDAR\r\n", False),
        (b"", False),
    ],
)
def test_vcards_are_known_by_how_they_begin(data: bytes, one: bool) -> None:
    assert is_vcards(data) == one


HOSTILE: dict[str, Callable[[], bytes]] = {
    "one head": lambda: b"TEL" + b";a" * 1_000_000 + b":1",
    "one value": lambda: b"FN:" + b"\\;" * 1_000_000,
    "quotes": lambda: b"TEL;" + b'"' * 999_999 + b":1",
    "colons": lambda: b":" * 2_000_000,
    "soft breaks": lambda: b"NOTE;ENCODING=QUOTED-PRINTABLE:" + b"=\r\n" * 180_000,
    "folds": lambda: b"FN:x" + b"\n y" * 190_000,
    "cards within cards": lambda: b"BEGIN:VCARD\n" * 160_000,
    "many lines": lambda: b"NOTE:x\n" * 190_000,
    "broken base64": lambda: b"FN;ENCODING=b:" + b"=" * 50_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_meant_to_be_slow_is_refused_as_one_entry(kind: str) -> None:
    """Read within this test's time-out; what costs the square of its length would not be."""
    found, notes = read(b"BEGIN:VCARD\n" + HOSTILE[kind]() + b"\nTEL:1\nEND:VCARD\n")
    assert found == [] and {note.place.row for note in notes} == {1} and len(notes) <= 2


def test_more_lines_or_entries_than_a_book_has_are_not_read() -> None:
    with pytest.raises(Unreadable):
        read(b"BEGIN:VCARD\n" + b"\n" * 500_000)
    with pytest.raises(Unreadable):
        read_vcards(card("FN:x", "TEL:0312345678").encode() * 4, "ja", 3)


@given(st.binary(max_size=200) | st.text('BEGINVCARDTLF:;=\\"\r\n あ012-', max_size=200).map(str.encode))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    found, notes = read(b"BEGIN:VCARD\r\nFN:x\r\n" + data + b"\r\nEND:VCARD\r\n")
    assert found or notes


@given(st.lists(st.text('あa\\,;:n"', max_size=6), min_size=1, max_size=5))
def test_parts_are_what_stands_between_semicolons(parts: list[str]) -> None:
    joined = ";".join(part.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,") for part in parts)
    (line,) = lines(f"N:{joined}".encode())
    assert line.texts() == [part.strip() for part in parts] and len(split(joined)) == len(parts)
