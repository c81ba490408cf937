"""The page that says what would become of a call (/explain): for a client, without a call.

Enters: a visitor's question about a client they look after. Leaves: where the call would go, and why. It changes
nothing. What is asked and answered stands in `asking.py`.
"""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request
from flask_babel import gettext, lazy_gettext
from werkzeug.wrappers import Response
from wtforms import Form, SelectField, StringField
from wtforms.widgets import DateTimeLocalInput

from proto.tenant import Tenant
from services.directory.explaining.asking import Answer, CannotAsk, Question, asked
from services.directory.people import staff
from services.directory.people.ranks import MANAGERS
from services.directory.service import in_force
from services.directory.tenants.route_tests import Explain
from services.directory.tenants.words import Lang
from services.runtime import clock
from services.runtime.store import Store
from services.runtime.telephone import written
from services.runtime.web import current_person, roles
from services.runtime.web.forms import plain
from services.runtime.web.language import current_language

_managers = roles(*MANAGERS)


class Ask(Form):  # type: ignore[misc]
    """Read from the address, so that an answer can be sent to a colleague."""

    dialled = StringField(lazy_gettext("かける先の番号"), filters=[plain], render_kw={"inputmode": "tel"})
    phone = SelectField(lazy_gettext("どこからかけるか"), validate_choice=False)
    caller = StringField(
        lazy_gettext("相手の番号"),
        filters=[plain],
        description=lazy_gettext("社外からの電話のとき。空欄は番号の分からない電話、「非通知」も入れられます。"),
        render_kw={"inputmode": "tel"},
    )
    at = StringField(
        lazy_gettext("日時"), filters=[plain], description=lazy_gettext("空欄は今。"), widget=DateTimeLocalInput()
    )


def blueprint(store: Store, explain: Explain) -> Blueprint:
    """Routes under /explain."""
    room = Blueprint("explaining", __name__, template_folder="templates")

    @room.get("/explain")
    @_managers
    def clients_list() -> Response | str:
        known = store.run(staff.clients)
        mine = {name: title for name, title in known.items() if current_person().sees(name)}
        if len(mine) == 1:
            return redirect(f"/explain/{next(iter(mine))}")
        return render_template("explaining/clients.html", clients=mine)

    @room.get("/explain/<tenant>")
    @_managers
    def ask(tenant: str) -> str:
        if not current_person().sees(tenant):
            abort(404)
        now = store.run(lambda tx: in_force(tx, tenant))
        if tenant not in now.tenants or now.platform is None:
            abort(404)
        client = now.tenants[tenant].body
        form = _form(client)
        answer: Answer | None = None
        if "dialled" in request.args:
            typed = (form[name].data or "" for name in ("dialled", "caller", "phone", "at"))
            question = Question(*typed)
            try:
                lang: Lang = "en" if current_language() == "en" else "ja"
                answer = asked(question, client, now.platform, now.suspended, explain, clock.now_us(), lang)
            except CannotAsk as wrong:
                form[wrong.field].errors = [_said(wrong)]
        return render_template(
            "explaining/ask.html",
            client=client,
            form=form,
            answer=answer,
            numbers=[written(one.number) for one in client.numbers],
        )

    return room


def _form(client: Tenant) -> Ask:
    form = Ask(request.args)
    form.phone.choices = [("", gettext("社外から")), *((own.id, f"{own.name}（{own.id}）") for own in client.ids)]
    return form


def _said(wrong: CannotAsk) -> str:
    sentences = {
        "caller": gettext(
            "「%(value)s」は電話番号ではありません。数字で、または「非通知」と入れてください。", value=wrong.value
        ),
        "dialled": gettext("「%(value)s」にはかけられません。番号を数字で入れてください。", value=wrong.value),
        "at": gettext(
            "「%(value)s」は日時ではありません。2026-11-22 10:00 のように入れてください。", value=wrong.value
        ),
        "phone": gettext("「%(value)s」という電話機はありません。", value=wrong.value),
    }
    return str(sentences[wrong.field])
