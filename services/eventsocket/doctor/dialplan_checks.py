"""Checks of the dialplan: emergency first, ours present and before others, nothing open to strangers. Pure.

Enters: facts, with contexts as the switch has loaded them. Leaves: findings. How a call walks through a context is
`dialplan_order.py`; what stands in single files is `file_checks.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.eventsocket.doctor.dialplan_order import Taking, has_ours, stands_before_ours, takers
from services.eventsocket.doctor.facts import Facts
from services.eventsocket.doctor.finding import Finding, check, error, listed, unseen, warning

EMERGENCY = ("110", "118", "119")
PHONES, TRUNKS, FALLBACK = "default", "public", "fallback"
SLOW = frozenset(
    {"sleep", "answer", "playback", "park", "bridge", "transfer", "hangup", "deflect", "respond", "redirect"}
)
"""Applications that keep, take or end a call."""
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
        (TRUNKS, "外線の着信", "calls from carriers"),
        (PHONES, "内線の発信", "calls from phones"),
        (FALLBACK, "応答がないときの案内", "the safety net"),
    ):
        context = facts.part(f"context:{name}")
        if context is None or not has_ours(context):
            yield error(
                (
                    f"コンテキスト {name} に当社の部分がありません({ja})",
                    f"Context {name} has nothing of ours: {en} go astray",
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
        walk = list(takers(context, number, facts.switch.variables))
        ours = next((place for place, one in enumerate(walk) if _is_emergency(one)), None)
        if ours is None:
            yield error(
                (f"{number} は緊急通報の回線に出ません", f"{number} does not reach the emergency line"), INSTALL
            )
            return
        thieves = [one.name or "(無名/unnamed)" for one in walk[:ours] if _can_keep(one)]
        if thieves:
            yield error(
                (
                    f"{number} より先に {listed(thieves)} が通話を取れます",
                    f"{listed(thieves)} may take {number} before the emergency line does",
                ),
                INSTALL,
            )
            return


def _is_emergency(one: Taking) -> bool:
    return one.ours and any(app == "multiset" and "tt_stage=emergency" in data for app, data in one.actions)


def _can_keep(one: Taking) -> bool:
    return any(app in SLOW for app, _ in one.actions)


@check("emergency-line", "緊急通報の回線と番号があります", "The emergency line and the number it shows are set")
def emergency_line(facts: Facts) -> Iterator[Finding]:
    """The gateway must exist and be up; the centre rings the shown number back."""
    context = facts.part(f"context:{PHONES}")
    if context is None or facts.switch.gateways is None:
        yield unseen(("緊急通報の回線を調べられません", "The emergency line cannot be looked at"))
        return
    known = {one.name: one for one in facts.switch.gateways}
    for name in _emergency_gateways(facts):
        if name not in known:
            yield error(
                (f"緊急通報のゲートウェイ「{name}」がありません", f"The emergency gateway {name!r} does not exist"),
                (
                    "vars.xml の tt_emergency_gateway に sip_profiles/external/ "
                    "のゲートウェイ名を書き、reloadxml をしてください。",
                    "Name a gateway of sip_profiles/external/ in tt_emergency_gateway of vars.xml and "
                    "run `fs_cli -x reloadxml`.",
                ),
            )
    number = facts.switch.variables.get("tt_main_number", "")
    if not re.fullmatch(r"0[0-9]{9}|\+81[0-9]{9}", number):
        yield error(
            (
                "緊急通報で通知する番号がありません(tt_main_number)",
                "No number is set that the emergency centre can ring back (tt_main_number)",
            ),
            (
                "vars.xml の tt_main_number に代表番号(0AB-J)を書き、reloadxml をしてください。",
                "Write your main number (0AB-J, like 0312345678) into tt_main_number of vars.xml and "
                "run `fs_cli -x reloadxml`.",
            ),
        )


def _emergency_gateways(facts: Facts) -> list[str]:
    """What the loaded dialplan bridges emergency calls to."""
    context, found = facts.part(f"context:{PHONES}"), []
    for one in () if context is None else takers(context, "110", facts.switch.variables):
        if _is_emergency(one):
            for app, data in one.actions:
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
                (
                    "`toritsugi freeswitch install` が当社の部分を先頭に置きます。"
                    "残すものは意図したものか確かめてください。",
                    "`toritsugi freeswitch install` puts ours first; keep only what you mean to keep.",
                ),
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
                "local_stream.conf.xml に moh を加え、`fs_cli -x 'reload mod_local_stream'` をしてください。",
                'Add <directory name="moh" path="…"> to local_stream.conf.xml and run `fs_cli -x '
                "'reload mod_local_stream'`.",
            ),
        )


CHECKS = (contexts, emergency, emergency_line, before_ours, strangers, music)
