"""Pages of the number stock (/numbers): search, the life of each number, take, release, suspend, resume, add, CSV.

Enters: what operators and resellers ask and do; a client's administrator only looks at the own numbers. Leaves: pages,
and changes by `desk.py`, which decides who may what. A number of which the visitor may not know is answered like one
that does not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request
from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as AnyResponse
from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from proto.values import PLATFORM_TENANT
from services.directory.audit.rows import audited
from services.directory.numbers import desk
from services.directory.numbers.areas import KINDS
from services.directory.numbers.desk import Denied
from services.directory.numbers.listing import Unreadable, read_number, read_numbers
from services.directory.numbers.model import LONGEST_NOTE, REASONS, Held, State
from services.directory.numbers.pages import csv_lines, history_lines, number_line
from services.directory.numbers.stock import Wanted
from services.directory.people import rows as people
from services.directory.people import staff
from services.directory.people.ranks import MANAGERS
from services.directory.people.rows import TRIES
from services.directory.people.web_people import acting
from services.runtime import clock
from services.runtime.bus import Bus, Unavailable
from services.runtime.log import get_logger
from services.runtime.store import Store
from services.runtime.web import current_person, roles
from services.runtime.web.forms import plain

log = get_logger("directory.numbers")
SHOWN = 100
KIND_NAMES = {
    "geographic": lazy_gettext("固定電話（市外局番）"),
    "ip": lazy_gettext("050（IP電話）"),
    "freephone": lazy_gettext("フリーダイヤル（0120・0800）"),
    "mobile": lazy_gettext("携帯電話"),
    "navi": lazy_gettext("ナビダイヤル（0570）"),
    "other": lazy_gettext("その他の種類"),
}
STATE_NAMES = {
    "stock": lazy_gettext("在庫"),
    "reserved": lazy_gettext("予約済み"),
    "in_use": lazy_gettext("利用中"),
    "suspended": lazy_gettext("利用停止中"),
    "quarantine": lazy_gettext("休止期間中"),
}
REASON_NAMES = {
    "police": lazy_gettext("警察の要請"),
    "arrears": lazy_gettext("料金の未納"),
    "other": lazy_gettext("その他の理由"),
}
HAPPENED = {
    "added": lazy_gettext("在庫に追加"),
    "reserve": lazy_gettext("予約"),
    "release": lazy_gettext("予約を取り消し"),
    "take": lazy_gettext("利用開始"),
    "leave": lazy_gettext("利用終了"),
    "suspend": lazy_gettext("利用停止"),
    "resume": lazy_gettext("利用再開"),
    "rested": lazy_gettext("休止期間が終了"),
}
BY = {"file": lazy_gettext("会社の設定"), "time": lazy_gettext("期間の経過")}
DENIALS = {
    "client_unknown": lazy_gettext("選べない会社です。"),
    "police": lazy_gettext("警察の要請による停止は、運営者だけが解除できます。"),
    "too_many": lazy_gettext("一度に追加できるのは2,000番号までです。"),
    "none": lazy_gettext("番号を入力してください。"),
    "not_free": lazy_gettext("この番号はすでに予約されています。"),
    "of_another": lazy_gettext("この番号はほかの会社のために取り置かれています。"),
    "in_use": lazy_gettext("この番号は利用中です。会社の設定から外すと空きます。"),
    "not_reserved": lazy_gettext("この番号は予約されていません。"),
    "not_in_use": lazy_gettext("この番号を使っている会社はありません。"),
    "suspended": lazy_gettext("この番号はすでに利用停止中です。"),
    "not_suspended": lazy_gettext("この番号は停止されていません。"),
    "resting": lazy_gettext("この番号は休止期間中です。期間が終わるまで、ほかの会社には貸し出せません。"),
}
_readers, _keepers, _operators = roles(*MANAGERS), roles(*desk.KEEPERS), roles("platform_operator")
_Change = Callable[[], Held]


class Keep(FlaskForm):  # type: ignore[misc]
    """For which client a number is kept."""

    client = SelectField(lazy_gettext("会社"), validate_choice=False)
    note = StringField(lazy_gettext("メモ"), [Length(max=LONGEST_NOTE)], filters=[plain])


class Stop(FlaskForm):  # type: ignore[misc]
    """Why a number is stopped."""

    reason = SelectField(lazy_gettext("停止の理由"), [DataRequired(lazy_gettext("停止の理由を選んでください。"))])
    note = StringField(lazy_gettext("メモ"), [Length(max=LONGEST_NOTE)], filters=[plain])

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.reason.choices = [("", lazy_gettext("選んでください"))] + [(one, REASON_NAMES[one]) for one in REASONS]


class Add(FlaskForm):  # type: ignore[misc]
    """A list of numbers and whose they are."""

    numbers = TextAreaField(
        lazy_gettext("電話番号"), [DataRequired(lazy_gettext("番号を入力してください。")), Length(max=100_000)]
    )
    carrier = StringField(lazy_gettext("通信事業者"), [Length(max=80)], filters=[plain])


class Stock:
    """What the pages work with."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self.store, self.bus = store, bus

    def clients(self) -> dict[str, str]:
        """Those of the visitor, by name."""
        person = current_person()
        return {name: title for name, title in self.store.run(staff.clients).items() if person.sees(name)}

    def tell(self) -> None:
        """Send what a change left in the outbox."""
        try:
            people.tell(self.store, self.bus)
        except Unavailable as error:
            log.warning("a change is told later", reason=str(error))  # by directory's worker, from the outbox

    def change(self, number: str, do: _Change) -> AnyResponse:
        """Do it, and show the number again: as it is then, or with why it could not be done."""
        try:
            do()
        except Denied as denied:
            if denied.reason in ("unknown", "not_yours"):
                abort(404)
            return make_response(self.page(number, failure=DENIALS[denied.reason]), 409)
        self.tell()
        return redirect(f"/numbers/{number}?saved=1", code=303)

    def known(self, number: str) -> tuple[Held, list[Any]]:
        """A number, or 404."""
        try:
            return desk.one(self.store, acting(), number)
        except Denied:
            abort(404)

    def page(self, number: str, *, keep: Keep | None = None, stop: Stop | None = None, failure: Any = "") -> str:
        """The page of a number, with what may be done to it."""
        held, lines = self.known(number)
        clients, keeper = self.clients(), current_person().role in desk.KEEPERS
        keep, stop = keep or Keep(formdata=None), stop or Stop(formdata=None)
        keep.client.choices = list(clients.items())
        return render_template(
            "numbers/one.html",
            line=number_line(held, clients, with_reason=keeper),
            history=history_lines(lines, clients, with_reason=keeper),
            keeper=keeper,
            may_resume=held.reason != "police" or current_person().role == "platform_operator",
            in_stock=bool(lines),
            keep=keep,
            stop=stop,
            failure=failure,
            saved="saved" in request.args and request.method == "GET",
            **_WORDS,
        )


