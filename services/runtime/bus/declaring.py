"""Makes what RabbitMQ must hold, or only looks whether it stands.

Enters: declarations of `topology.py` and an open channel (pika's, duck-typed: pika itself is imported in `rabbitmq.py`
alone). Leaves: requests on that channel, or one that RabbitMQ closed, and what a person can do about that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from services.runtime.bus.topology import Declaration

_ADVICE = {
    403: "this user may not; one that may declare nothing needs `bus_declares: no`",
    406: "an earlier version made it otherwise: empty it (`toritsugi letters`), end every process, delete it, start",
    404: "with `bus_declares: no` it must stand: import what `toritsugi bus definitions` prints",
}


def declare(channel: Any, steps: Iterable[Declaration], *, only_look: bool) -> None:
    """Ask for all of it without waiting: an answer to whatever is asked next on this channel says that all stands.

    `only_look`: make nothing; a binding cannot be looked at and is taken as given. What is refused closes the channel,
    with RabbitMQ's reason.
    """
    for step in steps:
        if step.method == "exchange":
            # When it is only looked at, RabbitMQ compares neither kind nor arguments.
            channel.exchange_declare(step.name, step.kind, only_look, True, arguments=step.arguments)
        elif step.method == "queue":
            channel.queue_declare(step.name, only_look, True, arguments=step.arguments)
        elif only_look:
            continue
        elif step.method == "bind_queue":
            channel.queue_bind(step.name, step.source, step.key)
        else:
            channel.exchange_bind(step.name, step.source, step.key)


def advice_on(reason: Any) -> str:
    """What RabbitMQ said when it closed a channel and what to do about it, or nothing if a new try may help."""
    advice = _ADVICE.get(getattr(reason, "reply_code", 0))
    return "" if advice is None else f"RabbitMQ says {reason.reply_text}: {advice}"
