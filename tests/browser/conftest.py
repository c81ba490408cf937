"""What every test in a browser may ask for."""

from __future__ import annotations

from tests.browser.visitor import browser, page, served

__all__ = ["browser", "page", "served"]
