"""Fixtures that every kind of test may ask for, and the rule that no greenlet dies unheard."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import TracebackType

import hypothesis
import pytest
import structlog
from gevent.hub import Hub

from tests.postgres import postgres
from tests.rabbitmq import broker
from tests.stores import database, house_database

__all__ = ["broker", "database", "house_database", "postgres"]

# With rich installed (the audit's tools bring it) structlog draws each traceback for seconds, in the middle of a test.
structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback

# A busy machine makes an example slow, not wrong; all else as it is usual here (in CI: the same examples each time).
hypothesis.settings.register_profile("patient", hypothesis.settings(deadline=None))
hypothesis.settings.load_profile("patient")

_died: list[str] = []
_report = Hub.handle_error


def _note(
    hub: Hub, context: object, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    """What gevent only prints when a greenlet or a callback of the loop ends with an exception."""
    if not issubclass(kind, hub.NOT_ERROR):
        _died.append("".join(["in ", repr(context), ":\n", *traceback.format_exception(kind, error, trace)]))
    _report(hub, context, kind, error, trace)


Hub.handle_error = _note


@pytest.fixture(autouse=True)
def _no_greenlet_dies() -> Iterator[None]:
    """A greenlet that ends with an exception fails the test in which it did, or the next one."""
    yield
    deaths, _died[:] = list(_died), []
    assert not deaths, "a greenlet died " + "\n".join(deaths)


@pytest.fixture
def greenlets_that_died() -> list[str]:
    """For tests in which one is meant to: take what is expected out of it."""
    return _died
