"""Whoever visits the pages in a browser (Debian's chromium): the served pages, the browser, a person who is logged in.

Enters: nothing. Leaves: fixtures (`conftest.py` takes them from here), `log_in`, and `keep` for pictures: with
TORITSUGI_PICTURE=FILE.png the first page is kept there, further pictures beside it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
DEADLINE_MS = 30_000
if os.environ.get("CI"):  # there nothing may be left out: what is missing fails
    import playwright.sync_api as playwright
else:
    playwright = pytest.importorskip("playwright.sync_api")

IN_A_BROWSER = pytest.mark.skipif(
    not Path(CHROMIUM).exists() and not os.environ.get("CI"), reason="chromium is not installed"
)


@dataclass
class Served:
    """The pages in their process."""

    url: str
    password: str
    process: subprocess.Popen[str]

    def say(self, word: str) -> str:
        """Make something happen, and wait until the services have heard of it; what is answered, if anything."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        done, _, answer = self.process.stdout.readline().strip().partition(" ")
        assert done == "done"
        return answer


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
    process.wait(timeout=60)


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


NO_PAGES = re.compile(r"/(logout|static|events|api)\b|\.(csv|vcf|xlsx|json|jsonl|svg|zip)$")
LINKS = "[...document.querySelectorAll('a[href]')].map(link => link.href)"
CLIENTS = {file.stem for file in (Path(__file__).parents[2] / "deploy" / "tenants").glob("*.yaml")}


def walk(tab: object, start: str, served: Served) -> Iterator[tuple[str, list[str]]]:
    """Every page to which a link leads, one of each kind: its path and its links. The tab shows it meanwhile."""
    waiting, seen = [start], set[str]()
    while waiting:
        address = waiting.pop()
        path = urlsplit(address).path
        if not address.startswith(served.url) or _kind(path) in seen or NO_PAGES.search(path):
            continue
        seen.add(_kind(path))
        tab.goto(address)  # type: ignore[attr-defined]
        links = tab.evaluate(LINKS)  # type: ignore[attr-defined]
        yield path, links
        waiting += links


def _kind(path: str) -> str:
    """One call's page is like the other's, one client's, too."""
    return "/".join("*" if part in CLIENTS or re.search("[0-9]", part) else part for part in path.split("/"))


def keep(tab: object, name: str = "") -> None:
    """A picture, if somebody wants one."""
    wanted = os.environ.get("TORITSUGI_PICTURE")
    if wanted:
        path = Path(wanted)
        tab.screenshot(path=path.with_stem(path.stem + name), full_page=True)  # type: ignore[attr-defined]
