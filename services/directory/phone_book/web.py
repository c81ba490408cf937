"""Pages of phone books (/phone-book): looked through, added to, changed, taken from; as CSV and vCard, and back.

Enters: what people of a client typed or sent. Leaves: entries, told at once, so that names stand beside the next call.
Everybody who works for the client may look, its people may add and change; to remove, to bring in and to take out many
belongs to who manages it. How entries become files stands in `files.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request
from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as Answer
from wtforms import FileField, HiddenField, StringField, TextAreaField

from services.directory.audit.rows import audited
from services.directory.imports.model import Lang, Note, Place
from services.directory.imports.sheets import Unreadable, read_sheets
from services.directory.imports.values import number_shown
from services.directory.people import rows as people
from services.directory.people import staff
from services.directory.people.ranks import MANAGERS
from services.directory.phone_book import entries
from services.directory.phone_book.files import cards_of, csv_bytes
from services.directory.phone_book.model import (
    LONGEST,
    MOST_ENTRIES,
    MOST_NUMBERS,
    Card,
    Entry,
    Wrong,
    read_number,
    wrong_with,
)
from services.directory.phone_book.vcards import Version, is_vcards, read_vcards, vcards
from services.directory.tenants.changing import TRIES
from services.runtime import clock
from services.runtime.bus import Bus, Unavailable
from services.runtime.log import get_logger
from services.runtime.store import Store, Tx
from services.runtime.threads import in_thread
from services.runtime.web import current_person, roles, signed_in
from services.runtime.web.forms import plain, uploads
from services.runtime.web.language import current_language

log = get_logger("directory.phone_book")
PAGE = 50
MOST_SENT = 4 << 20
MOST_ROWS = 2 * MOST_ENTRIES
"""Of a file; empty ones count."""
WRITERS = (*MANAGERS, "employee")
_writers = roles(*WRITERS)
_managers = roles(*MANAGERS)
_NUMBERS = tuple(f"number{n}" for n in range(1, MOST_NUMBERS + 1))
WRONG: dict[Wrong, Any] = {
    "nobody": lazy_gettext("氏名か会社名を入力してください。"),
    "numbers": lazy_gettext("電話番号を入力してください。"),
    "number": lazy_gettext("電話番号は 03-1234-5678 のように入力してください。"),
    "long": lazy_gettext("長すぎます。"),
    "line": lazy_gettext("使えない文字が含まれています。"),
}


class CardForm(FlaskForm):  # type: ignore[misc]
    """Somebody outside; which text the visitor saw."""

    name = StringField(lazy_gettext("氏名"), filters=[plain])
    reading = StringField(lazy_gettext("フリガナ"), filters=[plain])
    company = StringField(lazy_gettext("会社名"), filters=[plain])
    number1 = StringField(lazy_gettext("電話番号1"), filters=[plain])
    number2 = StringField(lazy_gettext("電話番号2"), filters=[plain])
    number3 = StringField(lazy_gettext("電話番号3"), filters=[plain])
    number4 = StringField(lazy_gettext("電話番号4"), filters=[plain])
    note = TextAreaField(lazy_gettext("メモ"), filters=[plain])
    seen = HiddenField()

    def fill(self, entry: Entry) -> None:
        """What stands."""
        card = entry.card
        self.name.data, self.reading.data, self.company.data = card.name, card.reading, card.company
        for field, number in zip(_NUMBERS, card.numbers, strict=False):
            self._fields[field].data = number_shown(number)
        self.note.data, self.seen.data = card.note, str(entry.changed_at_us)

    def card(self) -> Card | None:
        """What was typed; None: something is wrong, and said beside its field."""
        numbers, refused = [], False
        for field in _NUMBERS:
            if typed := self._fields[field].data:
                try:
                    numbers.append(read_number(typed))
                except ValueError:
                    refused = True
                    self._fields[field].errors = [WRONG["number"]]
        texts = {name: str(self._fields[name].data or "") for name in ("name", "reading", "company", "note")}
        texts["note"] = texts["note"].replace("\r\n", "\n")
        card = Card(numbers=tuple(dict.fromkeys(numbers)), **texts)
        if refused:
            return None
        if (wrong := wrong_with(card)) is not None:
            field, why = wrong
            self._fields["number1" if field == "numbers" else field].errors = [WRONG[why]]
            return None
        return card


class Upload(FlaskForm):  # type: ignore[misc]
    """A file."""

    file = FileField(lazy_gettext("CSV、ExcelまたはvCardのファイル"))


@dataclass(frozen=True)
class Books:
    """What the pages work with."""

    store: Store
    bus: Bus

    def client(self, tenant: str) -> str:
        """The client's name, or 404: also where there is one that the visitor may not know of."""
        if not current_person().sees(tenant):
            abort(404)
        return self.store.run(staff.clients).get(tenant) or abort(404)

    def entry(self, tenant: str, entry: str) -> Entry:
        """The entry, or 404."""
        return self.store.run(lambda tx: entries.find(tx, tenant, entry)) or abort(404)

    def change(self, work: Callable[[Tx], Any]) -> Any:
        """Do it, and tell at once what the outbox has. Raises entries.Full."""
        done = self.store.run(work, TRIES)
        self.tell()
        return done

    def tell(self) -> None:
        """Send what a change left in the outbox."""
        try:
            people.tell(self.store, self.bus)
        except Unavailable as error:
            log.warning("a change is told later", reason=str(error))  # by directory's worker, from the outbox


