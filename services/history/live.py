"""The one feed of history's pages in this process.

Enters: notices from the worker, after each commit. Leaves: the streams of open pages. How a feed works stands in
`runtime/web/live.py`.
"""

from __future__ import annotations

from services.runtime.web.live import Feed

FEED = Feed()
