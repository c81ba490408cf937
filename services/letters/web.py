"""Pages of the dead letters (/letters): what lies aside, one letter, mended, given back, thrown away.

Enters: requests of platform operators. Leaves: lines with numbers masked; what stands in a letter only on its own page,
and whoever opens that is in the audit log before. What is done with a letter is `desk.py`, as for the terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlencode

from flask import Blueprint, abort, make_response, redirect, render_template, request
from flask_babel import format_datetime, gettext, lazy_gettext
from flask_wtf import FlaskForm
from gevent.lock import BoundedSemaphore
from werkzeug.wrappers import Response
from wtforms import BooleanField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from proto.topics import HEARS
from proto.values import to_datetime
from services.letters import view
from services.letters.desk import Desk, NoLetter
from services.runtime.bus import DeadLetter
from services.runtime.web import current_person, roles
from services.runtime.web.forms import plain

SHOWN = 100
FARTHEST = 10_000
"""Letters behind this one are seen when those before are settled."""
LONGEST_BODY = 100_000
"""Bytes of a message that a page shows whole, and lets mend."""
UNFIT = {
    "command": lazy_gettext("交換機への指示は、その時に一度だけ実行するものなので、再処理できません。"),
    "foreign": lazy_gettext("この待ち行列のメッセージは再処理できません。"),
    "unheard": lazy_gettext("この待ち行列のサービスは、この種類のメッセージを扱いません。"),
    "client": lazy_gettext("会社（tenant）は変えられません。"),
    "id": lazy_gettext("メッセージのID（id）は変えられません。"),
}
DEEDS = {
    "look": lazy_gettext("閲覧"),
    "mend": lazy_gettext("修正"),
    "replay": lazy_gettext("再処理"),
    "discard": lazy_gettext("破棄"),
    "done": lazy_gettext("完了"),
    "waits": lazy_gettext("まもなく再処理"),
    "not done": lazy_gettext("再処理できず"),
}
_operators = roles("platform_operator")


class Mend(FlaskForm):  # type: ignore[misc]
    """The whole message."""

    body = TextAreaField(
        lazy_gettext("メッセージ（JSON）"), [DataRequired(lazy_gettext("メッセージを入力してください。"))]
    )


class Discard(FlaskForm):  # type: ignore[misc]
    """Why, and that it is meant."""

    reason = StringField(
        lazy_gettext("破棄する理由"),
        [
            DataRequired(lazy_gettext("理由を入力してください。")),
            Length(max=view.LONGEST_WHY, message=lazy_gettext("120文字以内で入力してください。")),
        ],
        filters=[plain],
    )
    sure = BooleanField(
        lazy_gettext("元に戻せないことを確認しました"),
        [DataRequired(lazy_gettext("確認の印を付けてください。"))],
    )


@dataclass(frozen=True)
class _Row:
    """A letter in the list."""

    line: view.Line
    at: str


class Letters:
    """The desk as pages need it: one at a time, since nobody sees a letter that somebody else is reading."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._alone = desk, BoundedSemaphore(1)

    def lying(self, queue: str, first: int) -> list[_Row]:
        """One more than a page shows, from the letter `first` on."""
        with self._alone, closing(self._desk.lying(queue or None)) as found:  # type: ignore[type-var]
            return [_Row(view.line(*one), _at(one[0].at_us)) for one in islice(found, first, first + SHOWN + 1)]

    def found(self, wanted: str) -> DeadLetter:
        """The letter, or 404."""
        try:
            with self._alone:
                return self._desk.found(wanted)
        except NoLetter:
            abort(404)

    def replayed(self, wanted: Callable[[DeadLetter], bool]) -> tuple[list[str], list[view.Unfit]]:
        """What became of those that could go back, and why the others could not."""
        refused: list[view.Unfit] = []
        with self._alone:
            settled = self._desk.replay(current_person().id, wanted, lambda _letter, why: refused.append(why))
            return [word for _, word in settled], refused

    def discarded(self, wanted: str, reason: str) -> int:
        """How many there were."""
        with self._alone:
            return len(list(self._desk.discard(current_person().id, lambda one: one.id == wanted, reason)))


