"""Pages of the audit log: what was changed, by whom and when; as a page and as a file.

Enters: a filter (person, client, days in Japan). Leaves: entries of the clients whom the visitor may see, newest first,
and files, oldest first. Whoever takes a file away is an entry, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request
from flask_babel import gettext, lazy_gettext

from proto.values import PLATFORM_TENANT
from services.directory.audit import pages
from services.directory.audit import rows as audit
from services.directory.audit.chain import Entry
from services.directory.audit.files import as_csv, as_json_lines
from services.directory.audit.rows import Wanted, audited, oldest_first
from services.directory.days import day_us
from services.directory.numbers.web import REASON_NAMES, STATE_NAMES
from services.directory.people import staff
from services.directory.people.ranks import MANAGERS
from services.directory.people.rows import TRIES
from services.directory.people.web_people import ROLES
from services.runtime import clock
from services.runtime.store import Store, Tx
from services.runtime.web import Person, current_person, roles
from services.runtime.web.forms import plain

SHOWN = 50
WHAT = {
    "call.looked": lazy_gettext("通話を閲覧"),
    "call.exported": lazy_gettext("通話履歴を取り出し"),
    "person.added": lazy_gettext("利用者を追加"),
    "person.changed": lazy_gettext("利用者を変更"),
    "person.renewed": lazy_gettext("パスワードを変更"),
    "second_factor.on": lazy_gettext("二段階認証を開始"),
    "second_factor.off": lazy_gettext("二段階認証を解除"),
    "second_factor.codes": lazy_gettext("新しい回復コードを発行"),
    "second_factor.recovered": lazy_gettext("回復コードでログイン"),
    "program.added": lazy_gettext("プログラムの鍵を発行"),
    "program.ended": lazy_gettext("プログラムの鍵を無効化"),
    "tenant_file.changed": lazy_gettext("会社の設定を変更"),
    "tenant_file.removed": lazy_gettext("会社の設定を削除"),
    "identity.changed": lazy_gettext("本人確認の記録を変更"),
    "identity.confirmed": lazy_gettext("本人確認を完了"),
    "identity.looked": lazy_gettext("本人確認の記録を閲覧"),
    "identity.file_added": lazy_gettext("本人確認書類の写しを追加"),
    "identity.exported": lazy_gettext("本人確認の証拠を取り出し"),
    "identity.erased": lazy_gettext("本人確認の記録を消去"),
    "phone.credential_issued": lazy_gettext("電話機のパスワードを発行"),
    "phone.credential_revoked": lazy_gettext("電話機のパスワードを無効化"),
    "phone.settings_fetched": lazy_gettext("電話機が設定を読み取り"),
    "number.added": lazy_gettext("電話番号を在庫に追加"),
    "number.reserve": lazy_gettext("電話番号を予約"),
    "number.release": lazy_gettext("電話番号の予約を取り消し"),
    "number.suspend": lazy_gettext("電話番号の利用を停止"),
    "number.resume": lazy_gettext("電話番号の利用を再開"),
    "number.exported": lazy_gettext("電話番号の一覧を取り出し"),
    "phone_book.added": lazy_gettext("電話帳に追加"),
    "phone_book.changed": lazy_gettext("電話帳を変更"),
    "phone_book.removed": lazy_gettext("電話帳から削除"),
    "phone_book.imported": lazy_gettext("電話帳を取り込み"),
    "phone_book.exported": lazy_gettext("電話帳を取り出し"),
    "import.done": lazy_gettext("表から顧客を取り込み"),
    "import.failed": lazy_gettext("表からの取り込みを中止"),
    "letter.looked": lazy_gettext("処理できなかったメッセージを閲覧"),
    "letter.mended": lazy_gettext("処理できなかったメッセージを修正"),
    "letter.replayed": lazy_gettext("処理できなかったメッセージを再処理"),
    "letter.discarded": lazy_gettext("処理できなかったメッセージを破棄"),
    "audit.erased": lazy_gettext("古い記録の内容を消去"),
    "audit.exported": lazy_gettext("操作の記録を取り出し"),
}
"""What happened, in words; what other parts of directory write stands as it is until they give it words here."""
VALUES = {
    "company": lazy_gettext("会社名"),
    "numbers": lazy_gettext("電話番号"),
    "names": lazy_gettext("氏名"),
    "files": lazy_gettext("ファイル"),
    "failure": lazy_gettext("理由"),
    "unwritten": lazy_gettext("書き込まなかった顧客"),
    "as": lazy_gettext("形式"),
    "name": lazy_gettext("名前"),
    "role": lazy_gettext("権限"),
    "clients": lazy_gettext("担当する会社"),
    "active": lazy_gettext("利用中"),
    "scopes": lazy_gettext("できること"),
    "days": lazy_gettext("有効な日数"),
    "left": lazy_gettext("残り"),
    "entries": lazy_gettext("件数"),
    "number": lazy_gettext("版"),
    "file": lazy_gettext("ファイル"),
    "why": lazy_gettext("理由"),
    "state": lazy_gettext("状態"),
    "client": lazy_gettext("会社"),
    "reason": lazy_gettext("停止の理由"),
    "note": lazy_gettext("メモ"),
    "carrier": lazy_gettext("通信事業者"),
    "count": lazy_gettext("番号の数"),
    "first": lazy_gettext("最初の番号"),
    "last": lazy_gettext("最後の番号"),
    "serial": lazy_gettext("回"),
    "domains": lazy_gettext("ドメイン"),
    "address": lazy_gettext("読み取り元"),
    "format": lazy_gettext("形式"),
    "queue": lazy_gettext("待ち行列"),
    "fields": lazy_gettext("項目"),
    "size": lazy_gettext("大きさ"),
}
WORDS: dict[str, dict[str, Any]] = {"role": dict(ROLES), "state": STATE_NAMES, "reason": REASON_NAMES}
"""Values that are words of ours, by the name of what changed."""
_readers = roles(*MANAGERS)


def blueprint(store: Store) -> Blueprint:
    """Routes under /audit, over directory's own store."""
    room = Blueprint("audit", __name__, template_folder="templates")

    @room.get("/audit")
    @_readers
    def audit_page() -> str:
        asked, person = _asked(), current_person()
        wanted, problem = _wanted(asked, person)
        before = asked["before"]
        older = int(before) if before.isascii() and before.isdigit() and len(before) < 18 else None

        def read(tx: Tx) -> tuple[list[Entry], dict[str, str]]:
            found = [] if problem else audit.entries(tx, wanted, SHOWN + 1, older)
            return found, staff.clients(tx)

        found, clients = store.run(read)
        lines = pages.audit_lines(found[:SHOWN], clients)
        query = {name: value for name, value in asked.items() if value and name != "before"}
        return render_template(
            "audit/list.html",
            lines=lines,
            asked=asked,
            problem=problem,
            clients={name: title for name, title in clients.items() if person.sees(name)},
            what=WHAT,
            values=VALUES,
            words=WORDS,
            query=urlencode(query),
            older=f"/audit?{urlencode({**query, 'before': lines[-1].seq})}" if len(found) > SHOWN else "",
        )

    @room.get("/audit.csv")
    @_readers
    def audit_csv() -> Response:
        return _file(store, as_csv, "text/csv; charset=utf-8", "audit.csv")

    @room.get("/audit.jsonl")
    @_readers
    def audit_json_lines() -> Response:
        return _file(store, as_json_lines, "application/x-ndjson", "audit.jsonl")

    return room


