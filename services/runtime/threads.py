"""Work that blocks (files), beside the hub.

Enters: a closure. Leaves: its result, or its error, raised where it was asked for. Databases have threads of their own
(`store.py`); nothing here may use gevent's primitives inside the closure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import gevent

T = TypeVar("T")


def in_thread(work: Callable[[], T]) -> T:
    """In the hub's thread pool; errors come back as values, since a raising task would be printed there."""

    def guarded() -> tuple[T | None, Exception | None]:
        try:
            return work(), None
        except Exception as error:
            return None, error

    result, error = gevent.get_hub().threadpool.apply(guarded)
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]