def blueprint(store: Store, bus: Bus) -> Blueprint:
    """Routes under /phone-book."""
    room = Blueprint("phone_book", __name__, template_folder="templates")
    books = Books(store, bus)

    @room.get("/phone-book")
    @signed_in
    def phone_book_clients() -> Answer | str:
        person, known = current_person(), store.run(staff.clients)
        mine = {name: title for name, title in known.items() if person.sees(name)}
        if len(mine) == 1:
            return redirect(f"/phone-book/{next(iter(mine))}")
        return render_template("phone_book/clients.html", clients=mine)

    @room.get("/phone-book/<tenant>")
    @signed_in
    def phone_book_list(tenant: str) -> str:
        name, typed, page = books.client(tenant), request.args.get("q", "")[:100], _page_asked()
        found = store.run(lambda tx: entries.search(tx, tenant, typed, PAGE + 1, page * PAGE))
        return render_template(
            "phone_book/list.html",
            tenant=tenant,
            client=name,
            found=found[:PAGE],
            more=len(found) > PAGE,
            page=page,
            typed=typed,
            done=request.args.get("done", ""),
            hyphened=number_shown,
            writes=current_person().role in WRITERS,
            manages=current_person().role in MANAGERS,
        )

    _add_changes(room, books)
    _add_files(room, books)
    return room


def _add_changes(room: Blueprint, books: Books) -> None:
    store = books.store

    @room.get("/phone-book/<tenant>/add")
    @_writers
    def phone_book_new(tenant: str) -> str:
        books.client(tenant)
        return _edit(tenant, CardForm(formdata=None), None)

    @room.post("/phone-book/<tenant>/add")
    @_writers
    def phone_book_add(tenant: str) -> Answer:
        books.client(tenant)
        form, who, now_us = CardForm(), current_person().id, clock.now_us()
        card = form.card()
        if card is None:
            return make_response(_edit(tenant, form, None), 422)
        try:
            books.change(lambda tx: entries.add(tx, tenant, card, who, now_us))
        except entries.Full:
            return make_response(_edit(tenant, form, None, _full()), 409)
        return redirect(f"/phone-book/{tenant}?done=saved", code=303)

    @room.get("/phone-book/<tenant>/<entry>")
    @_writers
    def phone_book_one(tenant: str, entry: str) -> str:
        books.client(tenant)
        known, form = books.entry(tenant, entry), CardForm(formdata=None)
        form.fill(known)
        return _edit(tenant, form, known)

    @room.post("/phone-book/<tenant>/<entry>")
    @_writers
    def phone_book_change(tenant: str, entry: str) -> Answer:
        books.client(tenant)
        known, form, who, now_us = books.entry(tenant, entry), CardForm(), current_person().id, clock.now_us()
        card = form.card()
        if card is None:
            return make_response(_edit(tenant, form, known), 422)
        same = form.seen.data == str(known.changed_at_us)
        if not same or not books.change(lambda tx: entries.change(tx, tenant, known, card, who, now_us)):
            failure = gettext("その間にほかの人が変えました。ページを開き直して、もう一度入力してください。")
            return make_response(_edit(tenant, form, known, failure), 409)
        return redirect(f"/phone-book/{tenant}?done=saved", code=303)

    @room.get("/phone-book/<tenant>/<entry>/remove")
    @_managers
    def phone_book_sure(tenant: str, entry: str) -> str:
        books.client(tenant)
        known = books.entry(tenant, entry)
        return render_template("phone_book/remove.html", tenant=tenant, known=known, hyphened=number_shown)

    @room.post("/phone-book/<tenant>/<entry>/remove")
    @_managers
    def phone_book_remove(tenant: str, entry: str) -> Answer:
        books.client(tenant)
        known, who, now_us = books.entry(tenant, entry), current_person().id, clock.now_us()
        books.change(lambda tx: entries.remove(tx, tenant, known, who, now_us))
        return redirect(f"/phone-book/{tenant}?done=removed", code=303)

    def _edit(tenant: str, form: CardForm, known: Entry | None, failure: str = "") -> str:
        return render_template(
            "phone_book/edit.html",
            tenant=tenant,
            client=store.run(staff.clients).get(tenant, tenant),
            form=form,
            known=known,
            failure=failure,
            longest=LONGEST,
            manages=current_person().role in MANAGERS,
        )


