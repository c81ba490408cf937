"""Pages of identity checks (/identity): who has been checked, the record of a client, copies of papers, the evidence.

Enters: forms and files of the operator's people (and of resellers, for their clients). Leaves: versions by
`records.py`, and the client in force at once when the check is confirmed. Every look is an entry of the audit log.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import msgspec
from flask import Blueprint, abort, make_response, redirect, render_template, request, send_file
from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import HiddenField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from services.directory.days import day_of, minute_of
from services.directory.identity import model, records
from services.directory.identity.evidence import bundle
from services.directory.identity.model import METHODS, Record
from services.directory.identity.records import Refused, Standing
from services.directory.people import staff
from services.directory.people.rows import TRIES
from services.runtime import clock
from services.runtime.bus import Unavailable
from services.runtime.log import get_logger
from services.runtime.store import Store, Tx
from services.runtime.web import current_person, roles
from services.runtime.web.forms import plain, uploads

log = get_logger("directory.identity")
_checkers = roles("platform_operator", "reseller")
_CLIENT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
PARTIES = {"corporation": lazy_gettext("法人"), "individual": lazy_gettext("個人")}
METHOD_NAMES = {
    "in_person": lazy_gettext("対面で本人確認書類の提示を受けた"),
    "in_person_and_mail": lazy_gettext("対面で提示を受け、転送不要郵便も送った"),
    "mail": lazy_gettext("書類の送付を受け、転送不要郵便を送った"),
    "online_photo": lazy_gettext("オンラインで顔と写真付き書類の画像を受けた"),
    "online_chip": lazy_gettext("オンラインで書類のICチップを読んだ"),
    "public_signature": lazy_gettext("電子署名（公的個人認証・商業登記）を受けた"),
    "registry": lazy_gettext("登記情報・法人番号公表サイトで確かめた"),
}
LABELS = {
    "party": lazy_gettext("法人か個人か"),
    "name": lazy_gettext("名称・氏名"),
    "address": lazy_gettext("本店の所在地・住居"),
    "corporate_number": lazy_gettext("法人番号"),
    "born": lazy_gettext("生年月日"),
    "purpose": lazy_gettext("取引を行う目的"),
    "business": lazy_gettext("事業の内容・職業"),
    "owners": lazy_gettext("実質的支配者"),
    "contact": lazy_gettext("取引担当者の氏名"),
    "contact_address": lazy_gettext("取引担当者の住居"),
    "contact_born": lazy_gettext("取引担当者の生年月日"),
    "contact_authority": lazy_gettext("取引担当者が会社のために取引していると認めた理由"),
    "method": lazy_gettext("確認の方法"),
    "papers": lazy_gettext("本人確認書類"),
    "base": lazy_gettext("活動の拠点の確認"),
    "checked_on": lazy_gettext("確認した日"),
    "checked_by": lazy_gettext("確認した人"),
    "note": lazy_gettext("備考"),
}
HINTS = {
    "corporate_number": lazy_gettext("13桁の数字。わからないときは空のままにします。"),
    "born": lazy_gettext("個人のとき。例：1980-04-01"),
    "owners": lazy_gettext("一人一行で、氏名・住居・生年月日と確かめ方。法人のとき必要です。"),
    "contact_born": lazy_gettext("例：1980-04-01"),
    "papers": lazy_gettext(
        "一つ一行で、名称・記号番号・発行者。マイナンバー、基礎年金番号、保険者番号は書かないでください。"
    ),
    "base": lazy_gettext("03や06などの固定電話番号を使うとき、その地域で活動していることをどう確かめたか。"),
    "checked_on": lazy_gettext("例：2026-11-22"),
}
WRONG = {
    "long": lazy_gettext("長すぎます。"),
    "day": lazy_gettext("日付は 2026-11-22 のように入力してください。"),
    "future": lazy_gettext("まだ来ていない日は入力できません。"),
    "corporate_number": lazy_gettext("法人番号として正しくありません。13桁の数字を確かめてください。"),
    "method": lazy_gettext("この相手には使えない方法です。"),
    "line": lazy_gettext("使えない文字が含まれています。"),
    "missing": lazy_gettext("確認を終えるには入力が必要です。"),
}
FAILURES = {
    "changed": lazy_gettext("その間にほかの人が変えました。ページを開き直して、もう一度入力してください。"),
    "same": lazy_gettext("変わったところがありません。"),
    "empty": lazy_gettext("ファイルを選んでください。"),
    "large": lazy_gettext("ファイルは一つ5MBまでです。"),
    "kind": lazy_gettext("PDF、JPEG、PNGのファイルを選んでください。"),
    "many": lazy_gettext("写しは一社につき20個までです。"),
    "kept": lazy_gettext("契約が終わってから7年の間は消せません。"),
}
_LINES = ("owners", "papers", "base", "contact_authority", "note")


def _choose(name: str) -> Any:
    if name == "party":
        return SelectField(LABELS[name], choices=[SelectChoice(*one) for one in PARTIES.items()])
    if name == "method":
        ways = [SelectChoice(one, METHOD_NAMES[one]) for one in METHODS]
        return SelectField(LABELS[name], choices=[SelectChoice("", lazy_gettext("選んでください")), *ways])
    return (TextAreaField if name in _LINES else StringField)(LABELS[name], filters=[plain])


class RecordForm(FlaskForm):  # type: ignore[misc]
    """Every field of a record, why it changes, and which version the visitor saw."""

    why = StringField(lazy_gettext("変更の理由"), filters=[plain])
    seen = HiddenField()

    def record(self) -> Record:
        """What was typed; line ends as ours."""
        typed = {name: str(self._fields[name].data or "").replace("\r\n", "\n") for name in Record.__struct_fields__}
        return msgspec.convert(typed, Record)

    def show(self, record: Record) -> None:
        """What stands."""
        for name in Record.__struct_fields__:
            self._fields[name].data = getattr(record, name)

    def refused(self, fields: tuple[str, ...], why: dict[str, str]) -> None:
        """Say beside each field what is wrong."""
        for name in fields:
            self._fields[name].errors = [WRONG[why.get(name, "missing")]]


for _name in Record.__struct_fields__:
    setattr(RecordForm, _name, _choose(_name))


def blueprint(store: Store, take: Callable[[], object]) -> Blueprint:
    """Routes under /identity; `take` has the clients' folder read at once."""
    room = Blueprint("identity", __name__, template_folder="templates")

    def known(tenant: str) -> Standing:
        """The client, or 404. A new client's check is made before its file: for the platform's operator any id goes."""
        if not current_person().sees(tenant) or not _CLIENT.fullmatch(tenant):
            abort(404)
        return store.run(lambda tx: records.standing(tx, tenant, day_of(clock.now_us())))

    def page(now: Standing, form: RecordForm, failure: str = "") -> str:
        return render_template(
            "identity/record.html",
            now=now,
            form=form,
            failure=failure,
            labels=LABELS,
            hints=HINTS,
            lines=_LINES,
            needed=model.needed((now.last.record if now.last is not None else Record()).party, now.needs_base),
            versions=_shown(store.run(lambda tx: records.versions(tx, now.tenant))),
            copies=store.run(lambda tx: records.copies(tx, now.tenant)),
            at_text=minute_of,
            kept_until=model.kept_until(now.ended_on) if now.ended_on is not None else None,
            erasable=now.may_be_erased(day_of(clock.now_us())) and current_person().role == "platform_operator",
            done=request.args.get("done", "") if request.method == "GET" else "",
        )

    @room.get("/identity")
    @_checkers
    def identity_list() -> Response | str:
        person, asked = current_person(), str(plain(request.args.get("client", "")))
        failure = ""
        if asked:
            if _CLIENT.fullmatch(asked) and person.sees(asked):
                return redirect(f"/identity/{asked}")
            failure = gettext("顧客の記号は、小文字の英字・数字と - で入力してください。")

        def read(tx: Tx) -> tuple[list[Standing], dict[str, str]]:
            return records.standings(tx, day_of(clock.now_us())), staff.clients(tx)

        found, names = store.run(read)
        mine = [one for one in found if person.sees(one.tenant)]
        return render_template("identity/list.html", standings=mine, names=names, model=model, failure=failure)

    @room.get("/identity/<tenant>")
    @_checkers
    def identity_record(tenant: str) -> str:
        now, form = known(tenant), RecordForm(formdata=None)
        who = current_person().id
        if now.last is not None:
            store.run(lambda tx: records.looked(tx, who, tenant, "record", clock.now_us()), TRIES)
            form.show(now.last.record)
        elif now.body is not None:
            form.show(Record(name=now.body.name))
        form.seen.data = str(now.last.number if now.last is not None else 0)
        return page(now, form)

    @room.post("/identity/<tenant>")
    @_checkers
    def identity_save(tenant: str) -> Response | str:
        now, form, who = known(tenant), RecordForm(), current_person().id
        if not form.validate() or not re.fullmatch(r"[0-9]{1,6}", form.seen.data or ""):
            return make_response(page(now, form, str(FAILURES["changed"])), 422)
        seen, confirm, why = int(form.seen.data), request.form.get("do") == "confirm", (form.why.data or "")[:200]
        record, now_us = form.record(), clock.now_us()
        try:
            saved = store.run(lambda tx: records.save(tx, who, tenant, record, seen, confirm, why, now_us), TRIES)
        except Refused as refused:
            form.refused(refused.fields, dict(model.wrong(record, day_of(now_us))))
            code = 409 if refused.reason == "changed" else 422
            return make_response(page(now, form, str(FAILURES.get(refused.reason, ""))), code)
        began = saved.confirmed and not now.confirmed
        done = ("confirmed" if _taken(take) else "later") if began else "saved"
        return redirect(f"/identity/{tenant}?done={done}", code=303)

    @room.post("/identity/<tenant>/copies")
    @_checkers
    @uploads(records.LARGEST_FILE + (1 << 20))
    def identity_add_copy(tenant: str) -> Response | str:
        known(tenant)
        file, who = request.files.get("copy"), current_person().id
        name, body = (file.filename or "", file.read()) if file is not None else ("", b"")
        try:
            store.run(lambda tx: records.add_copy(tx, who, tenant, name, body, clock.now_us()), TRIES)
        except Refused as refused:
            return _again(tenant, refused)
        return redirect(f"/identity/{tenant}?done=copy", code=303)

    @room.get("/identity/<tenant>/copies/<copy>")
    @_checkers
    def identity_copy(tenant: str, copy: str) -> Response:
        known(tenant)
        found, who = store.run(lambda tx: records.copy_of(tx, tenant, copy)), current_person().id
        if found is None:
            abort(404)
        store.run(lambda tx: records.looked(tx, who, tenant, found[0].name, clock.now_us()), TRIES)
        copied, body = found
        return send_file(io.BytesIO(body), mimetype=copied.type, as_attachment=True, download_name=copied.name)

    @room.post("/identity/<tenant>/evidence.zip")
    @_checkers
    def identity_evidence(tenant: str) -> Response | str:
        known(tenant)
        why, who = str(plain(request.form.get("why", "")))[:200], current_person().id
        if not why:
            return _again(tenant, Refused("why"))
        file = bundle(store, tenant, who, why, clock.now_us())
        name = f"{tenant}-{day_of(clock.now_us())}.zip"
        return send_file(file, mimetype="application/zip", as_attachment=True, download_name=name)

    @room.post("/identity/<tenant>/erase")
    @roles("platform_operator")
    def identity_erase(tenant: str) -> Response | str:
        who = current_person().id
        known(tenant)
        try:
            store.run(lambda tx: records.erase(tx, who, tenant, clock.now_us()), TRIES)
        except Refused as refused:
            return _again(tenant, refused)
        return redirect("/identity", code=303)

    def _again(tenant: str, refused: Refused) -> Response:
        now, form = known(tenant), RecordForm(formdata=None)
        form.show(now.last.record if now.last is not None else Record())
        form.seen.data = str(now.last.number if now.last is not None else 0)
        sentences = {**FAILURES, "why": lazy_gettext("取り出す理由を入力してください。")}
        return make_response(page(now, form, str(sentences[refused.reason])), 422)

    return room


def _shown(versions: list[records.Version]) -> list[dict[str, Any]]:
    """Newest first, each with what it changed."""
    older = [*versions, None][1:]
    return [
        {
            **msgspec.structs.asdict(one),
            "changed": model.differences(before.record if before is not None else None, one.record),
            "began": one.confirmed and not (before is not None and before.confirmed),
        }
        for one, before in zip(versions, older, strict=True)
    ]


def _taken(take: Callable[[], object]) -> bool:
    """Have the folder read now; False: the watch of directory will, once store and bus are back."""
    try:
        take()
    except (OSError, Unavailable) as error:
        log.warning("a client begins later", reason=str(error))
        return False
    return True