def blueprint(desk: Desk) -> Blueprint:
    """Routes under /letters."""
    room = Blueprint("letters", __name__, template_folder="templates")
    letters = Letters(desk)
    _add_list(room, desk, letters)

    @room.get("/letters/<letter>")
    @_operators
    def one_letter(letter: str) -> str:
        return _page(desk, letters.found(letter))

    @room.post("/letters/<letter>/mend")
    @_operators
    def mend(letter: str) -> Response:
        found, form = letters.found(letter), Mend()
        if not form.validate():
            return make_response(_page(desk, found, mend=form), 422)
        try:
            desk.mend(current_person().id, found, form.body.data.encode())
        except view.Unfit as unfit:
            form.body.errors = [_why(unfit)]
            return make_response(_page(desk, found, mend=form), 422)
        return redirect(f"/letters/{found.id}?done=mended", code=303)

    @room.post("/letters/<letter>/replay")
    @_operators
    def replay(letter: str) -> Response:
        words, refused = letters.replayed(lambda one: one.id == letter)
        if not words and not refused:
            abort(404)
        failure = _why(refused[0]) if refused else ""
        if "no queue" in words:
            failure = gettext("この待ち行列はもうありません。メッセージはそのまま残っています。")
        if failure:
            return make_response(_page(desk, letters.found(letter), failure=failure), 409)
        return redirect(f"/letters?done={'waits' if 'waits' in words else 'replayed'}", code=303)

    @room.post("/letters/<letter>/discard")
    @_operators
    def discard(letter: str) -> Response:
        form = Discard()
        if not form.validate():
            return make_response(_page(desk, letters.found(letter), discard=form), 422)
        if not letters.discarded(letter, form.reason.data):
            abort(404)
        return redirect("/letters?done=discarded", code=303)

    return room


def _add_list(room: Blueprint, desk: Desk, letters: Letters) -> None:
    @room.get("/letters")
    @_operators
    def letters_list() -> str:
        queue, first = request.args.get("queue", "")[:200], _number(request.args.get("from", ""))
        rows = letters.lying(queue, first)
        more = f"/letters?{urlencode({'queue': queue, 'from': first + SHOWN})}" if len(rows) > SHOWN else ""
        return render_template(
            "letters/list.html",
            rows=rows[:SHOWN],
            first=first,
            more=more,
            queue=queue,
            queues=sorted(HEARS),
            done=request.args.get("done", ""),
            count=_number(request.args.get("count", "")),
            left=_number(request.args.get("left", "")),
        )

    @room.post("/letters/replay")
    @_operators
    def replay_all() -> Response:
        queue = request.form.get("queue", "")
        if queue not in HEARS:
            abort(400)
        words, refused = letters.replayed(lambda one: one.queue.rpartition(".")[0] == queue)
        left = len(refused) + words.count("no queue")
        told = {"queue": queue, "done": "all", "count": len(words) - words.count("no queue"), "left": left}
        return redirect(f"/letters?{urlencode(told)}", code=303)


def _page(
    desk: Desk, letter: DeadLetter, mend: Mend | None = None, discard: Discard | None = None, failure: str = ""
) -> str:
    """What stands in a letter: whoever is shown it has looked at it."""
    desk.look(current_person().id, letter)
    mended = desk.mended(letter)
    whole = max(len(letter.body), len(mended or b"")) <= LONGEST_BODY
    return render_template(
        "letters/letter.html",
        line=view.line(letter, mended is not None),
        at=_at(letter.at_us),
        body=view.text(letter.body[:LONGEST_BODY]),
        mended=None if mended is None else view.text(mended[:LONGEST_BODY]),
        whole=whole,
        mend=mend or Mend(formdata=None, body=view.text(mended or letter.body) if whole else ""),
        discard=discard or Discard(formdata=None),
        failure=failure,
        deeds=[(_at(deed.at_us), deed, DEEDS[deed.what]) for deed in desk.deeds(letter.id)],
        done=request.args.get("done", "") if request.method == "GET" else "",
    )


def _why(unfit: view.Unfit) -> str:
    if unfit.kind == "broken":
        why = view.harmless(unfit.why.removeprefix(view.BROKEN))
        return str(gettext("このままではまた処理できません：%(why)s", why=why))
    return str(UNFIT[unfit.kind])


def _number(text: str) -> int:
    return min(int(text), FARTHEST) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _at(at_us: int | None) -> str:
    return "" if at_us is None else str(format_datetime(to_datetime(at_us), "yyyy-MM-dd HH:mm:ss"))