_WORDS = {"kinds": KIND_NAMES, "states": STATE_NAMES, "reasons": REASON_NAMES, "happened": HAPPENED, "by": BY}


def blueprint(store: Store, bus: Bus) -> Blueprint:
    """Routes under /numbers; what a change means for calls is told through `bus` at once."""
    room = Blueprint("numbers", __name__, template_folder="templates")
    stock = Stock(store, bus)
    _add_search(room, stock)
    _add_one(room, stock)

    @room.get("/numbers/add")
    @_operators
    def numbers_new() -> str:
        return render_template("numbers/add.html", form=Add(formdata=None), failure="")

    @room.post("/numbers/add")
    @_operators
    def numbers_add() -> AnyResponse:
        form, failure = Add(), ""
        if form.validate():
            try:
                wanted = read_numbers(form.numbers.data, desk.MOST_AT_ONCE)
                made = desk.add(store, acting(), wanted, form.carrier.data or "")
                return redirect(f"/numbers?added={len(made)}&known={len(wanted) - len(made)}", code=303)
            except Unreadable as error:
                wrong = gettext("「%(part)s」は電話番号として読み取れません。", part=error.text)
                form.numbers.errors = [*form.numbers.errors, wrong]
            except Denied as denied:
                failure = DENIALS[denied.reason]
        return make_response(render_template("numbers/add.html", form=form, failure=failure), 422)

    return room


