"""What is wrong with a change, in the words of the company's people and beside the field that says it.

Enters: problems of `check.py`, tests of the file that no longer come out, a page's changes. Leaves: sentences by field
(empty: none of them) in the visitor's language. A problem that has no words here is told as the operator sees it.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask_babel import gettext, lazy_gettext

from proto.tenant import Tenant
from services.directory.settings.client import Tried
from services.directory.settings.frame import Change, Setting
from services.directory.tenants.problems import Problem
from services.directory.tenants.route_tests import Failed
from services.directory.tenants.words import Lang, action_in_words, in_words
from services.runtime.telephone import written

WORDS = {
    "is the client's own number: the call would come back": lazy_gettext(
        "この会社自身の番号へは転送できません。電話が戻ってきてしまいます。"
    ),
    "calls are never forwarded to an emergency service": lazy_gettext("110・118・119 へは転送できません。"),
    "goes round in a loop": lazy_gettext("転送が一回りして元の回線に戻ってしまいます。"),
    "passes a call on more than": lazy_gettext(
        "転送が続きすぎます。途中の回線で留守番電話などに終わるようにしてください。"
    ),
    "is empty": lazy_gettext("始まりと終わりが同じ時刻です。一日中なら 0:00-24:00 と入力してください。"),
    "is no day of the calendar": lazy_gettext("暦にない日です。"),
    "ends before it begins": lazy_gettext("終わりの日が始まりの日より前になっています。"),
    "a leased number never originates": lazy_gettext("貸出番号からは電話をかけられません。"),
    "ends the call's way": lazy_gettext("電話の流れはこの手順で終わるので、その下の手順には進みません。"),
    "always holds": lazy_gettext("「そのほかの時間」は一番下に置いてください。これより下の時間帯には進みません。"),
    "is never reached": lazy_gettext("同じ営業時間の時間帯が上にあるので、この時間帯には進みません。"),
    "sends a call round in a circle": lazy_gettext("転送先からまたこの会社へ転送され、電話が一回りしてしまいます。"),
}
"""How a problem of the file begins -> what people read."""


def by_field(tried: Tried, setting: Setting, changes: Sequence[Change], lang: Lang) -> dict[str, list[str]]:
    """Why the text must not be saved; under an empty name what no field says."""
    found: dict[str, list[str]] = {}
    for problem in tried.problems:
        said = found.setdefault(setting.field_of(problem.path, changes), [])
        if (sentence := _sentence(problem)) not in said:
            said.append(sentence)
    beside = {sentence for field, sentences in found.items() if field for sentence in sentences}
    found[""] = [sentence for sentence in found.get("", []) if sentence not in beside]
    if tried.tenant is not None:
        for failed in tried.failed:
            found[""].append(expected(failed, tried.tenant, lang))
    return found


def _sentence(problem: Problem) -> str:
    known = next((words for begins, words in WORDS.items() if problem.text.startswith(begins)), None)
    return (
        str(known) if known is not None else str(gettext("この内容では設定できません：%(reason)s", reason=str(problem)))
    )


def expected(failed: Failed, tenant: Tenant, lang: Lang) -> str:
    """A test of the file, as somebody who never saw the file understands it."""
    return str(
        gettext(
            "運営者が決めた確認に合いません：%(at)s に %(number)s へかけた電話は「%(expected)s」のはずですが、"
            "この変更では「%(found)s」になります。必要な変更でしたら運営者にお知らせください。",
            at=failed.test.at,
            number=written(failed.test.call),
            expected=action_in_words(failed.test.expect, tenant, lang),
            found=in_words(failed.plan, tenant, lang),
        )
    )
