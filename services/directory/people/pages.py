"""PURE What the list of people shows.

Enters: people, the names of clients. Leaves: page values; words in the visitor's language are put in by
`web_people.py` and the templates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from proto.events import PersonChanged


class PersonLine(msgspec.Struct, frozen=True):
    """One line of the list of people."""

    id: str
    name: str
    role: str
    all_clients: bool
    clients: tuple[str, ...]
    """Their names; a client that is gone goes by its id."""
    active: bool
    second_factor: bool


def person_lines(
    people: Iterable[PersonChanged], clients: Mapping[str, str], with_second_factor: Collection[str]
) -> list[PersonLine]:
    """The list of people, in their order."""
    return [
        PersonLine(
            person.person,
            person.name,
            person.role,
            person.role == "platform_operator",
            tuple(clients.get(tenant, tenant) for tenant in person.tenants),
            person.active,
            person.person in with_second_factor,
        )
        for person in people
    ]
