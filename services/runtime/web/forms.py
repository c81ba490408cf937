"""Parts of forms that every room uses; their looks stand in `templates/forms.html`.

Enters: what a visitor typed. Leaves: the same as plain text: full-width letters and digits are taken as plain ones
(NFKC), blanks around are gone. NUL, which no database keeps, is refused; what else may be typed belongs to the rooms.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from flask import Flask, abort, current_app, request
from wtforms import FieldList, SelectMultipleField
from wtforms.widgets import CheckboxInput, ListWidget

View = TypeVar("View", bound=Callable[..., Any])
_LARGEST = "_toritsugi_largest_upload"


def uploads(largest_bytes: int) -> Callable[[View], View]:
    """A view that takes files: its requests may be so large, all others as the application says."""

    def declare(view: View) -> View:
        setattr(view, _LARGEST, largest_bytes)
        return view

    return declare


def set_up(app: Flask) -> None:
    """Refuse what is no text before anybody looks at it."""
    app.before_request(_allow_uploads)
    app.before_request(_refuse_nul)


def _allow_uploads() -> None:
    """Before anybody reads the form. How large an upload may be is known from its view, which the address names."""
    largest = getattr(current_app.view_functions.get(request.endpoint or ""), _LARGEST, None)
    if largest is not None:
        request.max_content_length = largest


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


class Rows(FieldList):  # type: ignore[misc]
    """Entries of several fields each. What a visitor sends as the number of one is at most three plain digits."""

    def _extract_indices(self, prefix: str, formdata: Any) -> Iterator[int]:
        numbered = re.compile(rf"{re.escape(prefix)}-([0-9]{{1,3}})-")
        return (int(found[1]) for name in formdata if (found := numbered.match(name)))
