"""Japanese first, English too: which language a visitor reads, and the catalogue of translations.

Enters: `?lang=en`, a cookie, and `translations/en.po` of the shell and of each room. Leaves: gettext for templates. The
texts in templates are Japanese, so Japanese needs no catalogue; the .po files are read at start, not compiled before.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, Response, current_app, request
from flask_babel import Babel, Domain

from services.runtime.web.access import is_api

LANGUAGES = {"ja": "日本語", "en": "English"}
DEFAULT = "ja"
COOKIE = "toritsugi_lang"
_YEAR_S = 365 * 24 * 3600


class _Catalogues(Domain):  # type: ignore[misc]
    """flask-babel's look-up, fed from .po files in memory."""

    def __init__(self, by_language: dict[str, Translations]) -> None:
        super().__init__()
        self._by_language = by_language

    def get_translations(self) -> NullTranslations:
        """What the visitor's language has; texts that it lacks stay Japanese."""
        return self._by_language.get(current_language(), NullTranslations())


class _Babel(Babel):  # type: ignore[misc]
    def __init__(self, by_language: dict[str, Translations]) -> None:
        super().__init__()
        self._catalogues = _Catalogues(by_language)

    @property
    def domain_instance(self) -> Domain:
        """Where flask-babel asks for texts."""
        return self._catalogues


def current_language() -> str:
    """`ja` or `en`: asked for now, else asked for earlier, else (by a program) preferred, else Japanese."""
    for asked in (request.args.get("lang"), request.cookies.get(COOKIE)):
        if asked in LANGUAGES:
            return asked
    preferred = request.accept_languages.best_match(LANGUAGES) if is_api(request.path) else None
    return preferred or DEFAULT


def set_up(app: Flask, rooms: Iterable[Path]) -> None:
    """Read the catalogues of the shell and of the folders `rooms`; later ones win."""
    english = Translations()
    for folder in (Path(__file__).parent, *rooms):
        file = folder / "translations" / "en.po"
        if file.exists():
            english.merge(read_catalogue(file))
    _Babel({"en": english}).init_app(
        app, default_locale=DEFAULT, default_timezone="Asia/Tokyo", locale_selector=current_language
    )
    app.after_request(_remember)
    app.context_processor(_for_templates)


def read_catalogue(file: Path) -> Translations:
    """A .po file as translations. Raises ValueError for a broken one, naming the file."""
    with file.open("rb") as source:
        catalogue = read_po(source, locale=file.stem, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


def _for_templates() -> dict[str, Any]:
    here = current_language()
    other = "en" if here == "ja" else "ja"
    # After a refused form the address of the form itself is shown; one that cannot be looked at leads to page one.
    adapter = current_app.create_url_adapter(request)
    path = request.path if adapter is not None and adapter.test(request.path, "GET") else "/"
    link = f"{quote(path)}?{urlencode({**request.args.to_dict(), 'lang': other})}"
    return {"lang": here, "other_lang": other, "other_lang_name": LANGUAGES[other], "other_lang_link": link}


def _remember(response: Response) -> Response:
    asked = request.args.get("lang")
    if asked in LANGUAGES and not is_api(request.path):
        secure = current_app.config["SESSION_COOKIE_SECURE"]
        response.set_cookie(COOKIE, asked, max_age=_YEAR_S, samesite="Lax", httponly=True, secure=secure)
    return response
