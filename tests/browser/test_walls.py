"""Two clients in a real browser: wherever a link leads, nothing of the other client is to be seen.

Each role, each address and each way of asking is walked in `tests/integration/test_walls.py`; here what people see.
"""

from __future__ import annotations

import pytest

from tests.browser.test_people import visit
from tests.browser.visitor import IN_A_BROWSER, Served, walk

pytestmark = IN_A_BROWSER
NAMES = {"acme": "株式会社アクメ", "beta": "株式会社ベータ"}
CALLS = {"acme": "call-1", "beta": "call-beta"}
PASSWORD = "correct horse"  # noqa: S105


@pytest.fixture(scope="module")
def neighbours(served: Served) -> Served:
    """Two clients, with people of every role."""
    served.say("neighbours")
    return served


@pytest.mark.requirement("D10")
def test_no_link_leads_to_anything_of_another_client(browser: object, neighbours: Served) -> None:
    for role, client, other in (("tenant_administrator", "acme", "beta"), ("employee", "beta", "acme")):
        tab = visit(browser, neighbours, f"{role.replace('_', '.')}.{client}", PASSWORD)
        tab.get_by_role("heading", name="自分の設定", exact=True).wait_for()  # type: ignore[attr-defined]
        told = ""
        for path, links in walk(tab, neighbours.url, neighbours):
            text = tab.locator("body").inner_text()  # type: ignore[attr-defined]
            assert NAMES[other] not in text, path
            assert not [link for link in links if f"/{other}" in link], path
            told += text
        assert NAMES[client] in told
        for path in (f"/calls/{other}/{CALLS[other]}", f"/settings/{other}", f"/phones/{other}"):
            answer = tab.goto(neighbours.url.rstrip("/") + path)  # type: ignore[attr-defined]
            assert answer.status in (403, 404), path
        tab.context.close()  # type: ignore[attr-defined]
