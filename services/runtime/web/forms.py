"""Parts of forms that every room uses; their looks stand in `templates/forms.html`.

Enters: what a visitor typed. Leaves: the same as plain text: full-width letters and digits are taken as plain ones
(NFKC), blanks around are gone. What may be typed belongs to the rooms.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from wtforms import SelectMultipleField
from wtforms.widgets import CheckboxInput, ListWidget


def plain(typed: Any) -> Any:
    """A filter of fields: text as NFKC without blanks around; whatever else as it is."""
    return unicodedata.normalize("NFKC", typed).strip() if isinstance(typed, str) else typed


class Boxes(SelectMultipleField):  # type: ignore[misc]
    """Several of some choices, each a box to tick; whether a choice is allowed is checked where it is used."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()
    validate_choice = False
