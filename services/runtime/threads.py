"""Work that blocks (files), beside the hub.

Enters: a closure. Leaves: its result, or its error, raised where it was asked for. Databases have threads of their own
(`store.py`); nothing here may use gevent's primitives inside the closure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import gevent
from gevent.threadpool import ThreadPool

T = TypeVar("T")

_under_way = 0
_ending = 0


def busy() -> bool:
    """Whether somebody on the hub waits for a thread, or has not taken its answer yet."""
    return _under_way > 0


def ending() -> bool:
    """Whether somebody on the hub waits for threads to be gone, looking every few milliseconds."""
    return _ending > 0


def end(pool: ThreadPool) -> None:
    """Returns when the threads of a pool are gone, after what they have begun."""
    global _ending
    _ending += 1
    try:
        pool.kill()
    finally:
        _ending -= 1


def ask(pool: ThreadPool, work: Callable[[], T]) -> T:
    """What a pool's thread makes of it; meanwhile the hub counts as busy. `work` must not raise (see `in_thread`)."""
    global _under_way
    _under_way += 1
    try:
        result: T = pool.apply(work)
        return result
    finally:
        _under_way -= 1


def in_thread(work: Callable[[], T]) -> T:
    """In the hub's thread pool; errors come back as values, since a raising task would be printed there."""

    def guarded() -> tuple[T | None, Exception | None]:
        try:
            return work(), None
        except Exception as error:
            return None, error

    result, error = ask(gevent.get_hub().threadpool, guarded)
    if error is not None:
        raise error
    return cast(T, result)
