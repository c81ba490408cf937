"""The dated tables about numbers that come with the program, as the fields of their lines.

Enters: the name of a file beside this one. Leaves: fields separated by tabs; `#` begins a remark. What they mean
belongs to `areas.py`.
"""

from __future__ import annotations

from importlib.resources import files


def lines(file: str) -> list[list[str]]:
    """Every line but empty ones and remarks."""
    text = files(__package__).joinpath(file).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
