"""PURE. How things are written for people: numbers, times, money, and the words for states, in Japanese and English.

Enters: values as stored. Leaves: text, never HTML. Forms follow JIS X 8341-3 practice: 2026年11月21日(土) 14:05,
1,234円(税込), national number format, 非通知 for a withheld number.
"""

from __future__ import annotations

import unicodedata
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from proto.values import to_datetime
from services.runtime.telephone import written

Lang = Literal["ja", "en"]
Pair = tuple[str, str]
JAPAN = "Asia/Tokyo"

PRESENTATIONS: dict[str, Pair] = {
    "withheld": ("非通知", "Withheld"),
    "payphone": ("公衆電話", "Payphone"),
    "unavailable": ("表示圏外", "Unavailable"),
    "shown": ("不明", "Unknown"),
    "erased": ("消去済み", "Erased"),
}
STATES: dict[str, Pair] = {
    "arrived": ("着信", "Arrived"),
    "ringing": ("呼出中", "Ringing"),
    "waiting": ("待機中", "Waiting"),
    "talking": ("通話中", "Talking"),
    "held": ("保留中", "On hold"),
    "ended": ("終了", "Ended"),
}
RESULTS: dict[str, Pair] = {
    "answered": ("応答", "Answered"),
    "message": ("伝言", "Message"),
    "missed": ("不在", "Missed"),
    "busy": ("話し中", "Busy"),
    "failed": ("つながらず", "Failed"),
    "not_in_use": ("使われていない番号", "Not in use"),
    "fallback": ("予備の案内", "Fallback"),
}
DIRECTIONS: dict[str, Pair] = {
    "inbound": ("着信", "Incoming"),
    "outbound": ("発信", "Outgoing"),
    "internal": ("内線", "Internal"),
    "emergency": ("緊急通報", "Emergency"),
}
RECORDINGS: dict[str, Pair] = {
    "": ("", ""),
    "running": ("録音中", "Recording"),
    "stored": ("録音あり", "Recorded"),
}
KINDS: dict[str, Pair] = {
    "inbound": ("発信者", "Caller"),
    "ring": ("電話機", "Phone"),
    "forward": ("転送先", "Forwarding"),
    "operator": ("受付者", "Operator"),
    "emergency": ("緊急通報", "Emergency"),
}
CAUSES: dict[str, Pair] = {
    "NORMAL_CLEARING": ("通常の終話", "normal end"),
    "ORIGINATOR_CANCEL": ("発信者が切断", "caller hung up before an answer"),
    "USER_BUSY": ("話し中", "busy"),
    "NO_ANSWER": ("応答なし", "no answer"),
    "NO_USER_RESPONSE": ("応答なし", "no answer"),
    "ALLOTTED_TIMEOUT": ("時間切れ", "time ran out"),
    "CALL_REJECTED": ("拒否", "rejected"),
    "UNALLOCATED_NUMBER": ("使われていない番号", "number not in use"),
    "INVALID_NUMBER_FORMAT": ("番号の誤り", "invalid number"),
    "USER_NOT_REGISTERED": ("電話機が未接続", "phone not connected"),
    "SUBSCRIBER_ABSENT": ("電話機が未接続", "phone not connected"),
    "LOSE_RACE": ("ほかの電話機が応答", "answered elsewhere"),
    "PICKED_OFF": ("ほかの電話機が応答", "answered elsewhere"),
    "NORMAL_TEMPORARY_FAILURE": ("一時的な障害", "temporary failure"),
    "RECOVERY_ON_TIMER_EXPIRE": ("相手の設備が無応答", "far side does not respond"),
    "DESTINATION_OUT_OF_ORDER": ("相手の設備の障害", "far side out of order"),
    "BLIND_TRANSFER": ("転送", "transferred"),
    "ATTENDED_TRANSFER": ("転送", "transferred"),
    "MANAGER_REQUEST": ("運用者が切断", "ended by the operator of the system"),
    "NORMAL_UNSPECIFIED": ("理由不明", "reason unknown"),
    "NUMBER_CHANGED": ("番号変更", "number changed"),
    "NO_ROUTE_DESTINATION": ("経路なし", "no route"),
    "NO_ROUTE_TRANSIT_NET": ("経路なし", "no route"),
    "GATEWAY_DOWN": ("回線が停止中", "trunk down"),
    "NETWORK_OUT_OF_ORDER": ("網の障害", "network out of order"),
    "NORMAL_CIRCUIT_CONGESTION": ("回線が混雑", "no line free"),
    "SWITCH_CONGESTION": ("混雑", "congestion"),
    "SERVICE_UNAVAILABLE": ("サービス停止中", "service unavailable"),
    "INCOMPATIBLE_DESTINATION": ("通信方式の不一致", "no common codec"),
    "OUTGOING_CALL_BARRED": ("発信規制", "outgoing calls barred"),
    "INCOMING_CALL_BARRED": ("着信規制", "incoming calls barred"),
    "MEDIA_TIMEOUT": ("音声が途絶", "audio stopped coming"),
    "PROGRESS_TIMEOUT": ("呼び出しに至らず", "did not begin to ring"),
    "SYSTEM_SHUTDOWN": ("交換機の停止", "switch was stopped"),
    "REQUESTED_CHAN_UNAVAIL": ("回線が使えない", "line not available"),
    "CHAN_NOT_IMPLEMENTED": ("設定の誤り", "set up wrongly"),
    "INVALID_GATEWAY": ("設定の誤り", "set up wrongly"),
    "INVALID_PROFILE": ("設定の誤り", "set up wrongly"),
    "BEARERCAPABILITY_NOTAVAIL": ("この種の通話は不可", "kind of call not available"),
    "BEARERCAPABILITY_NOTAUTH": ("この種の通話は不可", "kind of call not allowed"),
    "FACILITY_REJECTED": ("サービス拒否", "service rejected"),
    "SERVICE_NOT_IMPLEMENTED": ("サービスなし", "no such service"),
    "INTERWORKING": ("網間の障害", "trouble between networks"),
    "EXCHANGE_ROUTING_ERROR": ("経路の誤り", "routing error"),
}
_WEEKDAYS: Pair = ("月火水木金土日", "MonTueWedThuFriSatSun")
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def word(words: dict[str, Pair], key: str, lang: Lang) -> str:
    """The word for `key`; what has none is shown as it is."""
    pair = words.get(key)
    return shown(key) if pair is None else pair[lang == "en"]


