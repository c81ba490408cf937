"""People in a real browser: added by keyboard alone, held by their walls, and with a second step of the log-in."""

from __future__ import annotations

import time

import pyotp
import pytest

from tests.browser.visitor import IN_A_BROWSER, Served, keep

pytestmark = IN_A_BROWSER


def visit(browser: object, served: Served, name: str, password: str) -> object:
    """A browser of somebody else, who has given name and password."""
    context = browser.new_context()  # type: ignore[attr-defined]
    context.set_default_timeout(20_000)
    tab = context.new_page()
    tab.goto(f"{served.url}login?next=/account")
    tab.get_by_label("利用者名").fill(name)
    tab.get_by_label("パスワード").fill(password)
    tab.keyboard.press("Enter")
    return tab


def heading(tab: object, name: str) -> None:
    tab.get_by_role("heading", name=name, exact=True).wait_for()  # type: ignore[attr-defined]


@pytest.mark.requirement("D10")
def test_somebody_is_added_by_keyboard_alone_and_sees_only_what_their_role_may(
    page: object, browser: object, served: Served
) -> None:
    page.get_by_role("link", name="利用者", exact=True).press("Enter")  # type: ignore[attr-defined]
    page.get_by_role("link", name="利用者を追加").press("Enter")  # type: ignore[attr-defined]
    page.locator("#person").focus()  # type: ignore[attr-defined]
    for keys in ("suzuki", "Tab", "鈴木 一郎", "Tab", "ArrowDown", "ArrowDown", "ArrowDown", "Tab", "Enter"):
        if keys in ("Tab", "ArrowDown", "Enter"):
            page.keyboard.press(keys)  # type: ignore[attr-defined]
        else:
            page.keyboard.insert_text(keys)  # type: ignore[attr-defined]
    heading(page, "新しいパスワード")
    password = page.locator(".secret").inner_text()  # type: ignore[attr-defined]
    page.get_by_role("link", name="利用者の一覧へ").press("Enter")  # type: ignore[attr-defined]
    row = page.get_by_role("row").filter(has_text="suzuki")  # type: ignore[attr-defined]
    assert "会社の管理者" in row.inner_text()
    assert "株式会社アクメ" in row.inner_text()
    keep(page, "-people")
    tab = visit(browser, served, "suzuki", password)
    heading(tab, "自分の設定")
    tab.get_by_role("link", name="利用者", exact=True).click()  # type: ignore[attr-defined]
    assert tab.get_by_role("row").count() == 2, "the head and oneself"  # type: ignore[attr-defined]
    tab.goto(f"{served.url}people/admin")  # type: ignore[attr-defined]
    heading(tab, "お探しの画面は見つかりませんでした。")
    tab.goto(f"{served.url}audit")  # type: ignore[attr-defined]
    heading(tab, "操作の記録")
    assert "鈴木 一郎" in tab.locator("tbody").inner_text()  # type: ignore[attr-defined]
    tab.context.close()  # type: ignore[attr-defined]


@pytest.mark.requirement("D10")
def test_a_phone_that_has_read_the_square_code_opens_the_second_step(browser: object, served: Served) -> None:
    tab = visit(browser, served, "admin", served.password)
    heading(tab, "自分の設定")
    tab.get_by_role("link", name="二段階認証の設定").click()  # type: ignore[attr-defined]
    tab.get_by_label("今のパスワード").fill(served.password)  # type: ignore[attr-defined]
    tab.keyboard.press("Enter")  # type: ignore[attr-defined]
    heading(tab, "二段階認証を始める")
    drawn = tab.locator(".square svg").bounding_box()  # type: ignore[attr-defined]
    assert drawn["width"] == drawn["height"] > 100
    phone = pyotp.TOTP(tab.locator(".secret").inner_text().replace(" ", ""))  # type: ignore[attr-defined]
    tab.get_by_label("認証コード").fill(phone.at(int(time.time())))  # type: ignore[attr-defined]
    tab.keyboard.press("Enter")  # type: ignore[attr-defined]
    heading(tab, "回復コード")
    code = tab.locator(".codes li").first.inner_text()  # type: ignore[attr-defined]
    other = visit(browser, served, "admin", served.password)
    heading(other, "認証コード")
    other.get_by_label("認証コード").fill(code)  # type: ignore[attr-defined]
    other.keyboard.press("Enter")  # type: ignore[attr-defined]
    heading(other, "自分の設定")
    other.context.close()  # type: ignore[attr-defined]
    tab.context.close()  # type: ignore[attr-defined]
