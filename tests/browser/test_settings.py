"""A client company's business hours in a real browser: typed, tried, saved, seen by the next call, taken back."""

from __future__ import annotations

import pytest
from playwright import sync_api as playwright

from tests.browser.visitor import DEADLINE_MS, IN_A_BROWSER, Served, keep, log_in

pytestmark = IN_A_BROWSER


def test_hours_are_tried_saved_and_taken_back_by_hand(page: object) -> None:
    open_form(page, "営業時間 office")
    sunday = page.get_by_label("日曜日")  # type: ignore[attr-defined]
    assert page.get_by_label("月曜日").input_value() == "9:00-18:00"  # type: ignore[attr-defined]
    assert sunday.input_value() == ""

    sunday.fill("１０：００〜１２：００")
    page.get_by_role("button", name="どう変わるか見る").click()  # type: ignore[attr-defined]
    page.locator("#preview").get_by_text("03-1234-5678 日 10:00–12:00").wait_for()  # type: ignore[attr-defined]
    page.get_by_text("まだ保存していません。").wait_for()  # type: ignore[attr-defined]

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
    open_form(tab, "営業時間 office")
    tab.get_by_label("土曜日").fill("午前だけ")
    tab.get_by_role("button", name="どう変わるか見る").click()
    tab.get_by_role("alert").get_by_text("時刻は 9:00-12:00").wait_for()
    assert tab.get_by_label("土曜日").input_value() == "午前だけ"
    context.close()


@pytest.mark.requirement("D4", "R23")
def test_a_forwarding_target_typed_in_japanese_takes_the_next_call_and_is_taken_back(
    page: object, served: Served
) -> None:
    """By the keyboard alone: full-width digits that are still being composed, what would change, save, take back."""
    assert next_call(served) == "09087654321"
    open_form(page, "電話番号と転送 03-1234-5678 代表番号")
    number = page.get_by_label("転送先の電話番号")  # type: ignore[attr-defined]
    assert number.input_value() == "090-8765-4321"
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))  # type: ignore[attr-defined]
    number.focus()
    page.keyboard.press("Control+a")  # type: ignore[attr-defined]
    composed = page.context.new_cdp_session(page)  # type: ignore[attr-defined]
    for text in ("０８０", "０８０ー９８７６", "０８０ー９８７６ー５４３２"):
        composed.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229, "text": "\r"}
    composed.send("Input.dispatchKeyEvent", {"type": "keyDown", **enter})
    composed.send("Input.insertText", {"text": "０８０ー９８７６ー５４３２"})
    composed.send("Input.dispatchKeyEvent", {"type": "keyUp", **enter})
    assert number.input_value() == "０８０ー９８７６ー５４３２"
    for _ in range(3):
        page.keyboard.press("Tab")  # type: ignore[attr-defined]
    page.keyboard.press("Enter")  # type: ignore[attr-defined]
    preview = page.locator("#preview")  # type: ignore[attr-defined]
    preview.get_by_text("080-9876-5432へ30秒転送する").first.wait_for()
    assert sent.count("POST") == 1, "the Enter that accepts a word sends nothing"
    preview.get_by_text("090-8765-4321へ30秒転送する").first.wait_for()
    keep(page, "-forwarding")
    assert next_call(served) == "09087654321"

    page.get_by_role("button", name="保存", exact=True).press("Enter")  # type: ignore[attr-defined]
    page.get_by_role("status").get_by_text("保存しました。次の着信から有効です。").wait_for()  # type: ignore[attr-defined]
    assert number.input_value() == "080-9876-5432"
    assert next_call(served) == "08098765432"

    page.get_by_role("button", name="最後の変更を元に戻す").press("Enter")  # type: ignore[attr-defined]
    page.get_by_role("status").get_by_text("元に戻しました。").wait_for()  # type: ignore[attr-defined]
    assert next_call(served) == "09087654321"


