"""A phone book in a real browser: somebody is added by keyboard, the name stands beside the calls that came."""

from __future__ import annotations

import pytest

from tests.browser.test_accessible import _complaints
from tests.browser.visitor import IN_A_BROWSER, Served, keep

pytestmark = IN_A_BROWSER


@pytest.mark.requirement("D5")
def test_somebody_is_added_by_keyboard_and_named_beside_their_calls(page: object, served: Served) -> None:
    page.get_by_role("link", name="電話帳").press("Enter")  # type: ignore[attr-defined]
    page.get_by_role("link", name="追加").press("Enter")  # type: ignore[attr-defined]
    page.get_by_label("氏名").focus()  # type: ignore[attr-defined]
    for typed in ("緑川 <b>", "ミドリカワ", "緑川商店", "０９０−１１１１−２２２２"):
        page.keyboard.insert_text(typed)  # type: ignore[attr-defined]
        page.keyboard.press("Tab")  # type: ignore[attr-defined]
    assert _complaints(page, "phone book, one") == []
    page.keyboard.press("Enter")  # type: ignore[attr-defined]
    page.get_by_role("status").get_by_text("保存しました。").wait_for()  # type: ignore[attr-defined]
    page.get_by_label("名前、フリガナ、会社名、電話番号の一部で探す").fill("みどり")  # type: ignore[attr-defined]
    page.keyboard.press("Enter")  # type: ignore[attr-defined]
    page.get_by_role("link", name="090-1111-2222").wait_for()  # type: ignore[attr-defined]
    assert _complaints(page, "phone book") == []
    keep(page, "-phone-book")
    page.get_by_role("link", name="CSV、Excel、vCardから取り込む").click()  # type: ignore[attr-defined]
    page.get_by_role("button", name="送って登録する").wait_for()  # type: ignore[attr-defined]
    assert _complaints(page, "phone book, file") == []
    page.goto(served.url)  # type: ignore[attr-defined]
    page.locator("#last-calls tr", has_text="090-1111-2222").get_by_text("緑川 <b> (緑川商店)").wait_for()  # type: ignore[attr-defined]
    page.set_viewport_size({"width": 360, "height": 740})  # type: ignore[attr-defined]
    page.goto(f"{served.url}phone-book/acme")  # type: ignore[attr-defined]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # type: ignore[attr-defined]
    keep(page, "-phone-book-narrow")
