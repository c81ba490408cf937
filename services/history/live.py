"""The one feed of history's pages in this process: the worker tells it, the pages' streams read it."""

from __future__ import annotations

from services.runtime.web.live import Feed

FEED = Feed()
