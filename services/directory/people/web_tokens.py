"""Pages of one's tokens for programs: which there are, a new one (shown once), an end to one.

Enters: a name, what the token is good for, for how long, one's password. Leaves: pages, and changes by `staff.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, abort, make_response, redirect, render_template
from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import PasswordField, SelectField, StringField
from wtforms.validators import DataRequired, Length

from services.directory.days import day_of
from services.directory.people import staff, tokens
from services.directory.people.web_account import wrong_password
from services.runtime.store import Store
from services.runtime.web import current_person, signed_in
from services.runtime.web.forms import Boxes, plain

SCOPES: dict[str, Any] = {
    "calls:read": lazy_gettext("通話を読む"),
    "audit:read": lazy_gettext("操作の記録を読む"),
    "clients:read": lazy_gettext("会社とその設定を読む"),
    "settings:write": lazy_gettext("会社の設定を変える"),
    "numbers:read": lazy_gettext("電話番号の在庫を読む"),
    "numbers:write": lazy_gettext("電話番号の予約・停止・再開"),
    "phone_book:read": lazy_gettext("電話帳を読む"),
    "phone_book:write": lazy_gettext("電話帳を変える"),
    "phones:read": lazy_gettext("電話機を見る"),
    "phones:write": lazy_gettext("電話機のパスワードを無効にする"),
    "health:read": lazy_gettext("システムの状態を読む"),
}


class NewToken(FlaskForm):  # type: ignore[misc]
    """Name, scopes, days, and one's password."""

    name = StringField(
        lazy_gettext("使うプログラムの名前"),
        [
            DataRequired(lazy_gettext("名前を入力してください。")),
            Length(max=tokens.LONGEST_NAME, message=lazy_gettext("名前は80文字以内で入力してください。")),
        ],
        filters=[plain],
    )
    scopes = Boxes(lazy_gettext("できること"), [DataRequired(lazy_gettext("できることを選んでください。"))])
    days = SelectField(lazy_gettext("有効な日数"), choices=[str(days) for days in tokens.DAYS])
    old = PasswordField(
        lazy_gettext("今のパスワード"), [DataRequired(lazy_gettext("今のパスワードを入力してください。"))]
    )

    def offer(self) -> None:
        """What a token may be good for."""
        self.scopes.choices = list(SCOPES.items())


def add_token_pages(room: Blueprint, store: Store, tell: Callable[[], None]) -> None:
    """Routes under /account/tokens."""

    @room.get("/account/tokens")
    @signed_in
    def own_tokens() -> str:
        form = NewToken(formdata=None)
        form.offer()
        return _page(form)

    @room.post("/account/tokens")
    @signed_in
    def make_token() -> Response:
        form = NewToken()
        form.offer()
        if not form.validate():
            return make_response(_page(form), 422)
        refused = wrong_password(store, form.old.data, lambda failure: _page(form, failure))
        if refused is not None:
            return refused
        scopes, days = tuple(form.scopes.data), int(form.days.data)
        try:
            token = staff.make_token(store, current_person().id, form.name.data, scopes, days)
        except ValueError:
            return make_response(_page(form, gettext("鍵を発行できません。鍵は1人20個までです。")), 422)
        tell()
        return make_response(render_template("account/token.html", token=token))

    @room.post("/account/tokens/<token>/end")
    @signed_in
    def end_token(token: str) -> Response:
        if not staff.end_token(store, current_person().id, token):
            abort(404)
        tell()
        return redirect("/account/tokens", code=303)

    def _page(form: NewToken, failure: str = "") -> str:
        person = current_person().id
        held = store.run(lambda tx: tokens.kept(tx, person))
        return render_template(
            "account/tokens.html", form=form, failure=failure, held=held, scopes=SCOPES, day_of=day_of
        )
