"""Sixty open pages over HTTP: each hears of a change, fetches the calls, and sees its own clients' alone."""

from __future__ import annotations

from dataclasses import dataclass

import gevent
import pytest
from jinja2 import meta

from proto.envelope import Envelope
from proto.events import PersonChanged
from proto.values import PLATFORM_TENANT, Party
from services.runtime import clock
from tests import stories
from tests.pages_house import DEADLINE_S, PagesHouse
from tests.visitor import Visitor

CALLERS = {"acme": "090-5555-0001", "minato": "090-5555-0002", "shibuya": "090-5555-0003"}
"""Who calls each client."""
KINDS = (
    ("tenant_administrator", ("acme",)),
    ("tenant_administrator", ("minato",)),
    ("read_only", ("acme",)),
    ("reseller", ("shibuya", "acme")),
    ("reseller", ("acme", "shibuya")),
    ("platform_operator", ()),
    ("read_only", ()),
)
PAGES = 60
CALLS = "/live/calls"


@dataclass(frozen=True)
class Page:
    """Somebody who has the first page open."""

    visitor: Visitor
    role: str
    clients: tuple[str, ...]
    lang: str

    @property
    def numbers(self) -> set[str]:
        """Whose calls belong on it."""
        everything = self.role == "platform_operator"
        return {number for client, number in CALLERS.items() if everything or client in self.clients}

    def calls(self) -> str:
        """As it fetches them: in its language, and nobody else's."""
        text = self.visitor.get(CALLS).text
        assert ("Calls in progress" in text, "進行中の通話" in text) == (self.lang == "en", self.lang == "ja")
        assert not [number for number in set(CALLERS.values()) - self.numbers if number in text]
        return text

    def reads_until_all_are_there(self) -> str:
        """Fetches only when it is told to."""
        stream, text = self.visitor.open_stream(), ""
        assert stream.next().keys() == {"retry"}
        text = self.calls()  # what was told before the stream stood
        while not all(number in text for number in self.numbers):
            assert stream.next_event()["event"] == "changed"
            text = self.calls()
        stream.close()
        return text


def opened(house: PagesHouse) -> list[Page]:
    """People of each kind in turn, known to the pages and logged in."""
    signed = house.app.session_interface.get_signing_serializer(house.app)  # type: ignore[attr-defined]
    found = []
    for n in range(PAGES):
        role, clients = KINDS[n % len(KINDS)]
        known = PersonChanged(person=f"p{n}", name=f"Person {n}", role=role, tenants=clients, session_version=1)  # type: ignore[arg-type]
        told = Envelope(
            body=known, id=f"person-{n}", source="directory", tenant=PLATFORM_TENANT, occurred_at_us=clock.now_us()
        )
        house.tell([told])
        lang = "en" if n % 2 else "ja"
        cookie = signed.dumps({"_permanent": True, "person": f"p{n}", "role": role, "version": 1})
        visitor = Visitor(house.server.port, {"toritsugi": cookie, "toritsugi_lang": lang})
        found.append(Page(visitor, role, clients, lang))
    house.drained()
    return found


@pytest.mark.requirement("D7")
def test_sixty_open_pages_show_a_call_of_their_clients_and_of_nobody_else(house: PagesHouse) -> None:
    pages = opened(house)
    reading = [gevent.spawn(page.reads_until_all_are_there) for page in pages]
    for client, number in CALLERS.items():
        caller = Party(number=number.replace("-", ""))
        house.tell(stories.forwarded(f"call-{client}", tenant=client, caller=caller).facts)
    gevent.joinall(reading, timeout=4 * DEADLINE_S, raise_error=True)
    assert all(one.ready() for one in reading), "a page waits for news, or was told of none"


def test_those_who_see_the_same_get_the_same_to_the_letter(house: PagesHouse) -> None:
    house.tell(stories.forwarded("c1").facts)
    house.drained()
    texts: dict[tuple[frozenset[str], str], set[str]] = {}
    for page in opened(house):
        texts.setdefault((frozenset(page.numbers), page.lang), set()).add(page.calls())
    assert all(len(same) == 1 for same in texts.values())
    assert len(texts) == 10, "five sights in two languages"


def test_what_is_shared_is_made_of_the_calls_alone(house: PagesHouse) -> None:
    """Nothing of the visitor can get into it: neither name, role nor token is there when it is made."""
    env = house.app.jinja_env
    assert env.loader is not None
    for name, given in (("calls", {"page", "_"}), ("cells", set())):
        source, _, _ = env.loader.get_source(env, f"history/{name}.html")
        assert meta.find_undeclared_variables(env.parse(source)) <= given
