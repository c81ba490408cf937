"""Pages of the second step of a log-in: turned on with a square code for the phone, recovery codes, turned off.

Enters: one's password (asked for each change) and codes. Leaves: pages; a secret and recovery codes are shown once. The
square code is drawn here as SVG by attributes: nobody else is asked for it.
"""

from __future__ import annotations

from collections.abc import Callable

import segno
from flask import Blueprint, abort, make_response, redirect, render_template, request, session
from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from markupsafe import Markup
from werkzeug.wrappers import Response
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired

from proto.events import PersonChanged
from services.directory.people import rows as people
from services.directory.people import second_factor, staff
from services.directory.people.rows import TRIES
from services.directory.people.tries import Wait
from services.directory.people.web_account import again, slowed, wrong_password
from services.directory.people.web_people import acting
from services.runtime import clock
from services.runtime.store import Store
from services.runtime.web import current_person, public, roles, signed_in, start_session

ASKED = "asked_for_code"
ASKED_FOR_S = 300
"""So long after the right password a code is waited for."""


class Password(FlaskForm):  # type: ignore[misc]
    """One's own password, once more."""

    old = PasswordField(
        lazy_gettext("今のパスワード"), [DataRequired(lazy_gettext("今のパスワードを入力してください。"))]
    )


class Code(FlaskForm):  # type: ignore[misc]
    """A code from the phone, or a recovery code."""

    code = StringField(lazy_gettext("認証コード"), [DataRequired(lazy_gettext("認証コードを入力してください。"))])


def ask_for_code(person: PersonChanged, then: str) -> Response:
    """The password was right: on to the second step."""
    session.clear()
    session[ASKED] = [person.person, person.session_version, clock.now_us() // 1_000_000, then]
    return redirect("/login/code", code=303)


def add_second_factor_pages(room: Blueprint, store: Store, tell: Callable[[], None]) -> None:
    """Routes under /login/code, /account/second-factor and /people/…/second-factor."""
    _add_log_in(room, store)
    _add_own(room, store, tell)

    @room.post("/people/<person>/second-factor")
    @roles("platform_operator")
    def people_second_factor(person: str) -> Response:
        actor = acting()
        if person == actor.id:  # one's own goes with one's own password
            return redirect("/account/second-factor", code=303)
        if store.run(lambda tx: staff.one(tx, actor, person)) is None:
            abort(404)
        store.run(lambda tx: second_factor.take_off(tx, actor.id, person, clock.now_us()), TRIES)
        tell()
        return redirect(f"/people/{person}?saved=1", code=303)


def _add_log_in(room: Blueprint, store: Store) -> None:
    @room.get("/login/code")
    @public
    def login_code() -> Response:
        if _asked(store) is None:
            return redirect("/login", code=303)
        return make_response(render_template("people/code.html", form=Code(formdata=None), failure=""))

    @room.post("/login/code")
    @public
    def try_code() -> Response:
        asked, form = _asked(store), Code()
        if asked is None:
            return redirect("/login", code=303)
        if not form.validate():
            return make_response(render_template("people/code.html", form=form, failure=""), 422)
        person, then = asked
        verdict = second_factor.log_in(store, person.person, form.code.data, request.remote_addr or "", clock.now_us())
        if verdict is True:  # if the pages have not heard of the person's last change: once more from the beginning
            return redirect(then if start_session(person) else "/login", code=303)
        if isinstance(verdict, Wait):
            answer = make_response(render_template("people/code.html", form=form, failure=slowed(verdict)), 429)
            answer.headers["Retry-After"] = str(verdict.seconds)
            return answer
        failure = gettext("認証コードが違うか、すでに使われています。")
        return make_response(render_template("people/code.html", form=form, failure=failure), 422)


def _asked(store: Store) -> tuple[PersonChanged, str] | None:
    """Whose code is waited for, and where they wanted to go."""
    name, version, since_s, then = session.get(ASKED) or ("", 0, 0, "/")
    person = store.run(lambda tx: people.find(tx, name)) if name else None
    late = clock.now_us() // 1_000_000 - since_s > ASKED_FOR_S
    if person is None or late or not person.active or person.session_version != version:
        return None
    return person, then


def _add_own(room: Blueprint, store: Store, tell: Callable[[], None]) -> None:
    @room.get("/account/second-factor")
    @signed_in
    def own_second_factor() -> str:
        return _page(Password(formdata=None))

    @room.post("/account/second-factor/begin")
    @signed_in
    def begin_second_factor() -> Response:
        person, form = current_person(), Password()
        refused = _refused(form)
        if refused is not None or person.id in store.run(second_factor.in_effect):
            return refused or redirect("/account/second-factor", code=303)
        secret = store.run(lambda tx: second_factor.begin(tx, person.id), TRIES)
        return make_response(_show_secret(person.id, secret, Code(formdata=None)))

    @room.post("/account/second-factor/confirm")
    @signed_in
    def confirm_second_factor() -> Response:
        person, form, now_us = current_person(), Code(), clock.now_us()
        secret = store.run(lambda tx: second_factor.begun(tx, person.id))
        if secret is None:
            return redirect("/account/second-factor", code=303)
        typed = form.code.data or ""
        codes = store.run(lambda tx: second_factor.confirm(tx, person.id, typed, now_us), TRIES)
        if codes is None:
            failure = gettext("認証コードが違います。スマートフォンの時刻が正しいか確認してください。")
            return make_response(_show_secret(person.id, secret, form, failure), 422)
        tell()
        _go_on(person.id)
        return make_response(render_template("account/codes.html", codes=codes))

    @room.post("/account/second-factor/codes")
    @signed_in
    def renew_codes() -> Response:
        person, refused = current_person(), _refused(Password())
        if refused is not None or person.id not in store.run(second_factor.in_effect):
            return refused or redirect("/account/second-factor", code=303)
        codes = store.run(lambda tx: second_factor.renew_codes(tx, person.id, clock.now_us()), TRIES)
        return make_response(render_template("account/codes.html", codes=codes))

    @room.post("/account/second-factor/off")
    @signed_in
    def second_factor_off() -> Response:
        person, refused = current_person(), _refused(Password())
        if refused is not None:
            return refused
        store.run(lambda tx: second_factor.take_off(tx, person.id, person.id, clock.now_us()), TRIES)
        tell()
        known = store.run(lambda tx: people.find(tx, person.id))
        assert known is not None
        return again(known, "/account?saved=second-factor-off")

    def _go_on(person: str) -> None:
        """This browser stays logged in, all others do not."""
        known = store.run(lambda tx: people.find(tx, person))
        if known is not None:
            start_session(known)

    def _refused(form: Password) -> Response | None:
        """None: the password was right."""
        if not form.validate():
            return make_response(_page(form), 422)
        return wrong_password(store, form.old.data, lambda failure: _page(form, failure))

    def _page(form: Password, failure: str = "") -> str:
        person = current_person().id
        on, left = store.run(lambda tx: (person in second_factor.in_effect(tx), second_factor.codes_left(tx, person)))
        return render_template("account/second_factor.html", form=form, failure=failure, on=on, left=left)


def _show_secret(person: str, secret: str, form: Code, failure: str = "") -> str:
    square = segno.make(second_factor.address(person, secret), error="m", micro=False)
    drawn = Markup(square.svg_inline(scale=5, border=4, dark="#000", light="#fff"))
    groups = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    return render_template("account/phone.html", form=form, failure=failure, square=drawn, secret=groups)
