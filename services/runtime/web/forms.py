"""Parts of forms that every room uses; their looks stand in `templates/forms.html`.

Enters: what a visitor typed. Leaves: the same as plain text: full-width letters and digits are taken as plain ones
(NFKC), blanks around are gone. NUL, which no database keeps, is refused; what else may be typed belongs to the rooms.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from flask import Flask, abort, request
from wtforms import SelectMultipleField
from wtforms.widgets import CheckboxInput, ListWidget


def set_up(app: Flask) -> None:
    """Refuse what is no text before anybody looks at it."""
    app.before_request(_refuse_nul)


def _refuse_nul() -> None:
    """A visitor who types cannot send NUL (U+0000), and PostgreSQL's text cannot hold it."""
    values = (text for source in (request.args, request.form) for pair in source.items(multi=True) for text in pair)
    if "\x00" in request.path or any("\x00" in text for text in values):
        abort(400)


def plain(typed: Any) -> Any:
    """A filter of fields: text as NFKC without blanks around; whatever else as it is."""
    return unicodedata.normalize("NFKC", typed).strip() if isinstance(typed, str) else typed


class Boxes(SelectMultipleField):  # type: ignore[misc]
    """Several of some choices, each a box to tick; whether a choice is allowed is checked where it is used."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()
    validate_choice = False