def shown(text: str, limit: int = 60) -> str:
    """Foreign text made fit for one line: no control or direction characters, at most `limit` characters."""
    clean = "".join(
        c for c in text if unicodedata.category(c)[0] != "C" and unicodedata.category(c) not in ("Zl", "Zp")
    )
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def number(digits: str) -> str:
    """`0312345678` -> `03-1234-5678`. What is not a Japanese or international number stays as it is."""
    if len(digits) < 9 or not digits.lstrip("+").isdigit():
        return shown(digits, 40)
    return written(digits)


def party(digits: str, presentation: str, lang: Lang) -> str:
    """A caller: the number, or why there is none. A withheld number is not shown even if it should be known."""
    if presentation == "shown" and digits:
        return number(digits)
    return word(PRESENTATIONS, presentation, lang)


def date_time(epoch_us: int, timezone: str, lang: Lang) -> str:
    """`2026年11月21日(土) 14:05` or `Sat 21 Nov 2026 14:05`, in the client's zone."""
    when = _local(epoch_us, timezone)
    return f"{day(when.date(), lang)} {when:%H:%M}"


def day_of(epoch_us: int, timezone: str) -> date:
    """The day on the client's clock."""
    return _local(epoch_us, timezone).date()


def day(when: date, lang: Lang) -> str:
    """`2026年11月21日(土)` or `Sat 21 Nov 2026`."""
    if lang == "ja":
        return f"{when.year}年{when.month}月{when.day}日({_WEEKDAYS[0][when.weekday()]})"
    weekday, month = 3 * when.weekday(), 3 * (when.month - 1)
    return f"{_WEEKDAYS[1][weekday : weekday + 3]} {when.day} {_MONTHS[month : month + 3]} {when.year}"


def stamp(epoch_us: int, timezone: str) -> str:
    """`2026-11-21 14:05:03`: what spreadsheets and programs read as a time."""
    return f"{_local(epoch_us, timezone):%Y-%m-%d %H:%M:%S}"


def clock_time(epoch_us: int, timezone: str) -> str:
    """`14:05:03.250`."""
    when = _local(epoch_us, timezone)
    return f"{when:%H:%M:%S}.{when.microsecond // 1000:03d}"


def _local(epoch_us: int, timezone: str) -> datetime:
    return to_datetime(epoch_us).astimezone(zone_of(timezone))


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """The zone of that name; Japan's if there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo(JAPAN)


def span(length_us: int, lang: Lang) -> str:
    """`1時間02分03秒`, `2分05秒`, `7秒`; `1 h 02 min 03 s`."""
    seconds = timedelta(microseconds=max(0, length_us)) // timedelta(seconds=1)
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    units = ("時間", "分", "秒") if lang == "ja" else (" h", " min", " s")
    gap = "" if lang == "ja" else " "
    if hours:
        return f"{hours}{units[0]}{gap}{minutes:02d}{units[1]}{gap}{seconds:02d}{units[2]}"
    return f"{minutes}{units[1]}{gap}{seconds:02d}{units[2]}" if minutes else f"{seconds}{units[2]}"


def running(length_us: int) -> str:
    """`1:02:03` or `2:05`: a clock that the page lets run on."""
    seconds = max(0, length_us) // 1_000_000
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def money(incl: Decimal, excl: Decimal, charges: int, lang: Lang) -> str:
    """`1,234円(税込)`; both where a call has both; `0円` for a charge of nothing; empty where nothing is charged."""
    if not charges:
        return ""
    parts = [(incl, ("税込", "tax incl.")), (excl, ("税抜", "tax excl."))]
    texts = [_amount(amount, basis[lang == "en"], lang) for amount, basis in parts if amount]
    return " + ".join(texts) or ("0円" if lang == "ja" else "¥0")


def _amount(amount: Decimal, basis: str, lang: Lang) -> str:
    plain = f"{amount.normalize():,f}"
    return f"{plain}円({basis})" if lang == "ja" else f"¥{plain} ({basis})"
