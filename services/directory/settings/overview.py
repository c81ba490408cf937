"""All settings of a client on one page: what holds now, in plain words, each with the way to its form.

Enters: a client in force, routing's `explain`. Leaves: sections of rows. What a form shows and changes belongs to the
settings themselves; steps and plans in words to `directory/tenants/words.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from flask_babel import gettext, lazy_gettext

from proto.tenant import Tenant
from proto.tenant.lines import Line
from services.directory.settings.client import Client, Settings
from services.directory.settings.forwarding import line_called, rules_in_words, targets
from services.directory.settings.hours import hours_in_words
from services.directory.settings.hours_sets import HoursFollowers, NewHours, UnusedHours
from services.directory.settings.lines import ALLOWED, DEVICES
from services.directory.settings.number_ways import NumberWays
from services.directory.tenants.words import Lang, called
from services.runtime.telephone import written

KINDS = {
    "representative": lazy_gettext("代表番号"),
    "direct": lazy_gettext("直通番号"),
    "leased": lazy_gettext("貸出番号"),
}


class Row(NamedTuple):
    """One setting: what it is, what holds, and the address of its form behind the client's (empty: there is none)."""

    label: str
    words: tuple[str, ...]
    form: str = ""
    do: Any = lazy_gettext("変える")
    also: tuple[tuple[str, str], ...] = ()
    """Further forms about it: what to do there, and the address."""


class Section(NamedTuple):
    """Settings that belong together."""

    heading: str
    rows: tuple[Row, ...]
    said: str = ""


def sections(settings: Settings, client: Client, lang: Lang) -> list[Section]:
    """The whole page, in the order in which people ask."""
    tenant = client.tenant
    found = [
        Section(str(gettext("電話番号と転送")), tuple(_numbers(settings, client, lang))),
        Section(str(gettext("営業時間")), tuple(_hours(tenant, lang))),
        *(Section(line_called(tenant, line.line), tuple(_line(tenant, line, lang))) for line in tenant.lines),
    ]
    own = {one for line in tenant.lines for one in line.ids}
    loose = tuple(_device(tenant, one.id) for one in tenant.ids if one.id not in own)
    found.append(Section(str(gettext("どの回線にも入っていない端末")), loose))
    found.append(Section(str(gettext("会社全体")), tuple(_company(tenant))))
    return [section for section in found if section.rows]


def _numbers(settings: Settings, client: Client, lang: Lang) -> Iterator[Row]:
    """Numbers that go one way together, the rules of their way, and what a call would meet now."""
    tenant = client.tenant
    for _, group in groupby(tenant.numbers, key=lambda entry: (entry.kind, entry.route, entry.id)):
        entries = list(group)
        first = entries[0]
        numbers = str(gettext("、")).join(written(entry.number) for entry in entries)
        rules = tenant.routes.get(first.route, ())
        ((_, now),) = settings.next_calls(client, tenant, [first.number], lang)
        words = rules_in_words(rules, tenant, lang)
        if not any(line.endswith(now) for line in words[-1:]) or len(words) > 1:
            words.append(str(gettext("今かかってきた電話は：%(now)s", now=now)))
        form = f"forwarding/{first.route}" if any(targets(rules)) else ""
        way = ((str(gettext("電話の流れ")), f"way/{first.route}"),) if rules else ()
        yield Row(f"{numbers} {KINDS[first.kind]}", tuple(words), form, gettext("転送先を変える"), way)
    if len(tenant.routes) > 1 or len([one for one in tenant.numbers if one.kind != "direct"]) > 1:
        yield Row(str(NumberWays.title), (str(gettext("電話番号ごとに流れを選びます。")),), NumberWays.subject)


def _hours(tenant: Tenant, lang: Lang) -> Iterator[Row]:
    """Each set with its times; then one more, and who goes by which."""
    unused = UnusedHours()
    removable = set(unused.names(tenant))
    for name, hours in tenant.hours.items():
        also = ((str(gettext("削除する")), f"{unused.subject}/{name}"),) if name in removable else ()
        yield Row(name, hours_in_words(hours, lang), f"hours/{name}", also=also)
    if tenant.hours:
        words = (str(gettext("電話番号と回線が従う営業時間を選びます。")),)
        yield Row(str(HoursFollowers.title), words, HoursFollowers.subject)
    add = ((str(gettext("増やす")), NewHours.subject),)
    yield Row(str(NewHours.title), (str(gettext("昼休みや夜間など、別の時間帯に名前を付けます。")),), "", also=add)


def _line(tenant: Tenant, line: Line, lang: Lang) -> Iterator[Row]:
    allowed = str(gettext("、")).join(str(words) for one, words in ALLOWED.items() if one in line.allow)
    words = [allowed or str(gettext("何もできない"))]
    if line.hours:
        words.append(str(gettext("電話を受けるのは営業時間「%(hours)s」のあいだ", hours=line.hours)))
    if line.present:
        words.append(str(gettext("外へかけると %(number)s を表示", number=written(line.present))))
    yield Row(str(gettext("できること")), tuple(words), f"permissions/{line.line}")
    yield Row(str(gettext("応答がないとき")), (_unanswered(tenant, line, lang),), f"no-answer/{line.line}")
    kinds = {own.id: own.device for own in tenant.ids}
    if {kinds.get(one) for one in line.ids} >= {"desk", "app"}:
        rings = (
            gettext("机の電話機が先に鳴り、アプリは %(s)s 秒後に鳴る", s=line.app_after_s)
            if line.ring == "desk_first"
            else gettext("机の電話機とアプリが同時に鳴る")
        )
        yield Row(str(gettext("鳴らし方")), (str(rings),), f"ringing/{line.line}")
    yield from (_device(tenant, one) for one in line.ids)


def _unanswered(tenant: Tenant, line: Line, lang: Lang) -> str:
    held = line.no_answer
    if held is None:
        return str(gettext("転送しない"))
    if held.to == "voicemail":
        return str(gettext("%(s)s秒で留守番電話へ", s=held.after_s))
    inside = {one.line for one in tenant.lines} | {one.group for one in tenant.groups}
    to = called(held.to, tenant, lang) if held.to in inside else written(held.to)
    return str(gettext("%(s)s秒で %(to)s へ転送", s=held.after_s, to=to))


def _device(tenant: Tenant, name: str) -> Row:
    own = next(one for one in tenant.ids if one.id == name)
    return Row(str(gettext("端末 %(id)s", id=name)), (own.name, str(DEVICES[own.device])), f"devices/{name}")


def _company(tenant: Tenant) -> Iterator[Row]:
    greeting = tenant.answering.greeting or str(gettext("決まっていません"))
    yield Row(str(gettext("名乗り")), (greeting,), "greeting")
    addresses = tuple(webhook.url for webhook in tenant.webhooks) or (str(gettext("ありません")),)
    yield Row(str(gettext("通話の通知先")), addresses, "notices")
    recorded = gettext("すべての通話を録音する") if tenant.recording.calls == "all" else gettext("録音しない")
    yield Row(str(gettext("録音")), (str(recorded), str(gettext("契約にかかわるため、変更は運営者が行います。"))))