def _add_files(room: Blueprint, books: Books) -> None:
    store = books.store

    @room.get("/phone-book/<tenant>/export.csv")
    @_managers
    def phone_book_csv(tenant: str) -> Response:
        books.client(tenant)
        return _file(csv_bytes(_taken(store, tenant, "csv"), _lang()), "text/csv", f"{tenant}.csv")

    @room.get("/phone-book/<tenant>/export.vcf")
    @_managers
    def phone_book_vcf(tenant: str) -> Response:
        books.client(tenant)
        version: Version = "3.0" if request.args.get("version") == "3.0" else "4.0"
        body = vcards(_taken(store, tenant, f"vcard {version}"), version)
        return _file(body, "text/vcard; charset=utf-8", f"{tenant}.vcf")

    @room.get("/phone-book/<tenant>/import")
    @_managers
    def phone_book_file(tenant: str) -> str:
        return _send(tenant, books.client(tenant), Upload(formdata=None))

    @room.post("/phone-book/<tenant>/import")
    @_managers
    @uploads(MOST_SENT)
    def phone_book_import(tenant: str) -> Answer:
        name, form = books.client(tenant), Upload()
        sent = form.file.data
        if not getattr(sent, "filename", ""):
            form.file.errors = [lazy_gettext("ファイルを選んでください。")]
            return make_response(_send(tenant, name, form), 422)
        data = sent.read()
        lang, said = _lang(), {"vcards": is_vcards(data)}
        cards, notes = in_thread(lambda: _read(data, lang))
        wrong = any(note.level == "error" for note in notes)
        if wrong or not cards:
            return make_response(_send(tenant, name, form, notes, empty=not wrong, **said), 422)
        who, now_us = current_person().id, clock.now_us()
        try:
            added = books.change(lambda tx: entries.add_many(tx, tenant, cards, who, now_us))
        except entries.Full:
            form.file.errors = [_full()]
            return make_response(_send(tenant, name, form), 409)
        return make_response(_send(tenant, name, Upload(formdata=None), notes, added=added, read=len(cards), **said))


def _read(data: bytes, lang: Lang) -> tuple[list[Card], list[Note]]:
    try:
        if not is_vcards(data):
            return cards_of(read_sheets("", data, MOST_ROWS))
        sheets, left = read_vcards(data, lang, MOST_ROWS)
        cards, notes = cards_of(sheets)
    except Unreadable as error:
        return [], [Note(place=Place(""), say=error.say)]
    return cards, sorted([*left, *notes], key=lambda note: note.place.row)


def _send(tenant: str, client: str, form: Upload, notes: Any = (), **said: Any) -> str:
    return render_template(
        "phone_book/import.html",
        tenant=tenant,
        client=client,
        form=form,
        notes=notes[:300],
        spoken=_lang(),
        most_mb=MOST_SENT >> 20,
        **said,
    )


def _taken(store: Store, tenant: str, how: str) -> list[Entry]:
    """The whole book, and an entry of the audit log: whoever takes it out is known."""
    who, now_us = current_person().id, clock.now_us()

    def take(tx: Tx) -> list[Entry]:
        found = entries.everyone(tx, tenant)
        after = {"as": how, "entries": len(found)}
        audited(tx, who, "phone_book.exported", tenant, "", after=after, now_us=now_us)
        return found

    return store.run(take, TRIES)


def _file(body: bytes, kind: str, name: str) -> Response:
    answer = Response(body, content_type=kind)
    answer.headers["Content-Disposition"] = f"attachment; filename=phone-book-{name}"
    return answer


def _full() -> str:
    return str(gettext("電話帳は%(most)s件までです。", most=f"{MOST_ENTRIES:,}"))


def _page_asked() -> int:
    asked = request.args.get("page", "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 else 0


def _lang() -> Lang:
    return cast(Lang, current_language())
