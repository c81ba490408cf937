"""Checks of the dialplan: emergency first, ours present and before others, nothing open to strangers. Pure.

Enters: facts, with contexts as the switch has loaded them. Leaves: findings. How a call walks through a context is
`dialplan_order.py`; what stands in single files is `file_checks.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from services.eventsocket.doctor.dialplan_order import Taking, has_ours, stands_before_ours, takers
from services.eventsocket.doctor.facts import Facts
from services.eventsocket.doctor.finding import Finding, check, error, listed, unseen, warning

EMERGENCY = ("110", "118", "119")
PHONES, TRUNKS, FALLBACK = "default", "public", "fallback"
EMERGENCY_NUMBER = r"0[1-9][0-9]{8}"
SLOW = frozenset(
    {"sleep", "answer", "playback", "park", "bridge", "transfer", "hangup", "deflect", "respond", "redirect"}
)
"""Applications that keep, take or end a call."""
BEHIND = (
    "当社の 10_toritsugi.xml より後に来る名前にするか、消してください。標準の見本なら `toritsugi "
    "freeswitch install` が外します。",
    "Remove them, or give their file a name that sorts behind 10_toritsugi.xml; the stock ones go "
    "with `toritsugi freeswitch install`.",
)
INSTALL = (
    "`toritsugi freeswitch install` を実行し、reloadxml をしてください。",
    "Run `toritsugi freeswitch install`, then `fs_cli -x reloadxml`.",
)


@check("contexts", "ダイヤルプランに当社の部分があります", "Our extensions stand in the dialplan")
def contexts(facts: Facts) -> Iterator[Finding]:
    """Without them calls never park, and no service hears of them."""
    if not any(facts.part(f"context:{name}") is not None for name in (PHONES, TRUNKS, FALLBACK)):
        yield unseen(("ダイヤルプランを調べられません", "The dialplan cannot be looked at"))
        return
    for name, ja, en in (
        (TRUNKS, "外線の着信", "calls from carriers go astray"),
        (PHONES, "内線の発信", "calls from phones go astray"),
        (FALLBACK, "応答がないときの案内", "callers that nobody answers for stay in silence"),
    ):
        context = facts.part(f"context:{name}")
        if context is None or not has_ours(context):
            yield error(
                (
                    f"コンテキスト {name} に当社の部分がありません({ja})",
                    f"Context {name} has nothing of ours: {en}",
                ),
                INSTALL,
            )


@check("emergency", "110・118・119は何よりも先に外へ出ます", "110, 118 and 119 go out before anything else")
def emergency(facts: Facts) -> Iterator[Finding]:
    """They are matched first in the phones' context and bridged without any service."""
    context = facts.part(f"context:{PHONES}")
    if context is None:
        yield unseen(("内線のコンテキストを調べられません", "The phones' context cannot be looked at"))
        return
    for number in EMERGENCY:
        walk = list(takers(context, number, _a_phone(facts)))
        ours = next((place for place, one in enumerate(walk) if _is_emergency(one)), len(walk))
        thieves = [one.name or "(無名/unnamed)" for one in walk[:ours] if _can_keep(one)]
        if thieves:
            yield error(
                (
                    f"{number} より先に {listed(thieves)} が通話を取れます",
                    f"{listed(thieves)} may take {number} before the emergency line does",
                ),
                BEHIND,
            )
            return
        if ours == len(walk):
            yield error(
                (f"{number} は緊急通報の回線に出ません", f"{number} does not reach the emergency line"), INSTALL
            )
            return


def _a_phone(facts: Facts) -> dict[str, str]:
    """Variables of a call from a phone whose directory entry names the line of its address."""
    return {**facts.switch.variables, "tt_emergency_number": "0312345678"}


def _is_emergency(one: Taking) -> bool:
    marked = any(app == "multiset" and "tt_stage=emergency" in data for app, data in one.actions)
    return one.ours and marked and any(app == "bridge" for app, _ in one.actions)


def _can_keep(one: Taking) -> bool:
    return any(app in SLOW for app, _ in one.actions)


