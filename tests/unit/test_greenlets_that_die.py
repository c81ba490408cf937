"""The suite's own ear for greenlets: gevent only prints that one has died, and nobody reads that."""

from __future__ import annotations

import gevent


def test_a_greenlet_that_dies_is_heard_with_its_reason(greenlets_that_died: list[str]) -> None:
    def stumble() -> None:
        raise ZeroDivisionError("nobody waits for me")

    gevent.joinall([gevent.spawn(stumble), gevent.spawn(gevent.sleep, 0)])
    (death,) = greenlets_that_died
    greenlets_that_died.clear()  # else this very test fails
    assert "ZeroDivisionError: nobody waits for me" in death
    assert "in stumble" in death


def test_a_greenlet_that_is_ended_has_not_died(greenlets_that_died: list[str]) -> None:
    one = gevent.spawn(gevent.sleep, 60)
    gevent.idle()
    one.kill()
    assert greenlets_that_died == []
