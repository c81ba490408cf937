"""The one log-in of all pages (/login, /logout); the pages of people and of one's own account from `web_*.py`.

Enters: a form with name and password. Leaves: a session cookie, or the form again with what is wrong. Who may do what
afterwards is checked by `runtime/web` against the projection of PersonChanged.
"""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request
from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired

from services.directory.people import rows as people
from services.directory.people import second_factor, tries
from services.directory.people.web_account import add_account_pages, slowed
from services.directory.people.web_people import add_people_pages
from services.directory.people.web_second_factor import add_second_factor_pages, ask_for_code
from services.directory.people.web_tokens import add_token_pages
from services.runtime import clock
from services.runtime.bus import Bus, Unavailable
from services.runtime.log import get_logger
from services.runtime.store import Store
from services.runtime.web import end_session, public, start_session

log = get_logger("directory.web")


class LogIn(FlaskForm):  # type: ignore[misc]
    """Name and password."""

    name = StringField(lazy_gettext("利用者名"), [DataRequired(lazy_gettext("利用者名を入力してください。"))])
    password = PasswordField(lazy_gettext("パスワード"), [DataRequired(lazy_gettext("パスワードを入力してください。"))])


def blueprint(store: Store, bus: Bus) -> Blueprint:
    """Routes over directory's own store; what they change is told through `bus` at once."""
    room = Blueprint("people", __name__, template_folder="templates")

    def tell() -> None:
        try:
            people.tell(store, bus)
        except Unavailable as error:
            log.warning("a change is told later", reason=str(error))  # by directory's worker, from the outbox

    add_people_pages(room, store, tell)
    add_second_factor_pages(room, store, tell)
    add_account_pages(room, store, tell)
    add_token_pages(room, store, tell)

    @room.get("/login")
    @public
    def login() -> str:
        return _page(LogIn(formdata=None))

    @room.post("/login")
    @public
    def try_login() -> Response:
        form = LogIn()
        if not form.validate():
            return make_response(_page(form), 422)
        address = request.remote_addr or ""
        verdict = tries.log_in(store, form.name.data or "", form.password.data or "", address, clock.now_us())
        if isinstance(verdict, tries.Welcome):
            then = inside(request.args.get("next", ""))
            if verdict.person.person in store.run(second_factor.in_effect):
                return ask_for_code(verdict.person, then)
            if not start_session(verdict.person):
                text = gettext("ただいま準備中です。数秒後にもう一度お試しください。")
                return make_response(_page(form, text), 503)
            log.info("logged in", person=verdict.person.person)
            return redirect(then, code=303)
        log.warning("log-in refused", address=address, waits=isinstance(verdict, tries.Wait))
        if isinstance(verdict, tries.Wait):
            answer = make_response(_page(form, slowed(verdict)), 429)
            answer.headers["Retry-After"] = str(verdict.seconds)
            return answer
        return make_response(_page(form, gettext("利用者名またはパスワードが違います。")), 422)

    @room.post("/logout")
    @public
    def logout() -> Response:
        end_session()
        return redirect("/login", code=303)

    return room


def inside(target: str) -> str:
    """`target` if it is a path of ours, else the first page: a log-in never leads to another host."""
    ours = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if ours and "\\" not in target else "/"


def _page(form: LogIn, failure: str = "") -> str:
    return render_template("people/login.html", form=form, failure=failure)
