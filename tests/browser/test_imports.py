"""A hundred clients move in at a page, in a real browser: seen before, written while a bar shows how far, linked."""

from __future__ import annotations

from pathlib import Path

from tests.browser.test_accessible import _complaints
from tests.browser.visitor import IN_A_BROWSER, Served, keep
from tests.spreadsheets import of_clients, workbook

pytestmark = IN_A_BROWSER
WATCH = """
window.seen = [];
const look = () => {
  const bar = document.querySelector("progress");
  if (bar) window.seen.push(bar.value);
};
look();
const all = { childList: true, subtree: true, attributes: true };
new MutationObserver(look).observe(document.getElementById("import"), all);
"""


def test_a_hundred_clients_are_imported_while_the_page_shows_how_far(page: object, tmp_path: Path) -> None:
    file = tmp_path / "moving.xlsx"
    file.write_bytes(workbook(of_clients(100, "9:00-18:00")))
    page.get_by_role("link", name="取り込み").click()  # type: ignore[attr-defined]
    assert _complaints(page, "imports") == []
    keep(page, "-imports")
    page.get_by_label("ExcelまたはCSVのファイル").set_input_files(file)  # type: ignore[attr-defined]
    page.get_by_role("button", name="送って確かめる").click()  # type: ignore[attr-defined]
    page.get_by_text("誤りはありません").wait_for()  # type: ignore[attr-defined]
    assert page.locator("tbody tr").count() == 100  # type: ignore[attr-defined]
    keep(page, "-import-preview")
    page.get_by_role("button", name="100件の顧客を書き込む").click()  # type: ignore[attr-defined]
    page.get_by_role("progressbar").wait_for()  # type: ignore[attr-defined]
    page.evaluate(WATCH)  # type: ignore[attr-defined]
    keep(page, "-import-progress")
    page.get_by_text("100件の顧客を取り込みました。").wait_for(timeout=60_000)  # type: ignore[attr-defined]
    seen = page.evaluate("window.seen")  # type: ignore[attr-defined]
    assert seen == sorted(seen) and seen[0] < 100, "it was seen on its way"
    page.set_viewport_size({"width": 360, "height": 740})  # type: ignore[attr-defined]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # type: ignore[attr-defined]
    assert _complaints(page, "written") == []
    keep(page, "-import-done")
    page.get_by_role("link", name="第100商事株式会社").click()  # type: ignore[attr-defined]
    page.get_by_text("第100商事株式会社").first.wait_for()  # type: ignore[attr-defined]


def test_errors_are_shown_by_row_also_on_a_narrow_screen(page: object, tmp_path: Path, served: Served) -> None:
    sheets = of_clients(2)
    sheets["番号"] = [*sheets["番号"], ("kaisha999", 312345678, "直通", "<b>999</b>")]
    file = tmp_path / "moving.xlsx"
    file.write_bytes(workbook(sheets))
    page.set_viewport_size({"width": 360, "height": 740})  # type: ignore[attr-defined]
    page.goto(f"{served.url}imports?lang=en")  # type: ignore[attr-defined]
    page.get_by_label("Excel or CSV files").set_input_files(file)  # type: ignore[attr-defined]
    page.get_by_role("button", name="Send and look").click()  # type: ignore[attr-defined]
    page.get_by_text('"<b>999</b>" is not allowed').wait_for()  # type: ignore[attr-defined]
    assert page.get_by_role("button", name="Write").count() == 0  # type: ignore[attr-defined]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # type: ignore[attr-defined]
    assert _complaints(page, "errors") == []
    keep(page, "-import-errors")
