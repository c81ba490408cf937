"""The pages in a real browser (Debian's chromium): log-in, live calls without reloading, Japanese and English.

Run without gevent: `python -m pytest tests/browser`. TORITSUGI_PICTURE=FILE.png keeps a picture of the first page;
further pictures go beside it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
DEADLINE_MS = 10_000
if os.environ.get("CI"):  # there nothing may be left out: what is missing fails
    import playwright.sync_api as playwright
else:
    playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists() and not os.environ.get("CI"), reason="chromium is not installed"
)


@dataclass
class Served:
    """The pages in their process."""

    url: str
    password: str
    process: subprocess.Popen[str]

    def say(self, word: str) -> None:
        """Make something happen, and wait until the services have heard of it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Pages with a few calls."""
    folder = tmp_path_factory.mktemp("pages")
    command = [sys.executable, "-m", "tests.browser.serve", str(folder)]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    lines = (json.loads(line) for line in process.stdout if line.startswith('{"url"'))
    told = next(lines)
    yield Served(told["url"], told["password"], process)
    process.stdin.write("stop\n")
    process.stdin.close()
    process.wait(timeout=20)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """One chromium for all tests."""
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: object, served: Served) -> Iterator[object]:
    """A fresh visitor, logged in; whatever the browser complains of fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})  # type: ignore[attr-defined]
    context.set_default_timeout(DEADLINE_MS)
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    log_in(tab, served)
    yield tab
    context.close()
    assert complaints == []


def log_in(tab: object, served: Served) -> None:
    """With the keyboard only."""
    tab.goto(served.url)  # type: ignore[attr-defined]
    tab.get_by_label("利用者名").fill("ａｄｍｉｎ")  # type: ignore[attr-defined]
    tab.keyboard.press("Tab")  # type: ignore[attr-defined]
    tab.keyboard.type(served.password)  # type: ignore[attr-defined]
    tab.keyboard.press("Enter")  # type: ignore[attr-defined]
    tab.get_by_role("heading", name="進行中の通話").wait_for()  # type: ignore[attr-defined]


def keep(tab: object, name: str = "") -> None:
    """A picture, if somebody wants one."""
    wanted = os.environ.get("TORITSUGI_PICTURE")
    if wanted:
        path = Path(wanted)
        tab.screenshot(path=path.with_stem(path.stem + name), full_page=True)  # type: ignore[attr-defined]


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
    bars = page.locator("#picture .leg")  # type: ignore[attr-defined]
    assert [bars.nth(n).locator(".leg-name").inner_text().split("\n")[0] for n in range(bars.count())] == [
        "発信者",
        "電話機 1001",
        "転送先 090-1234-5678",
    ]
    rang, talked = bars.nth(2).locator(".ringing").bounding_box(), bars.nth(2).locator(".talking").bounding_box()
    missed = bars.nth(1).locator(".ringing").bounding_box()
    assert missed["x"] + missed["width"] <= rang["x"] + 2, "the mobile rings after the desk phone gave up"
    assert talked["width"] > 5 * missed["width"]
    page.get_by_text("転送先 090-1234-5678と通話開始").wait_for()  # type: ignore[attr-defined]
    page.locator("#steps .why").get_by_text("hours office: open").wait_for()  # type: ignore[attr-defined]
    keep(page, "-call")


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
