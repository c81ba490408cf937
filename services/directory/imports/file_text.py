"""A client's values -> the text of its file: a new one as a person would write it, or what stands, changed in place.

Enters: plain values as a file has them; the text that stands, if there is one. Leaves: bytes that `yaml_files.py` reads
as exactly these values, or ValueError. How a text that stands keeps its comments belongs to `edit.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from proto.tenant import Tenant
from services.directory.imports.proposal import Standing
from services.directory.imports.values import number_shown
from services.directory.tenants.edit import ABSENT, CannotEdit, edited, rendered
from services.directory.tenants.yaml_files import parse

_NUMBERS = ("number", "forward", "present")
"""Keys whose digits people write with hyphens."""
_ORDER = tuple(field.encode_name for field in msgspec.structs.fields(Tenant))


def text_of(plain: dict[str, Any], stands: Standing | None, was: dict[str, Any] | None) -> bytes:
    """The whole text. Raises ValueError where it would not say what is meant."""
    if stands is None:
        text = new_text(plain)
    else:
        changed = {
            (key,): plain.get(key, ABSENT) for key in {**plain, **(was or {})} if plain.get(key) != (was or {}).get(key)
        }
        try:
            text = edited(stands.text, {path: _written(value) for path, value in changed.items()})
        except CannotEdit as error:
            raise ValueError(str(error)) from None
    document, problems = parse(Tenant, text, "new")
    if document is None:
        raise ValueError(str(problems[0]))
    if document.body != _meant(plain):
        raise ValueError("the text would say something else")
    return text


def _meant(plain: dict[str, Any]) -> Tenant:
    return msgspec.convert(plain, Tenant)


def new_text(plain: Mapping[str, Any]) -> bytes:
    """A new file: keys in their usual order, one entry a line."""
    lines: list[str] = []
    for key in _ORDER:
        value = _written(plain.get(key))
        if not value:
            continue
        if isinstance(value, list):
            lines += [f"{key}:", *(f"  - {rendered(entry)}" for entry in value)]
        elif key in ("hours", "routes"):
            lines.append(f"{key}:")
            for name, below in value.items():
                lines += _below(name, below)
        else:
            lines.append(f"{key}: {rendered(value)}")
    return ("\n".join(lines) + "\n").encode()


def _below(name: str, value: Any) -> list[str]:
    if isinstance(value, list):
        return [f"  {rendered(name)}:", *(f"    - {rendered(entry)}" for entry in value)]
    return [f"  {rendered(name)}: {rendered(value)}"]


def _written(value: Any, key: str = "") -> Any:
    """The same with telephone numbers as people write them."""
    if isinstance(value, Mapping):
        return {name: _written(below, name) for name, below in value.items()}
    if isinstance(value, list | tuple):
        return [_written(entry) for entry in value]
    return number_shown(value) if key in _NUMBERS and isinstance(value, str) else value
