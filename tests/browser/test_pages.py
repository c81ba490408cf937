"""The pages in a real browser: log-in, live calls without reloading, Japanese and English.

Run without gevent: `python -m pytest tests/browser`.
"""

from __future__ import annotations

import pytest

from tests.browser.visitor import IN_A_BROWSER, Served, keep

pytestmark = IN_A_BROWSER


def test_the_first_page_shows_calls_with_result_and_charge(page: object) -> None:
    last = page.locator("#last-calls")  # type: ignore[attr-defined]
    for text in ("090-1111-2222", "非通知", "公衆電話", "緊急通報", "使われていない番号", "52.8円(税込)", "2分05秒"):
        last.get_by_text(text).first.wait_for()
    page.locator("#live-calls").get_by_text("名古屋物産").wait_for()  # type: ignore[attr-defined]
    page.get_by_text("自動更新中").wait_for()  # type: ignore[attr-defined]
    keep(page)


def test_a_new_call_appears_and_changes_without_a_reload(page: object, served: Served) -> None:
    page.get_by_text("自動更新中").wait_for()  # type: ignore[attr-defined]
    page.evaluate("window.sameDocument = true")  # type: ignore[attr-defined]
    served.say("ring")
    row = page.locator("#live-calls tr", has_text="080-1234-5678")  # type: ignore[attr-defined]
    row.get_by_text("呼出中").wait_for()
    row.get_by_text("<b>新しい客</b>").wait_for()
    row.get_by_role("link").focus()
    served.say("answer")
    row.get_by_text("通話中").wait_for()
    assert page.evaluate("window.sameDocument") is True  # type: ignore[attr-defined]
    assert row.get_by_role("link").evaluate("link => link === document.activeElement"), "focus stays"
    clock = row.locator("[data-running]")
    before = clock.inner_text()
    page.wait_for_function(  # type: ignore[attr-defined]
        "([before]) => [...document.querySelectorAll('[data-running]')].every(cell => cell.textContent !== before)",
        arg=[before],
    )


@pytest.mark.requirement("D8")
def test_the_story_of_a_call_is_a_picture_of_its_legs_and_each_step_with_its_reason(page: object) -> None:
    page.locator("#last-calls tr", has_text="山田 太郎").get_by_role("link").click()  # type: ignore[attr-defined]
    page.get_by_role("heading", name="回線の流れ").wait_for()  # type: ignore[attr-defined]
    lanes = page.locator("#picture .lane")  # type: ignore[attr-defined]
    assert [lanes.nth(n).locator(".lane-name").text_content() for n in range(lanes.count())] == [
        "発信者",
        "電話機 1001",
        "転送先 090-1234-5678",
    ]
    rang, talked = lanes.nth(2).locator(".ringing").bounding_box(), lanes.nth(2).locator(".talking").bounding_box()
    missed = lanes.nth(1).locator(".ringing").bounding_box()
    assert missed["x"] + missed["width"] <= rang["x"] + 2, "the mobile rings after the desk phone gave up"
    assert talked["width"] > 5 * missed["width"]
    page.get_by_role("cell", name="転送先 090-1234-5678と通話開始").wait_for()  # type: ignore[attr-defined]
    page.locator("#steps .why").get_by_text("hours office: open").wait_for()  # type: ignore[attr-defined]
    keep(page, "-call")


