"""PURE. A call to one of the client's numbers, or to a name inside the house: rules, hours, phones, forwarding.

Enters: a scene and a draft. Leaves: the draft with its steps and the reason of each. Calls that phones make to the
outside belong to `outbound.py`, how plans end to `plan.py`.
"""

from __future__ import annotations

from proto.plan import Forward, Phone, Play, Reject, TakeMessage, Wait
from proto.tenant.lines import Group, Line
from proto.tenant.numbers import NumberEntry
from proto.tenant.routes import Action, Rule
from proto.values import digits_of
from services.routing.numbers import EMERGENCY, domestic, kind
from services.routing.plan import NOT_IN_USE, RING_S, in_turn, ring
from services.routing.scene import Draft, Scene

MAX_CHAIN = 5
"""無応答転送 from line to line at most so often; the config check refuses loops, this breaks what slipped through."""

_KINDS = {"representative": "代表番号", "direct": "直通番号", "leased": "貸出番号"}


def call_number(scene: Scene, draft: Draft, entry: NumberEntry) -> None:
    """The client's own number was called: a direct one rings its id, the others follow their route."""
    draft.note(f"{entry.number} は {scene.tenant.name} の{_KINDS[entry.kind]}")
    if entry.number in scene.suspended:
        draft.add("利用停止中の番号なので、使われていない番号として案内する", *NOT_IN_USE)
    elif scene.contract_ended:
        draft.add(f"契約は {scene.contract_ended} で終わったので、使われていない番号として案内する", *NOT_IN_USE)
    elif entry.kind == "direct" and entry.id:
        call_name(scene, draft, entry.id, None, last=True)
    elif entry.route:
        _follow_route(scene, draft, entry.route)
    else:
        draft.note("経路の指定がないので全回線を呼び出す")
        _ring_lines(scene, draft, "全回線", scene.tenant.lines, RING_S, in_order=False)


def call_name(scene: Scene, draft: Draft, name: str, for_s: int | None, last: bool) -> None:
    """Ring a line, a group or an id. `last`: nothing follows in the route, so the line's own 無応答転送 holds."""
    group, line = scene.group(name), scene.line(name)
    if group is not None:
        _ring_group(scene, draft, group, for_s or RING_S)
    elif line is not None:
        _ring_line(scene, draft, line, line.ids, for_s, last)
    elif scene.id(name) is not None:
        # R2: a direct number rings its one device, never the other id of the same line
        owner = scene.line_with(name) or Line(line=name.lower(), ids=(name,))
        _ring_line(scene, draft, owner, (name,), for_s, last)
    else:
        draft.note(f"「{name}」という回線・グループ・ID はない")


def is_name(scene: Scene, name: str) -> bool:
    """Whether something inside the house is called so."""
    return any(find(name) is not None for find in (scene.id, scene.line, scene.group))


def _follow_route(scene: Scene, draft: Draft, route: str) -> None:
    rules = scene.tenant.routes.get(route, ())
    for position, rule in enumerate(rules, 1):
        if _holds(scene, draft, route, position, rule):
            for index, action in enumerate(rule.do):
                if draft.ended:
                    draft.note(f"規則{position}の残り {len(rule.do) - index} 手順には進まない")
                    break
                _act(scene, draft, action, last=index == len(rule.do) - 1)
            return
    draft.note(f"経路「{route}」に当てはまる規則がない")
    draft.out_of_hours = bool(rules)


def _holds(scene: Scene, draft: Draft, route: str, position: int, rule: Rule) -> bool:
    where = f"経路「{route}」規則{position}"
    if rule.when is None or rule.when.hours is None:
        draft.note(f"{where}：条件なし、適用")
        return True
    opening = scene.opening(rule.when.hours)
    verdict = "時間内、適用" if opening.open else "時間外、次の規則へ"
    draft.note(f"{where}：営業時間「{rule.when.hours}」{opening.why} → {verdict}")
    return opening.open


def _act(scene: Scene, draft: Draft, action: Action, last: bool) -> None:
    if action.ring is not None:
        call_name(scene, draft, action.ring, action.for_s, last)
    elif action.forward is not None:
        forward(scene, draft, action.forward, action)
    elif action.voicemail is not None:
        draft.add(f"留守番電話「{action.voicemail}」で伝言を預かる", TakeMessage(action.voicemail))
    elif action.queue is not None:
        _queue(scene, draft, action.queue)
    elif action.play is not None:
        draft.add(f"案内「{action.play}」を流す", Play(action.play))
    elif action.reject == "busy":
        draft.add("話中として断る", Reject("USER_BUSY"))
    elif action.reject == "refused":
        draft.add("着信を断る", Reject("CALL_REJECTED"))
    else:
        draft.add("使われていない番号として案内する", *NOT_IN_USE)


def _queue(scene: Scene, draft: Draft, name: str) -> None:
    pool = scene.pool(name)
    if pool is None:
        draft.note(f"待ち行列「{name}」は未登録なので飛ばす")
        return
    draft.add(f"待ち行列「{name}」で保留音を流し、担当者が空くのを待つ", Wait(name, pool.music))


