"""PURE What the check of clients' files says, in Japanese: for rows of a spreadsheet, whose reader never saw the file.

Enters: a sentence of `check.py` or `settle.py`. Leaves: the same in Japanese; a sentence that is not known here stays
as it is, so that nothing is ever hidden.
"""

from __future__ import annotations

import re

_SENTENCES: tuple[tuple[str, str], ...] = (
    (r"a direct number names its id", "は直通番号なので、端末IDが必要です"),
    (r"a leased number never originates", "は貸出番号なので、発信には使えません"),
    (r"calls are never forwarded to an emergency service", "へは転送できません(緊急通報)"),
    (r"is empty", "は空の時間です"),
    (r"is kept for the platform", "は使えない名前です"),
    (r"is no day of the calendar", "は暦にない日です"),
    (r"is no number of this client", "はこの顧客の番号ではありません"),
    (r"is the client's own number: the call would come back", "はこの顧客自身の番号なので、電話が戻ってきます"),
    (r"is the name of a line, too", "は回線の名前と同じです"),
    (r"names no route", "の着信先がありません"),
    (r"only a direct number has an id", "は直通番号だけに入力します"),
    (r"stands twice", "は2回出てきます"),
    (r"a leased number has one mode", "は貸出番号の使い方ではありません"),
    (r"only a leased number has a mode", "は貸出番号だけに入力します"),
    (r"belongs to line (\S+) already", r"は回線 {1} の端末です"),
    (r"has no confirmed identity check.*", "は本人確認が済んでいないので、まだ始められません"),
    (r"is described in (\S+) already", r"は {1} に書かれています"),
    (r"belongs to (.+) already", r"はすでに {1} のものです"),
    (
        r"is of the area (.+), which the registered address (.+) is not in",
        "は {1} の番号ですが、登録の住所({2})はその地域にありません",
    ),
    (r"rests after another client until (.+)", "は前の顧客の後、{1} まで休止しています"),
    (r"is reserved for another client", "は別の顧客のために押さえられています"),
    (r"is in use by another client, and rests when that gives it up", "は別の顧客が使っています"),
    (r"ends before it begins.*", "は終わりが始まりより前です"),
    (r"goes round in a loop: (.+)", r"は転送が一周します: {1}"),
    (r"passes a call on more than (\d+) times", r"は転送が{1}回を超えます"),
    (r"is not a price table of platform.yaml", "という料金表はありません"),
    (r"is not an id of this file", "という端末IDはこの顧客にありません"),
    (r"is not hours of this file", "を使うには、顧客のシートに営業時間が必要です"),
    (r"is not a line of this file", "という回線はこの顧客にありません"),
    (r"is not voicemail, a line, a group or a number", "という転送先はありません"),
    (
        r"simultaneous calls, but the contract has (\d+) ids; never more channels than ids",
        r"回線分の同時通話には端末が足りません(端末 {1} 台)",
    ),
    (
        r"(\d+) representative numbers, but only (\d+) ids; never more numbers than ids",
        r"代表番号が{1}個ありますが、端末が{2}台しかありません",
    ),
    (
        r"(\d+) representative numbers; at most (\d+) without a declared purpose",
        r"代表番号が{1}個あります。{2}個を超えるときは番号の利用目的が必要です",
    ),
)


def in_japanese(sentence: str) -> str:
    """The sentence as it stands behind a value."""
    for pattern, japanese in _SENTENCES:
        if (found := re.fullmatch(pattern, sentence)) is not None:
            return japanese.format("", *found.groups())
    return sentence
