"""One's own log-in: another password.

Enters: the old password and a new one, of whoever is logged in. Leaves: a new session for this browser; all others of
this person end. Wrong old passwords are slowed like those of the log-in.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, make_response, redirect, render_template, request
from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import PasswordField
from wtforms.validators import DataRequired, EqualTo, Length

from proto.events import PersonChanged
from services.directory.people import ranks, second_factor, staff, tries
from services.runtime import clock
from services.runtime.store import Store
from services.runtime.web import current_person, end_session, signed_in, start_session


class OwnPassword(FlaskForm):  # type: ignore[misc]
    """The old password, and the new one twice."""

    old = PasswordField(
        lazy_gettext("今のパスワード"), [DataRequired(lazy_gettext("今のパスワードを入力してください。"))]
    )
    new = PasswordField(
        lazy_gettext("新しいパスワード"),
        [
            DataRequired(lazy_gettext("新しいパスワードを入力してください。")),
            Length(
                ranks.SHORTEST_PASSWORD,
                ranks.LONGEST_PASSWORD,
                lazy_gettext("新しいパスワードは12文字以上にしてください。"),
            ),
        ],
    )
    again = PasswordField(
        lazy_gettext("新しいパスワード(確認)"),
        [EqualTo("new", lazy_gettext("新しいパスワードが一致しません。"))],
    )


def add_account_pages(room: Blueprint, store: Store, tell: Callable[[], None]) -> None:
    """Routes under /account."""

    @room.get("/account")
    @signed_in
    def account() -> str:
        on = current_person().id in store.run(second_factor.in_effect)
        return render_template("account/overview.html", saved=request.args.get("saved", ""), second_factor=on)

    @room.get("/account/password")
    @signed_in
    def own_password() -> str:
        return _page(OwnPassword(formdata=None))

    @room.post("/account/password")
    @signed_in
    def set_own_password() -> Response:
        form, person = OwnPassword(), current_person()
        if not form.validate():
            return make_response(_page(form), 422)
        refused = wrong_password(store, form.old.data, lambda failure: _page(form, failure))
        if refused is not None:
            return refused
        if form.new.data == form.old.data:
            form.new.errors = [gettext("今のパスワードと違うものにしてください。")]
            return make_response(_page(form), 422)
        renewed = staff.set_own_password(store, person.id, form.new.data)
        tell()
        return again(renewed, "/account?saved=password")


def _page(form: OwnPassword, failure: str = "") -> str:
    return render_template("account/password.html", form=form, failure=failure)


def wrong_password(store: Store, typed: str, page: Callable[[str], str]) -> Response | None:
    """None if this is the visitor's password; else the page with what is wrong. Slowed like the log-in."""
    verdict = tries.log_in(store, current_person().id, typed, request.remote_addr or "", clock.now_us())
    if isinstance(verdict, tries.Wait):
        answer = make_response(page(slowed(verdict)), 429)
        answer.headers["Retry-After"] = str(verdict.seconds)
        return answer
    if isinstance(verdict, tries.Wrong):
        return make_response(page(gettext("今のパスワードが違います。")), 422)
    return None


def slowed(verdict: tries.Wait) -> str:
    """The sentence for whoever failed too often."""
    return str(gettext("続けて失敗したため、あと%(seconds)s秒は受け付けません。", seconds=verdict.seconds))


def again(person: PersonChanged, path: str) -> Response:
    """On to `path` in a session that holds after the change; if the pages do not hear of it in time, to the log-in."""
    if not start_session(person):
        end_session()
    return redirect(path, code=303)