def _ring_group(scene: Scene, draft: Draft, group: Group, for_s: int) -> None:
    lines = tuple(line for name in group.lines if (line := scene.line(name)) is not None)
    _ring_lines(scene, draft, f"グループ「{group.group}」", lines, for_s, group.strategy == "in_order")


def _ring_lines(scene: Scene, draft: Draft, label: str, lines: tuple[Line, ...], for_s: int, in_order: bool) -> None:
    sets = [phones for line in lines if (phones := _phones(scene, draft, line, line.ids))]
    if not sets:
        draft.note(f"{label}に呼び出せる回線がない")
    elif in_order:
        draft.add(f"{label}の {len(sets)} 回線を順に {for_s} 秒ずつ呼び出す", *in_turn(sets, for_s))
    else:
        together = ring(tuple(phone for phones in sets for phone in phones), for_s)
        draft.add(f"{label}の {len(sets)} 回線を一斉に {for_s} 秒呼び出す", together)


def _ring_line(scene: Scene, draft: Draft, line: Line, ids: tuple[str, ...], for_s: int | None, last: bool) -> None:
    phones = _phones(scene, draft, line, ids)
    if phones:
        rings_s = for_s or (line.no_answer.after_s if line.no_answer else RING_S)
        draft.add(f"回線「{line.line}」（{'・'.join(ids)}）を {rings_s} 秒呼び出す", ring(phones, rings_s))
    if last and line.no_answer is not None:
        _no_answer(scene, draft, line, line.no_answer.to)


def _no_answer(scene: Scene, draft: Draft, line: Line, to: str) -> None:
    """無応答転送, bounded and never twice through the same line."""
    if line.line in draft.passed or len(draft.passed) >= MAX_CHAIN:
        draft.note(f"回線「{line.line}」の無応答転送は繰り返しになるので打ち切る")
        return
    draft.passed.append(line.line)
    draft.note(f"回線「{line.line}」が応答しなければ「{to}」へ")
    if to == "voicemail":
        draft.add(f"留守番電話「{line.line}」で伝言を預かる", TakeMessage(line.line))
    elif (next_line := scene.line(to)) is not None and next_line.line in draft.passed:
        draft.note(f"回線「{to}」はすでに呼び出したので打ち切る")
    elif is_name(scene, to):
        call_name(scene, draft, to, None, last=True)
    else:
        number = domestic(digits_of(to))
        if kind(number) in ("domestic", "international"):
            forward(scene, draft, number, Action(forward=number))
        else:
            draft.note(f"無応答転送先「{to}」という回線も番号もない")


def _phones(scene: Scene, draft: Draft, line: Line, ids: tuple[str, ...]) -> tuple[Phone, ...]:
    """The devices of a line that may ring now: permission, hours, and never the phone that is calling."""
    needed, label = ("internal", "内線") if scene.phone else ("receive", "着信")
    if needed not in line.allow:
        draft.note(f"回線「{line.line}」は{label}の許可がない")
        return ()
    if line.hours:
        opening = scene.opening(line.hours)
        if not opening.open:
            draft.note(f"回線「{line.line}」は受付時間外（{opening.why}）")
            draft.out_of_hours = True
            return ()
    return tuple(scene.device(i, _delay(scene, line, ids, i)) for i in ids if i != scene.phone)


def _delay(scene: Scene, line: Line, ids: tuple[str, ...], name: str) -> int:
    """desk_first: the app waits `app_after_s`, unless there is no desk phone to wait for."""
    devices = {i: found.device for i in ids if (found := scene.id(i)) is not None}
    if line.ring == "desk_first" and devices.get(name) == "app" and "desk" in devices.values():
        return line.app_after_s
    return 0


def forward(scene: Scene, draft: Draft, number: str, action: Action) -> None:
    """To an outside number, charged to the client; never to an emergency number, never back to where it came from."""
    if number in EMERGENCY:
        draft.note(f"緊急通報 {number} への転送はしない")
    elif scene.number(number) is not None or number in (scene.dialled, scene.diverted_from):
        draft.note(f"{number} への転送は自社または転送元へ戻る繰り返しになるので行わない")
    else:
        carrier = scene.carrier(action.carrier)
        if action.carrier not in (None, carrier.name):
            draft.note(f"事業者「{action.carrier}」は未登録なので「{carrier.name}」を使う")
        for_s, confirm = action.for_s or RING_S, action.confirm == "key"
        step = Forward(number, carrier, for_s, _present(scene, draft, action), confirm)
        draft.add(f"{number} へ「{carrier.name}」経由で {for_s} 秒転送{'（押下確認あり）' if confirm else ''}", step)


def _present(scene: Scene, draft: Draft, action: Action) -> str:
    """The number shown to the target: one of the client's own if the route says so, else the caller's."""
    if action.present is None:
        return ""
    if scene.number(action.present) is None:
        draft.note(f"表示番号 {action.present} は自社の番号ではないので使わない")
        return ""
    if action.present in scene.suspended:
        draft.note(f"表示番号 {action.present} は利用停止中なので使わない")
        return ""
    return action.present