@pytest.mark.requirement("D4", "D9")
def test_a_step_is_added_and_moved_by_the_keyboard_alone_and_takes_the_next_call(page: object, served: Served) -> None:
    """営業時間の最初に、社長の携帯を15秒鳴らす手順を足す。"""
    assert next_call(served) == "09087654321"
    page.get_by_role("link", name="設定", exact=True).click()  # type: ignore[attr-defined]
    page.get_by_role("link", name="電話の流れ 電話番号と転送 03-1234-5678 代表番号").press("Enter")  # type: ignore[attr-defined]
    page.get_by_role("button", name="手順を足す 時間帯 1").press("Enter")  # type: ignore[attr-defined]
    for place in (3, 2, 1):
        group = page.get_by_role("group", name=f"時間帯 1 の手順 {place}")  # type: ignore[attr-defined]
        focused = page.locator(f"[name=rules-0-steps-{place - 1}-what]:focus")  # type: ignore[attr-defined]
        playwright.expect(focused).to_be_in_viewport(timeout=DEADLINE_MS)
        if place > 1:
            group.get_by_role("button", name="上へ").press("Enter")
    group.get_by_label("何をするか").select_option(label="外の電話番号へ転送する")
    group.get_by_label("転送先の電話番号").fill("０８０ー９８７６ー５４３２")
    group.get_by_label("呼び出す秒数").fill("１５")
    page.keyboard.press("Enter")  # type: ignore[attr-defined]
    preview = page.locator("#preview")  # type: ignore[attr-defined]
    preview.get_by_text("のあいだ：080-9876-5432へ15秒転送する → グループ").first.wait_for()
    keep(page, "-way")
    assert next_call(served) == "09087654321", "nothing is saved yet"
    page.get_by_role("button", name="保存", exact=True).press("Enter")  # type: ignore[attr-defined]
    page.get_by_role("status").get_by_text("保存しました。次の着信から有効です。").wait_for()  # type: ignore[attr-defined]
    assert next_call(served) == "08098765432"
    page.get_by_role("button", name="最後の変更を元に戻す").press("Enter")  # type: ignore[attr-defined]
    page.get_by_role("status").get_by_text("元に戻しました。").wait_for()  # type: ignore[attr-defined]
    assert next_call(served) == "09087654321"


def test_only_what_a_step_needs_is_shown(page: object) -> None:
    """By the style sheet: without scripts, too."""
    page.get_by_role("link", name="設定", exact=True).click()  # type: ignore[attr-defined]
    page.get_by_role("link", name="電話の流れ 電話番号と転送 03-1234-5678 代表番号").click()  # type: ignore[attr-defined]
    step = page.get_by_role("group", name="時間帯 1 の手順 3")  # type: ignore[attr-defined]
    number, seconds = step.get_by_label("転送先の電話番号"), step.get_by_label("呼び出す秒数")
    for what, shown in (("voicemail:sales", (False, False)), ("ring:sales", (False, True)), ("forward", (True, True))):
        step.get_by_label("何をするか").select_option(what)
        assert (number.is_visible(), seconds.is_visible()) == shown, what


def test_every_form_fits_a_phone(page: object) -> None:
    page.set_viewport_size({"width": 360, "height": 640})  # type: ignore[attr-defined]
    page.get_by_role("link", name="設定", exact=True).click()  # type: ignore[attr-defined]
    page.get_by_role("heading", name="会社の設定").wait_for()  # type: ignore[attr-defined]
    links = page.evaluate("[...document.querySelectorAll('.settings-link')].map(link => link.href)")  # type: ignore[attr-defined]
    one_of_each = {link.split("/")[5]: link for link in links}
    assert len(one_of_each) == 12
    for form in one_of_each.values():
        page.goto(form)  # type: ignore[attr-defined]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), form  # type: ignore[attr-defined]


def open_form(tab: object, name: str) -> None:
    """From the menu over the page of all settings."""
    tab.get_by_role("link", name="設定", exact=True).click()  # type: ignore[attr-defined]
    tab.get_by_role("link", name=f"変える {name}").click()  # type: ignore[attr-defined]
    tab.get_by_role("button", name="どう変わるか見る").wait_for()  # type: ignore[attr-defined]


def next_call(served: Served) -> str:
    """Whom routing has a call forwarded to that comes in now, in office hours."""
    return served.say("call 0312345678")
