"""What axe-core finds wrong for people who see, hear or move otherwise: JIS X 8341-3:2016 AA (WCAG 2.0 AA), and 2.1 AA.

All pages to which a link leads from the first one are looked at, in light and dark, in both languages, one of each
kind; axe-core comes with the package axe-playwright-python.
"""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.visitor import IN_A_BROWSER, Served, walk

pytestmark = IN_A_BROWSER
OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}


def _complaints(tab: object, where: str) -> list[str]:
    found = Axe().run(tab, options=OPTIONS).response["violations"]
    return [f"{where}: {one['id']}: {node['html'][:150]}" for one in found for node in one["nodes"]]


@pytest.mark.requirement("D9")
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("scheme", "language"), [("light", "ja"), ("dark", "en")])  # colours know no language
def test_axe_finds_nothing_on_any_page(page: object, served: Served, language: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[attr-defined]
    found = {path: _complaints(page, path) for path, _ in walk(page, f"{served.url}?lang={language}", served)}
    assert [one for some in found.values() for one in some] == []
    assert len(found) >= 20, found.keys()


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
