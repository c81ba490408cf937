"""Every Japanese text of the pages has an English one: a forgotten text would stand in the middle of a page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

SERVICES = Path(__file__).parents[2] / "services"
CALLS = {"_": None, "gettext": None, "lazy_gettext": None}
JAPANESE = re.compile(r"[\u3000-\u30ff\u4e00-\u9fff]")


def catalogue() -> dict[str, str]:
    """What all rooms together translate."""
    found: dict[str, str] = {}
    for file in SERVICES.glob("**/translations/en.po"):
        with file.open("rb") as source:
            found.update({str(one.id): str(one.string) for one in read_po(source, abort_invalid=True) if one.id})
    return found


def texts() -> list[tuple[str, str]]:
    """(file, text) of each text that templates and code give to gettext."""
    found = []
    for method, pattern in (("jinja2.ext:babel_extract", "**/templates/**/*.html"), ("python", "**/*.py")):
        for file in sorted(SERVICES.glob(pattern)):
            for _, message, *_ in extract_from_file(method, file, CALLS):  # type: ignore[arg-type]
                found.append((file.relative_to(SERVICES).as_posix(), str(message)))
    return found


@pytest.mark.requirement("D9")
def test_every_text_is_translated_with_the_same_values_in_it() -> None:
    known = catalogue()
    missing = sorted({(file, text) for file, text in texts() if not known.get(text)})
    assert not missing
    for text, english in known.items():
        assert set(re.findall(r"%\(\w+\)s", text)) == set(re.findall(r"%\(\w+\)s", english)), text
        assert not JAPANESE.search(english), english


def test_no_text_stands_outside_of_gettext_in_a_template() -> None:
    """What is left of a template without its comments and expressions is the same in both languages."""
    for file in sorted(SERVICES.glob("**/templates/**/*.html")):
        bare = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not JAPANESE.search(bare), f"{file.name}: {JAPANESE.search(bare)}"


def test_the_search_for_texts_finds_them() -> None:
    assert ("runtime/web/templates/base.html", "ログアウト") in texts()
    assert len(texts()) > 50