@check("emergency-line", "緊急通報の回線があります", "The line for emergency calls exists")
def emergency_line(facts: Facts) -> Iterator[Finding]:
    """The gateway must exist; a number for phones that name none must be one that can be rung back."""
    context = facts.part(f"context:{PHONES}")
    if context is None or facts.switch.gateways is None:
        yield unseen(("緊急通報の回線を調べられません", "The emergency line cannot be looked at"))
        return
    known = {one.name for one in facts.switch.gateways}
    for name in _emergency_gateways(context, facts):
        if name not in known:
            yield error(
                (
                    f"緊急通報のゲートウェイ「{name}」がありません。110は外に出ません",
                    f"The emergency gateway {name!r} does not exist: 110 goes nowhere",
                ),
                (
                    "toritsugi/local.xml の tt_emergency_gateway に回線名を書き、reloadxml をしてください。",
                    "Name a gateway that takes such calls in tt_emergency_gateway of "
                    "toritsugi/local.xml and run `fs_cli -x reloadxml`.",
                ),
            )
    number = facts.switch.variables.get("tt_emergency_number", "")
    if number not in ("", "none") and not re.fullmatch(EMERGENCY_NUMBER, number):
        yield error(
            (
                "緊急通報で通知する番号が正しくありません(tt_emergency_number)",
                "The number shown to emergency centres is none that they can ring back (tt_emergency_number)",
            ),
            (
                "toritsugi/local.xml に、0で始まる10桁の番号(050は不可)を書いてください。",
                "Write the line of the phones' address into toritsugi/local.xml: 0 and nine digits, not 050.",
            ),
        )


def _emergency_gateways(context: Element, facts: Facts) -> list[str]:
    """What the dialplan bridges emergency calls to."""
    found: list[str] = []
    for one in takers(context, EMERGENCY[0], _a_phone(facts)):
        for app, data in one.actions if _is_emergency(one) else ():
            found += re.findall(r"sofia/gateway/([^/\s|,]*)/", data) if app == "bridge" else []
    return list(dict.fromkeys(found))


@check("before-ours", "当社の部分より先に通話を取るものはありません", "Nothing takes calls before our extensions")
def before_ours(facts: Facts) -> Iterator[Finding]:
    """The demonstration extensions of the stock files, above all."""
    for name, ja, en in ((PHONES, "内線", "phones"), (TRUNKS, "外線", "carriers")):
        context = facts.part(f"context:{name}")
        if context is None or not has_ours(context):
            continue
        foreign = stands_before_ours(context)
        if foreign:
            yield warning(
                (
                    f"{name}({ja})で {listed(foreign)} が先に立っています",
                    f"In context {name} {listed(foreign)} stand before ours and take calls of {en}",
                ),
                BEHIND,
            )


@check(
    "strangers",
    "外からの通話が内線の発信に移ることはありません",
    "No call from outside is passed on to the phones' dialplan",
)
def strangers(facts: Facts) -> Iterator[Finding]:
    """The stock `public_extensions` hands 1000 to 1019 to context default, whoever calls."""
    context = facts.part(f"context:{TRUNKS}")
    for extension in () if context is None else context.iter("extension"):
        name = extension.get("name", "")
        if name.startswith("toritsugi-"):
            return
        for action in extension.iter("action"):
            words = action.get("data", "").split()
            if action.get("application") == "transfer" and words[1:] and words[-1] == PHONES:
                yield error(
                    (
                        f"public の {name} が外からの通話を {PHONES} に移します",
                        f"{name} in context public hands calls from outside to context {PHONES}",
                    ),
                    (
                        "`toritsugi freeswitch install` を実行するか、その部分を消してください。",
                        "Run `toritsugi freeswitch install`, which puts ours before it, or remove that extension.",
                    ),
                )


@check("music", "保留音 moh があります", "The music `moh` is there")
def music(facts: Facts) -> Iterator[Finding]:
    """Waiting callers hear local_stream://moh."""
    if facts.switch.streams is None:
        yield unseen(("保留音を調べられません", "The music cannot be asked for"))
    elif not any(one == "moh" or one.startswith("moh/") for one in facts.switch.streams):
        yield error(
            (
                "local_stream「moh」がありません。待っている人は無音になります",
                "There is no local_stream called moh: waiting callers hear nothing",
            ),
            (
                "音楽(WAV、8 kHz、モノラル)のフォルダーを toritsugi/local.xml の tt_music_dir に書き、"
                "`fs_cli -x 'reload mod_local_stream'` をしてください。",
                "Name a folder of music (WAV, 8 kHz, mono) in tt_music_dir of toritsugi/local.xml, or "
                "install freeswitch-music-default, and run `fs_cli -x 'reload mod_local_stream'`.",
            ),
        )


CHECKS = (contexts, emergency, emergency_line, before_ours, strangers, music)
