"""A phone gets a password and loses it again, by keyboard alone; what is shown once is readable for everybody."""

from __future__ import annotations

import re

import pytest

from tests.browser.test_accessible import _complaints
from tests.browser.visitor import IN_A_BROWSER, Served

pytestmark = IN_A_BROWSER


@pytest.mark.requirement("R34")
def test_a_password_is_issued_and_ended_by_keyboard_alone(page: object, served: Served) -> None:
    tab = page
    address = f"{served.url.rstrip('/')}/phones/acme/1002"
    tab.goto(address)  # type: ignore[attr-defined]
    issue = tab.get_by_role("button", name="パスワードを発行")  # type: ignore[attr-defined]
    issue.focus()
    tab.keyboard.press("Enter")  # type: ignore[attr-defined]
    tab.get_by_role("heading", name="新しいパスワード").wait_for()  # type: ignore[attr-defined]
    assert re.fullmatch(r"([a-z2-9]{5}-){3}[a-z2-9]{5}", tab.locator(".secret").first.inner_text())  # type: ignore[attr-defined]
    assert tab.locator("svg").count() == 1, "the square code"  # type: ignore[attr-defined]
    assert _complaints(tab, "issued") == []
    tab.goto(address)  # type: ignore[attr-defined]
    summary = tab.get_by_text("この電話機を使えなくする")  # type: ignore[attr-defined]
    assert not tab.get_by_role("button", name="パスワードを無効にする").is_visible(), "asked first"  # type: ignore[attr-defined]
    summary.focus()
    tab.keyboard.press("Enter")  # type: ignore[attr-defined]
    assert _complaints(tab, "asked") == []
    tab.get_by_role("button", name="パスワードを無効にする").focus()  # type: ignore[attr-defined]
    tab.keyboard.press("Enter")  # type: ignore[attr-defined]
    tab.get_by_role("status").wait_for()  # type: ignore[attr-defined]
    assert _complaints(tab, "ended") == []
