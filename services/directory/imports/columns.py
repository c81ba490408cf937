"""PURE The kinds of sheets and their columns: how a heading may be written, what a cell may hold, an example.

Enters: headings. Leaves: which kind a sheet is and which column stands where. The template (`template.py`), the reader
(`records.py`) and the guide are made of this one table. What a cell means stands in `values.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

import msgspec

from services.directory.imports.model import Pair

Reads = Literal[
    "client",
    "text",
    "name",
    "names",
    "domain",
    "phone",
    "number",
    "listed",
    "target",
    "date",
    "closing",
    "whole",
    "choice",
    "choices",
    "ranges",
    "days",
    "note",
]


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column; headings in either language, written in any width, name it."""

    key: str
    ja: str
    en: str
    also: tuple[str, ...] = ()
    reads: Reads = "text"
    required: bool = False
    choices: dict[str, Pair] = {}
    """Value -> the words for it."""
    bounds: tuple[int, int] = (1, 1000)
    example: str = ""
    note: Pair = ("", "")

    @property
    def headings(self) -> frozenset[str]:
        """Everything that names this column, folded."""
        return frozenset(folded(one) for one in (self.ja, self.en, self.key, *self.also))


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of sheet."""

    key: Literal["clients", "numbers", "lines", "phone_book"]
    ja: str
    en: str
    also: tuple[str, ...] = ()
    columns: tuple[Column, ...]

    @property
    def names(self) -> frozenset[str]:
        """Names of sheets and files that say which kind it is."""
        return frozenset(folded(one) for one in (self.ja, self.en, self.key, *self.also))


CLIENT = Column(
    key="client",
    ja="顧客ID",
    en="Client ID",
    also=("顧客コード", "顧客番号", "client", "tenant"),
    reads="client",
    required=True,
    example="aoba",
    note=("小文字の英字・数字・ハイフン、32文字まで。後から変えられません", "a-z 0-9 -, at most 32; for good"),
)
_DEVICE_ID = Column(
    key="id",
    ja="端末ID",
    en="Device ID",
    also=("内線番号", "内線", "extension", "id"),
    reads="phone",
    example="1001",
    note=("電話機またはアプリのログイン名。英字・数字・. _ -", "what the phone registers as; letters, digits, . _ -"),
)

CLIENTS = Kind(
    key="clients",
    ja="顧客",
    en="Clients",
    also=("顧客一覧", "契約者", "会社", "client", "tenants"),
    columns=(
        CLIENT,
        Column(key="name", ja="会社名", en="Name", also=("顧客名", "company"), required=True, example="株式会社青葉"),
        Column(key="reading", ja="フリガナ", en="Reading", also=("カナ", "会社名カナ"), example="アオバ"),
        Column(key="prefecture", ja="都道府県", en="Prefecture", example="東京都"),
        Column(key="municipality", ja="市区町村", en="Municipality", example="千代田区"),
        Column(key="street", ja="番地", en="Street", also=("町名番地", "番地・建物", "住所"), example="丸の内1-1-1"),
        Column(
            key="from",
            ja="契約開始日",
            en="Contract from",
            also=("契約日", "利用開始日"),
            reads="date",
            required=True,
            example="2026-04-01",
            note=("2026-04-01、2026/4/1、Excelの日付", "2026-04-01, 2026/4/1, a date of Excel"),
        ),
        Column(
            key="closing_day",
            ja="締め日",
            en="Closing day",
            reads="closing",
            example="末",
            note=("1から31、または末(何もなければ末)", "1 to 31, or end (also where it is empty)"),
        ),
        Column(
            key="plan", ja="プラン", en="Plan", reads="name", example="cloud-pbx", note=("a-z 0-9 - _", "a-z 0-9 - _")
        ),
        Column(
            key="prices",
            ja="料金表",
            en="Price table",
            reads="name",
            example="",
            note=("platform.yamlにある料金表の名前", "the name of a price table of platform.yaml"),
        ),
        Column(
            key="purpose",
            ja="番号の利用目的",
            en="Purpose",
            also=("利用目的",),
            note=("代表番号が4つ以上のとき", "where there are more than three representative numbers"),
        ),
        Column(
            key="domain",
            ja="端末のドメイン",
            en="Domain",
            also=("ドメイン", "sip domain"),
            reads="domain",
            example="aoba.example.jp",
            note=(
                "端末が登録する先。端末IDが他社と重なるときに必要",
                "where its phones register; needed where IDs repeat",
            ),
        ),
        Column(
            key="weekdays",
            ja="平日の営業時間",
            en="Hours Mon-Fri",
            also=("営業時間", "平日", "hours"),
            reads="ranges",
            example="9:00-12:00, 13:00-18:00",
            note=("9:00-18:00。空なら一日中つながる", "9:00-18:00; where all are empty calls ring all day"),
        ),
        Column(
            key="saturday", ja="土曜の営業時間", en="Hours Sat", also=("土曜",), reads="ranges", example="9:00-12:00"
        ),
        Column(key="sunday", ja="日曜の営業時間", en="Hours Sun", also=("日曜",), reads="ranges"),
        Column(
            key="holidays",
            ja="祝日",
            en="Public holidays",
            reads="choice",
            choices={"closed": ("休み", "closed"), "open": ("営業", "open")},
            example="休み",
        ),
        Column(
            key="closed",
            ja="休業日",
            en="Closed days",
            reads="days",
            example="2026-12-29/2027-01-03",
            note=("2026-12-29/2027-01-03。いくつかは読点で", "2026-12-29/2027-01-03; several with commas"),
        ),
        Column(key="greeting", ja="応答の挨拶", en="Greeting", also=("名乗り",), example="株式会社青葉でございます。"),
        Column(
            key="recording",
            ja="録音",
            en="Recording",
            also=("全通話録音",),
            reads="choice",
            choices={"none": ("なし", "none"), "all": ("全通話", "all")},
            example="なし",
        ),
    ),
)
_TARGETS: Pair = (
    "全員、グループ・回線・端末IDの名前、オペレーターの班、外の電話番号、留守番電話、案内",
    "everyone, a group, line or device ID, a pool, an outside number, voicemail, announcement",
)
NUMBERS = Kind(
    key="numbers",
    ja="番号",
    en="Numbers",
    also=("電話番号", "番号一覧", "number", "dids"),
    columns=(
        CLIENT,
        Column(
            key="number",
            ja="電話番号",
            en="Number",
            also=("番号", "did"),
            reads="number",
            required=True,
            example="03-1234-0000",
        ),
        Column(
            key="kind",
            ja="種類",
            en="Kind",
            also=("番号種別", "種別"),
            reads="choice",
            choices={
                "representative": ("代表", "representative"),
                "direct": ("直通", "direct"),
                "leased": ("貸出", "leased"),
            },
            example="代表",
            note=("何もなければ代表、端末IDがあれば直通", "empty: representative; with a device ID direct"),
        ),
        Column(key="channels", ja="同時通話数", en="Channels", also=("チャネル数",), reads="whole", example="1"),
        Column(
            key="mode",
            ja="貸出番号の使い方",
            en="Use",
            also=("使い方", "mode"),
            reads="choice",
            choices={"published": ("公開", "published"), "forward_target": ("転送先", "forward_target")},
            note=("貸出番号だけ。何もなければ公開", "of leased numbers; empty: published"),
        ),
        msgspec.structs.replace(
            _DEVICE_ID, note=("直通番号が鳴らす端末", "the device that a direct number rings"), example=""
        ),
        Column(
            key="to",
            ja="着信先",
            en="Goes to",
            also=("転送先", "destination", "route"),
            reads="target",
            example="全員",
            note=_TARGETS,
        ),
        Column(key="for_s", ja="呼出秒数", en="Ring seconds", reads="whole", bounds=(1, 600), example="30"),
        Column(
            key="closed_to",
            ja="時間外の着信先",
            en="After hours",
            also=("時間外",),
            reads="target",
            example="留守番電話",
            note=_TARGETS,
        ),
    ),
)
LINES = Kind(
    key="lines",
    ja="回線",
    en="Lines",
    also=("内線", "回線一覧", "内線一覧", "line", "extensions"),
    columns=(
        CLIENT,
        msgspec.structs.replace(_DEVICE_ID, required=True),
        Column(key="name", ja="氏名", en="Name", also=("名前", "使用者"), required=True, example="青木 一郎"),
        Column(
            key="device",
            ja="端末の種類",
            en="Device",
            also=("端末",),
            reads="choice",
            choices={"desk": ("机", "desk"), "app": ("アプリ", "app")},
            example="机",
            note=("机の電話機、またはスマートフォンのアプリ", "a desk phone or an app"),
        ),
        Column(
            key="line",
            ja="回線",
            en="Line",
            also=("回線名",),
            reads="name",
            example="aoki",
            note=("同じ名前の2行は、一人の2台の端末", "two rows of one name are one person's two devices"),
        ),
        Column(
            key="ring",
            ja="鳴らし方",
            en="Ring",
            reads="choice",
            choices={"all": ("同時", "all"), "desk_first": ("机を先に", "desk_first")},
            example="同時",
        ),
        Column(
            key="allow",
            ja="権限",
            en="Permissions",
            reads="choices",
            choices={
                "receive": ("着信", "receive"),
                "internal": ("内線", "internal"),
                "originate": ("発信", "originate"),
            },
            example="着信、内線、発信",
            note=("何もなければすべて", "empty: all"),
        ),
        Column(
            key="present",
            ja="発信時の通知番号",
            en="Shown number",
            also=("通知番号",),
            reads="number",
            example="03-1234-0000",
        ),
        Column(
            key="hours",
            ja="受付時間",
            en="Reachable",
            reads="choice",
            choices={"office": ("営業時間", "office hours"), "always": ("いつでも", "always")},
            example="いつでも",
        ),
        Column(key="no_answer_s", ja="無応答秒数", en="No answer after", reads="whole", bounds=(1, 600), example="20"),
        Column(
            key="no_answer_to",
            ja="無応答転送先",
            en="No answer to",
            reads="target",
            example="留守番電話",
            note=("留守番電話、回線・グループの名前、外の電話番号", "voicemail, a line or group, an outside number"),
        ),
        Column(
            key="group",
            ja="グループ",
            en="Group",
            also=("部署",),
            reads="names",
            example="sales",
            note=("a-z 0-9 - _。いくつかは読点で", "a-z 0-9 - _; several with commas"),
        ),
    ),
)
PHONE_BOOK = Kind(
    key="phone_book",
    ja="電話帳",
    en="Phone book",
    also=("電話帳一覧", "連絡先", "contacts", "phonebook", "phone-book"),
    columns=(
        CLIENT,
        Column(key="name", ja="氏名", en="Name", also=("名前", "お名前"), example="山田 太郎"),
        Column(key="reading", ja="フリガナ", en="Reading", also=("カナ", "ふりがな"), example="ヤマダ タロウ"),
        Column(key="company", ja="会社名", en="Company", also=("会社", "勤務先"), example="山田商店"),
        *(
            Column(
                key=f"number{n}",
                ja=f"電話番号{n}",
                en=f"Number {n}",
                also=("電話番号", "電話", "number", "tel") if n == 1 else (),
                reads="listed",
                required=n == 1,
                example="03-9876-5432" if n == 1 else "090-8765-4321" if n == 2 else "",
            )
            for n in range(1, 5)
        ),
        Column(key="note", ja="メモ", en="Note", also=("備考",), reads="note"),
    ),
)
OF_ONE_CLIENT = msgspec.structs.replace(PHONE_BOOK, columns=PHONE_BOOK.columns[1:])
"""A phone book by itself, of the client at whose page it is sent."""
KINDS: tuple[Kind, ...] = (CLIENTS, NUMBERS, LINES, PHONE_BOOK)
NOT_READ = frozenset({"説明", "notes", "readme", "使い方"})
"""Sheets that are for people."""
EXAMPLE = ("例:", "e.g.")
"""So begins the client's ID of a row that only shows how."""
_COUNT = re.compile(r"\s*[(（][0-9]+[)）]\s*$")
"""What is added to the second of two names that are alike."""
_NOISE = re.compile(r"[\s_*＊※・()\[\]【】:-]+|必須|required")


def folded(text: str) -> str:
    """A heading without what people write differently: width, case, blanks, brackets, a mark for `required`."""
    return _NOISE.sub("", unicodedata.normalize("NFKC", text).casefold())


def kind_of_name(name: str) -> Kind | None:
    """The kind that a sheet's or a file's name says, if it says one; `顧客 (2)` is one of 顧客, too."""
    said = folded(_COUNT.sub("", name))
    return next((kind for kind in KINDS if said in kind.names), None)


def kind_of_headings(headings: Sequence[str]) -> Kind | None:
    """The kind all of whose required columns are there; None if none or several are."""
    there = {folded(one) for one in headings}
    found = [kind for kind in KINDS if all(c.headings & there for c in kind.columns if c.required)]
    if len(found) > 1:  # `name` and `id` may stand in several: the one that knows more of the headings
        found.sort(key=lambda kind: -sum(bool(c.headings & there) for c in kind.columns))
        known = [sum(bool(c.headings & there) for c in kind.columns) for kind in found[:2]]
        found = found[:1] if known[0] > known[1] else found
    return found[0] if len(found) == 1 else None