def _file(store: Store, write: Callable[[Iterable[Entry]], Iterator[str]], mimetype: str, name: str) -> Response:
    asked, person = _asked(), current_person()
    wanted, problem = _wanted(asked, person)
    if problem:
        return Response(problem, 422, mimetype="text/plain")
    of = person.tenants[0] if person.visible is not None and len(person.tenants) == 1 else PLATFORM_TENANT
    told = {name: value for name, value in asked.items() if value and name != "before"}
    store.run(lambda tx: audited(tx, person.id, "audit.exported", of, name, after=told, now_us=clock.now_us()), TRIES)
    answer = Response(write(oldest_first(store, wanted)), mimetype=mimetype)
    answer.headers["Content-Disposition"] = f"attachment; filename={name}"
    return answer


def _asked() -> dict[str, str]:
    names = ("who", "tenant", "since", "until", "before")
    return {name: str(plain(request.args.get(name, "")))[:100] for name in names}


def _wanted(asked: dict[str, str], person: Person) -> tuple[Wanted, str]:
    """The filter, within what the visitor may see, and what is wrong with it."""
    try:
        since = day_us(asked["since"], 0)
        until = day_us(asked["until"], 1)
    except (ValueError, OverflowError):
        return Wanted(tenants=()), gettext("日付は 2026-11-22 のように入力してください。")
    return Wanted(person.visible, asked["tenant"], asked["who"], since, until), ""