def _add_search(room: Blueprint, stock: Stock) -> None:
    @room.get("/numbers")
    @_readers
    def numbers_list() -> str:
        asked, clients = _asked(), stock.clients()
        found = desk.listed(stock.store, acting(), _wanted(asked), SHOWN + 1, asked["after"])
        keeper = current_person().role in desk.KEEPERS
        lines = [number_line(held, clients, with_reason=keeper) for held in found[:SHOWN]]
        query = {name: value for name, value in asked.items() if value and name != "after"}
        return render_template(
            "numbers/list.html",
            lines=lines,
            asked=asked,
            clients=clients,
            keeper=keeper,
            query=urlencode(query),
            next=f"/numbers?{urlencode({**query, 'after': lines[-1].number})}" if len(found) > SHOWN else "",
            elsewhere="" if found else _in_a_file(stock, asked["part"]),
            **_counts(),
            **_WORDS,
        )

    @room.get("/numbers.csv")
    @_readers
    def numbers_csv() -> Response:
        asked, clients, person = _asked(), stock.clients(), current_person()
        keeper = person.role in desk.KEEPERS
        found = desk.listed(stock.store, acting(), _wanted(asked))
        told = {name: value for name, value in asked.items() if value and name != "after"}
        of = person.tenants[0] if person.visible is not None and len(person.tenants) == 1 else PLATFORM_TENANT
        stock.store.run(
            lambda tx: audited(tx, person.id, "number.exported", of, "numbers.csv", after=told, now_us=clock.now_us()),
            TRIES,
        )
        heads = (
            gettext("電話番号"),
            gettext("種類"),
            gettext("番号区画"),
            gettext("状態"),
            gettext("会社"),
            gettext("通信事業者"),
            gettext("この状態になった日"),
            gettext("休止期間の終わり"),
            gettext("停止の理由"),
            gettext("メモ"),
        )
        words = {name: str(said) for name, said in {**KIND_NAMES, **STATE_NAMES}.items()}
        reasons = {name: str(said) for name, said in REASON_NAMES.items()}
        lines = (number_line(held, clients, with_reason=keeper) for held in found)
        answer = Response(list(csv_lines(lines, heads, words, reasons)), mimetype="text/csv; charset=utf-8")
        answer.headers["Content-Disposition"] = "attachment; filename=numbers.csv"
        return answer


def _add_one(room: Blueprint, stock: Stock) -> None:
    @room.get("/numbers/<number>")
    @_readers
    def numbers_one(number: str) -> str:
        return stock.page(number)

    @room.post("/numbers/<number>/reserve")
    @_keepers
    def numbers_reserve(number: str) -> AnyResponse:
        form = Keep()
        if not form.validate():
            return make_response(stock.page(number, keep=form), 422)
        client, note = form.client.data or "", form.note.data or ""
        return stock.change(number, lambda: desk.reserve(stock.store, acting(), number, client, note))

    @room.get("/numbers/<number>/release")
    @_keepers
    def numbers_ask_release(number: str) -> str:
        held, _ = stock.known(number)
        if held.state is not State.RESERVED:
            abort(404)
        line = number_line(held, stock.clients(), with_reason=True)
        return render_template("numbers/release.html", line=line, form=FlaskForm(formdata=None))

    @room.post("/numbers/<number>/release")
    @_keepers
    def numbers_release(number: str) -> AnyResponse:
        stock.known(number)
        return stock.change(number, lambda: desk.release(stock.store, acting(), number))

    @room.post("/numbers/<number>/suspend")
    @_keepers
    def numbers_suspend(number: str) -> AnyResponse:
        form = Stop()
        if not form.validate():
            return make_response(stock.page(number, stop=form), 422)
        reason, note = form.reason.data, form.note.data or ""
        return stock.change(number, lambda: desk.suspend(stock.store, acting(), number, reason, note))

    @room.post("/numbers/<number>/resume")
    @_keepers
    def numbers_resume(number: str) -> AnyResponse:
        stock.known(number)
        return stock.change(number, lambda: desk.resume(stock.store, acting(), number))


def _in_a_file(stock: Stock, typed: str) -> str:
    """A whole number that is in no stock, but in the file of a client of the visitor."""
    try:
        number = read_number(typed)
        desk.one(stock.store, acting(), number)
    except (Unreadable, Denied):
        return ""
    return number


def _counts() -> dict[str, str]:
    """How many numbers were added, as the address says after that; nothing else is taken from there."""
    return {name: text if (text := request.args.get(name, "")).isdecimal() else "" for name in ("added", "known")}


def _asked() -> dict[str, str]:
    names = ("kind", "area", "state", "part", "client", "after")
    asked = {name: str(plain(request.args.get(name, "")))[:80] for name in names}
    return {**asked, "part": "".join(letter for letter in asked["part"] if letter.isdecimal())}


def _wanted(asked: dict[str, str]) -> Wanted:
    return Wanted(
        kind=asked["kind"] if asked["kind"] in KINDS else "",
        area=asked["area"],
        state=asked["state"] if asked["state"] in STATE_NAMES else "",
        part=asked["part"],
        client=asked["client"],
    )
