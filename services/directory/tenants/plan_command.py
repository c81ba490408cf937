"""`toritsugi tenants plan`: what a folder would change, by keys and by what callers would meet.

Enters: a folder, what is in force, routing's `explain`, a day. Leaves: lines in Japanese or English, or JSON lines, and
the exit code: 0 the folder could take effect, 1 it has errors. It changes nothing. How effects are found: `effects.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Literal, TextIO

import msgspec

from proto.tenant import Tenant
from proto.values import PLATFORM_TENANT
from services.directory.tenants.documents import PLATFORM_FILE, Folder
from services.directory.tenants.effects import Effect, KeyChange, State, effects, key_changes
from services.directory.tenants.problems import errors, on_one_line
from services.directory.tenants.route_tests import Explain
from services.directory.tenants.settle import InForce, settle
from services.directory.tenants.words import Lang
from services.runtime.telephone import written

_KIND = {"new": ("新規", "new"), "gone": ("終了", "gone"), "changed": ("変更", "changed"), "": ("", "")}
_WEEK = ("月火水木金土日", ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))


class Change(msgspec.Struct, frozen=True):
    """What becomes of one client; `what` is empty where only the platform changes under it."""

    tenant: str
    file: str
    what: Literal["new", "gone", "changed", ""]
    keys: list[KeyChange]
    effects: list[Effect]


def changes(files: Folder, now: InForce, explain: Explain, today: date) -> Iterator[Change]:
    """The platform first, then each client that changes or whose callers would notice."""
    settled = settle(files, now)
    platform = settled.platform
    if platform is None:
        return
    if platform != now.platform:
        yield Change(PLATFORM_TENANT, PLATFORM_FILE, "changed", key_changes(now.platform, platform), [])
    for name in dict.fromkeys([*now.tenants, *settled.tenants]):
        old, new = now.tenants.get(name), settled.tenants.get(name)
        before, after = (held.body if held is not None else None for held in (old, new))
        if before == after and platform == now.platform:
            continue
        held = new or old
        assert held is not None
        found = effects(State(before, now.platform or platform), State(after, platform), explain, today)
        if before != after or found:
            yield Change(name, held.file, _what(before, after), key_changes(before, after) if new else [], found)


def _what(before: Tenant | None, after: Tenant | None) -> Literal["new", "gone", "changed", ""]:
    if before == after:
        return ""
    return "new" if before is None else "gone" if after is None else "changed"


def main(files: Folder, now: InForce, explain: Explain, out: TextIO, today: date, lang: Lang, as_json: bool) -> int:
    """Problems first, as `check` prints them; then what would take effect, which one bad file does not keep back."""
    wrong = errors(settle(files, now).problems)
    found = list(changes(files, now, explain, today))
    if as_json:
        for one in [*(problem.as_json() for problem in wrong), *found]:
            out.write(msgspec.json.encode(one).decode() + "\n")
    else:
        out.writelines(f"{problem}\n" for problem in wrong)
        for change in found:
            out.writelines(f"{line}\n" for line in lines(change, lang))
        if not found:
            out.write("変わるものはありません。\n" if lang == "ja" else "Nothing would change.\n")
    return 1 if wrong else 0


def lines(change: Change, lang: Lang) -> Iterator[str]:
    """For a person: the client, its keys, its calls."""
    kind = _KIND[change.what][lang == "en"]
    yield on_one_line(f"{change.tenant} ({change.file}){': ' if kind else ''}{kind}")
    for one in change.keys:
        none = "なし" if lang == "ja" else "not there"
        yield on_one_line(f"  {one.key}: {one.before or none} → {one.after or none}")
    for effect in change.effects:
        yield on_one_line(f"  {sentence(effect, lang)}")


def sentence(effect: Effect, lang: Lang) -> str:
    """`03-1234-5678, Mon–Fri 18:00–20:00 (from 2026-11-24): calls ring …; until now they hear …`."""
    number, when = written(effect.number), days(effect, lang)
    if lang == "ja":
        return f"{number} {when}の着信：{effect.after.ja}（これまで：{effect.before.ja}）"
    return f"{number}, {when}: calls {_they(effect.after.en)}; until now they {_they(effect.before.en)}"


def _they(words: str) -> str:
    return " → ".join(
        f"are {word.removeprefix('be ')}" if word.startswith("be ") else word for word in words.split(" → ")
    )


def days(effect: Effect, lang: Lang) -> str:
    """The days and the time of day."""
    time = f"{_clock(effect.begins_min)}–{_clock(effect.ends_min)}"
    if (effect.begins_min, effect.ends_min) == (0, 24 * 60):
        time = "終日" if lang == "ja" else "all day"
    if effect.only:
        return f"{', '.join(_spans(effect.days))} {time}"
    first = min(effect.days)
    named = weekdays(sorted(day.weekday() for day in effect.days), lang)
    return f"{named} {time}（{first}から）" if lang == "ja" else f"{named} {time} (from {first})"


def _clock(minute: int) -> str:
    return f"{minute // 60}:{minute % 60:02}"


def weekdays(found: Sequence[int], lang: Lang) -> str:
    """`月〜金・日`: days of the week (0: Monday), those that follow each other as one."""
    names = _WEEK[lang == "en"]
    if len(found) == 7:
        return "毎日" if lang == "ja" else "every day"
    runs: list[list[int]] = []
    for day in found:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    joint, to = ("・", "〜") if lang == "ja" else (", ", "–")
    return joint.join(names[r[0]] if len(r) == 1 else f"{names[r[0]]}{to}{names[r[-1]]}" for r in runs)


def _spans(found: Sequence[date]) -> list[str]:
    runs: list[list[date]] = []
    for day in found:
        if runs and runs[-1][-1] == day - timedelta(1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]
