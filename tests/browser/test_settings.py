"""A client company's business hours in a real browser: typed, tried, saved, seen by the next call, taken back."""

from __future__ import annotations

from tests.browser.visitor import IN_A_BROWSER, Served, keep, log_in

pytestmark = IN_A_BROWSER


def test_hours_are_tried_saved_and_taken_back_by_hand(page: object) -> None:
    page.get_by_role("link", name="設定").click()  # type: ignore[attr-defined]
    page.get_by_role("heading", name="営業時間").wait_for()  # type: ignore[attr-defined]
    sunday = page.get_by_label("日曜日")  # type: ignore[attr-defined]
    assert page.get_by_label("月曜日").input_value() == "9:00-18:00"  # type: ignore[attr-defined]
    assert sunday.input_value() == ""

    sunday.fill("１０：００〜１２：００")
    page.get_by_role("button", name="どう変わるか見る").click()  # type: ignore[attr-defined]
    page.locator("#preview").get_by_text("03-1234-5678 日 10:00–12:00").wait_for()  # type: ignore[attr-defined]
    page.get_by_text("まだ保存していません。").wait_for()  # type: ignore[attr-defined]
    keep(page, "-hours")

    page.get_by_role("button", name="保存", exact=True).click()  # type: ignore[attr-defined]
    page.get_by_role("status").get_by_text("保存しました。次の着信から有効です。").wait_for()  # type: ignore[attr-defined]
    assert sunday.input_value() == "10:00-12:00"

    page.get_by_role("button", name="最後の変更を元に戻す").click()  # type: ignore[attr-defined]
    page.get_by_role("status").get_by_text("元に戻しました。").wait_for()  # type: ignore[attr-defined]
    assert sunday.input_value() == ""


def test_a_mistake_is_said_beside_its_field_and_nothing_is_lost(browser: object, served: Served) -> None:
    context = browser.new_context()  # type: ignore[attr-defined]
    tab = context.new_page()
    log_in(tab, served)
    tab.get_by_role("link", name="設定").click()
    tab.get_by_label("土曜日").fill("午前だけ")
    tab.get_by_role("button", name="どう変わるか見る").click()
    tab.get_by_role("alert").get_by_text("時刻は 9:00-12:00").wait_for()
    assert tab.get_by_label("土曜日").input_value() == "午前だけ"
    context.close()


def test_the_form_fits_a_phone(page: object) -> None:
    page.set_viewport_size({"width": 360, "height": 640})  # type: ignore[attr-defined]
    page.get_by_role("link", name="設定").click()  # type: ignore[attr-defined]
    page.get_by_role("heading", name="営業時間").wait_for()  # type: ignore[attr-defined]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # type: ignore[attr-defined]
