"""What a message is: one frozen struct, defined once, with a name and a version on the wire.

Enters: subclasses in `events.py` and `commands.py`. Leaves: the registries from which envelope, schemas, topics and
the exported contract are derived. A changed meaning is a new VERSION; a new optional field is not.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all facts and requests. Who, when and for whom stands in the envelope, not here."""

    NAME: ClassVar[str]
    VERSION: ClassVar[int] = 1

    def key(self) -> str:
        """What must happen only once, named alike from event, CDR file and snapshot. Empty: the message id decides."""
        return ""


class Event(Message, frozen=True, kw_only=True):
    """A fact, in the past tense. Delivered at least once; consumers are idempotent."""


class Command(Message, frozen=True, kw_only=True):
    """A request to one switch, in the imperative. Carried out at most once."""

    switch: str


def registry(*modules: object) -> dict[str, type[Message]]:
    """Name on the wire -> class, for every message defined in `modules`. Raises ValueError if a name stands twice."""
    found: dict[str, type[Message]] = {}
    for module in modules:
        for item in vars(module).values():
            if isinstance(item, type) and issubclass(item, Message) and "NAME" in vars(item):
                if item.NAME in found and found[item.NAME] is not item:
                    raise ValueError(f"two messages are called {item.NAME}")
                found[item.NAME] = item
    return found
