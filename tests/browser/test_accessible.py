"""What axe-core finds wrong for people who see, hear or move otherwise: JIS X 8341-3:2016 AA (WCAG 2.0 AA), and 2.1 AA.

All pages to which a link leads from the first one are looked at, in light and dark, in both languages, one of each
kind; axe-core comes with the package axe-playwright-python.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.visitor import IN_A_BROWSER, Served

pytestmark = IN_A_BROWSER
OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
NO_PAGES = re.compile(r"/(logout|static|events|api)\b|\.(csv|vcf|xlsx|json|jsonl|svg|zip)$")
LINKS = "[...document.querySelectorAll('a[href]')].map(link => link.href)"


CLIENTS = {file.stem for file in (Path(__file__).parents[2] / "deploy" / "tenants").glob("*.yaml")}


def kind(path: str) -> str:
    """One call's page is like the other's, one client's, too."""
    return "/".join("*" if part in CLIENTS or re.search("[0-9]", part) else part for part in path.split("/"))


def _complaints(tab: object, where: str) -> list[str]:
    found = Axe().run(tab, options=OPTIONS).response["violations"]
    return [f"{where}: {one['id']}: {node['html'][:150]}" for one in found for node in one["nodes"]]


@pytest.mark.requirement("D9")
@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(page: object, served: Served, language: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[attr-defined]
    waiting, seen, complaints = [f"{served.url}?lang={language}"], set[str](), list[str]()
    while waiting:
        address = waiting.pop()
        path = urlsplit(address).path
        if not address.startswith(served.url) or kind(path) in seen or NO_PAGES.search(path):
            continue
        seen.add(kind(path))
        page.goto(address)  # type: ignore[attr-defined]
        complaints += _complaints(page, path)
        waiting += page.evaluate(LINKS)  # type: ignore[attr-defined]
    assert complaints == []
    assert len(seen) >= 2, seen


def test_axe_finds_nothing_at_the_log_in(browser: object, served: Served) -> None:
    context = browser.new_context()  # type: ignore[attr-defined]
    tab = context.new_page()
    tab.goto(served.url)
    complaints = _complaints(tab, "log-in")
    tab.get_by_role("button", name="ログイン").click()
    tab.get_by_role("alert").first.wait_for()
    complaints += _complaints(tab, "log-in, refused")
    context.close()
    assert complaints == []


def test_axe_does_find_what_is_wrong(page: object) -> None:
    page.evaluate("document.body.append(document.createElement('img'))")  # type: ignore[attr-defined]
    assert any("image-alt" in one for one in _complaints(page, "here"))