@pytest.mark.requirement("D2")
def test_calls_are_found_with_the_keyboard_alone_and_saved(page: object) -> None:
    page.get_by_role("link", name="通話履歴").click()  # type: ignore[attr-defined]
    page.get_by_role("heading", name="終わった通話").wait_for()  # type: ignore[attr-defined]
    page.get_by_label("相手の電話番号").focus()  # type: ignore[attr-defined]
    page.keyboard.type("０６−６１２３")  # type: ignore[attr-defined]
    page.keyboard.press("Enter")  # type: ignore[attr-defined]
    page.get_by_role("link", name="条件を消す").wait_for()  # type: ignore[attr-defined]
    page.wait_for_url("**number=*")  # type: ignore[attr-defined]
    rows = page.locator(".calls tr:not(.day)", has_text="06-6123-4567")  # type: ignore[attr-defined]
    rows.first.wait_for()
    assert page.locator(".calls tbody tr:not(.day)").count() == rows.count() == 1  # type: ignore[attr-defined]
    with page.expect_download() as saved:  # type: ignore[attr-defined]
        page.get_by_role("link", name="CSV").click()  # type: ignore[attr-defined]
    assert "06-6123-4567" in saved.value.path().read_text(encoding="utf-8-sig")
    page.set_viewport_size({"width": 360, "height": 740})  # type: ignore[attr-defined]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # type: ignore[attr-defined]
    keep(page, "-report")


def test_the_language_link_changes_everything_and_is_remembered(page: object, served: Served) -> None:
    page.get_by_role("link", name="English").click()  # type: ignore[attr-defined]
    page.get_by_role("heading", name="Calls in progress").wait_for()  # type: ignore[attr-defined]
    assert page.locator("html").get_attribute("lang") == "en"  # type: ignore[attr-defined]
    page.goto(served.url)  # type: ignore[attr-defined]
    page.locator("#last-calls").get_by_text("¥52.8 (tax incl.)").first.wait_for()  # type: ignore[attr-defined]
    keep(page, "-english")


def test_a_switch_that_is_not_heard_is_said_so_and_dark_screens_stay_readable(page: object, served: Served) -> None:
    page.emulate_media(color_scheme="dark")  # type: ignore[attr-defined]
    served.say("lose")
    page.get_by_role("alert").get_by_text("fs2").wait_for()  # type: ignore[attr-defined]
    keep(page, "-dark")


def test_enter_that_accepts_a_japanese_word_does_not_send_the_form(browser: object, served: Served) -> None:
    context = browser.new_context()  # type: ignore[attr-defined]
    tab = context.new_page()
    tab.goto(served.url)
    composing = "new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true, cancelable: true})"
    plain = composing.replace("isComposing: true", "isComposing: false")
    name = tab.get_by_label("利用者名")
    assert name.evaluate(f"field => field.dispatchEvent({composing})") is False
    assert name.evaluate(f"field => field.dispatchEvent({plain})") is True
    context.close()


def test_the_log_in_on_a_narrow_screen(browser: object, served: Served) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 640})  # type: ignore[attr-defined]
    tab = context.new_page()
    tab.goto(served.url)
    tab.get_by_label("利用者名").fill("admin")
    tab.get_by_role("button", name="ログイン").click()
    tab.get_by_role("alert").get_by_text("パスワードを入力してください。").wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    keep(tab, "-login")
    context.close()


@pytest.mark.parametrize(
    ("path", "heading", "name"),
    [
        ("report", "通話履歴", "-report"),
        ("settings/acme", "営業時間", "-settings"),
        ("health", "稼働状況", "-health"),
    ],
)
def test_the_main_pages_are_as_in_the_pictures(
    page: object, served: Served, path: str, heading: str, name: str
) -> None:
    page.goto(served.url + path)  # type: ignore[attr-defined]
    page.get_by_role("heading", name=heading, exact=True).wait_for()  # type: ignore[attr-defined]
    keep(page, name)


@pytest.mark.requirement("D7")
def test_the_live_page_keeps_up_with_twenty_calls_a_second(page: object, served: Served) -> None:
    """Last: what other tests look for is pushed off the page."""
    page.get_by_text("自動更新中").wait_for()  # type: ignore[attr-defined]
    page.evaluate("window.sameDocument = true")  # type: ignore[attr-defined]
    served.say("rush")
    page.locator("#last-calls").get_by_text("050-1234-0099").wait_for()  # type: ignore[attr-defined]
    page.get_by_text("自動更新中").wait_for()  # type: ignore[attr-defined]
    assert page.evaluate("window.sameDocument") is True  # type: ignore[attr-defined]
