"""Error pages: a sentence that a visitor understands, in the visitor's language, and nothing of the machine's.

Enters: HTTP errors and bugs. Leaves: a page, the same words as JSON for scripts of pages, or what `problems.py` says to
programs. Bugs go to the log.
"""

from __future__ import annotations

from flask import Flask, Response, jsonify, make_response, render_template, request
from flask_babel import gettext, lazy_gettext
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError

from services.runtime.bus import Unavailable
from services.runtime.log import get_logger
from services.runtime.store import Conflict
from services.runtime.web import problems
from services.runtime.web.access import is_api, wants_page

log = get_logger("web")

SENTENCES = {
    400: lazy_gettext("送られた内容を読み取れませんでした。前の画面に戻り、もう一度お試しください。"),
    401: lazy_gettext("ログインが必要です。"),
    403: lazy_gettext("この画面を見る権限がありません。"),
    404: lazy_gettext("お探しの画面は見つかりませんでした。"),
    405: lazy_gettext("この操作はできません。"),
    413: lazy_gettext("送られた内容が大きすぎます。"),
    429: lazy_gettext("続けて失敗したため、しばらく受け付けません。時間をおいてお試しください。"),
    500: lazy_gettext("処理中に問題が起きました。時間をおいてお試しください。"),
    503: lazy_gettext("ただいま混み合っています。時間をおいてお試しください。"),
}


def set_up(app: Flask) -> None:
    """Handle everything that goes wrong in a request."""
    app.register_error_handler(CSRFError, _form_too_old)
    app.register_error_handler(HTTPException, _show)
    app.register_error_handler(Unavailable, _database_away)
    app.register_error_handler(Conflict, _database_away)  # others were faster each time: later it will go
    app.register_error_handler(Exception, _bug)


def _show(error: HTTPException) -> Response:
    code = error.code or 500
    if error.response is not None:
        return make_response(error.response)
    if is_api(request.path):
        answer = problems.answer(code, error)
    else:
        answer = _answer(code, str(SENTENCES.get(code, SENTENCES[400 if code < 500 else 500])))
    for name, value in error.get_headers():
        if name in ("Retry-After", "Allow", "WWW-Authenticate"):
            answer.headers[name] = value
    return answer


def _form_too_old(_error: CSRFError) -> Response:
    return _answer(400, gettext("画面を開いてから時間がたったため、送信できませんでした。もう一度お試しください。"))


def _database_away(error: Unavailable | Conflict) -> Response:
    log.warning("page not shown", reason=str(error))
    return _answer(503, str(SENTENCES[503]))


def _bug(error: Exception) -> Response:
    log.error("page failed", exc_info=error)
    return _answer(InternalServerError.code, str(SENTENCES[500]))


def _answer(code: int, sentence: str) -> Response:
    if is_api(request.path):
        return problems.answer(code)
    if wants_page():
        return make_response(render_template("error.html", code=code, sentence=sentence), code)
    return make_response(jsonify(error=sentence), code)
