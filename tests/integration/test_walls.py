"""A client never sees anything of another: every route of the whole application, walked with every role of two clients.

Both clients have names, numbers, people and calls that nobody mistakes. Each role of each of them, and a token of a
program, asks every route of the application for the other client's things by every way that the route has: parts of its
address, its query, its form. A route whose address has a part that this test knows no value for fails it.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import gevent
import msgspec
import pytest
from flask import Flask
from werkzeug.routing import Rule

from proto.events import PersonChanged
from proto.topics import Outgoing, outgoing
from proto.values import PLATFORM_TENANT, Party
from services.compose import House, compose, pages
from services.directory.audit.rows import oldest_first
from services.directory.identity import records as identity
from services.directory.identity.model import Record
from services.directory.imports import kept as imports
from services.directory.numbers import desk as numbers
from services.directory.people import passwords, staff
from services.directory.people import rows as people
from services.directory.people.ranks import RANK, Actor, Role
from services.directory.phone_book import entries as phone_book
from services.directory.phone_book.model import Card
from services.history.report_web import READERS
from services.rooms import BUILDS
from services.runtime import clock
from services.runtime.bus import DeadLetter
from services.runtime.bus.embedded import EmbeddedBus
from services.runtime.settings_values import Settings, Web
from services.runtime.store import Tx
from services.runtime.telephone import written
from services.runtime.web.access import ROLES, TOKEN_SCOPES, is_api, is_file
from tests import stories
from tests.stores import KINDS, stores_of
from tests.visitor import Answer, Visitor

PASSWORD = "correct horse battery"  # noqa: S105
DEADLINE_S = 60
PLATFORM = "switches: [{switch: fs1}]\ncarriers: [{name: trunk, gateway: trunk}]\n"
ROOT = Actor("root", "platform_operator")
LOG_IN = {"/login", "/login/code", "/logout"}
"""Posts that are about the visitor's own session; what they refuse is shown in pages/test_history and elsewhere."""
DOCUMENTS = {"/api/v1/openapi.json", "/api/v1/openapi/<service>.json"}
"""What the API is; nothing of anybody."""

FOR_PHONES = "/provision/<secret>/<file>"
"""Asked by phones, who log in nowhere: whoever knows no secret is told nothing."""


@dataclass(frozen=True)
class Client:
    """A client whose things nobody mistakes for another's."""

    id: str
    name: str
    number: str
    caller: str
    phone_owner: str

    @property
    def file(self) -> str:
        """Its YAML."""
        return (
            f"tenant: {self.id}\nname: {self.name}\ncontract: {{from: 2026-04-01}}\ndomain: {self.id}.example\n"
            f'ids: [{{id: "1001", name: {self.phone_owner}}}]\nlines: [{{line: desk, ids: ["1001"]}}]\n'
            f"numbers: [{{number: {self.number}, kind: leased, mode: published, route: main}}]\n"
            "routes: {main: [{do: [{ring: desk, for_s: 20}, {forward: 09000000000}]}]}\n"
            "hours: {office: {mon-fri: ['9:00-18:00']}}\n"
        )

    @property
    def call(self) -> str:
        """Its one call."""
        return f"call-of-{self.id}"

    def person(self, role: str) -> str:
        """Whoever has this role there."""
        return f"{role.replace('_', '.')}.{self.id}"

    @property
    def kept(self) -> str:
        """A number of the stock that is reserved for it; it may stand in a question, as digits alone."""
        return f"{self.number[:-2]}99"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What stands in no question of a visitor, so in no answer either: names and numbers, as pages write them."""
        plain, caller = self.number, self.caller
        return (
            self.name,
            self.phone_owner,
            f"{self.name}の人",
            plain,
            f"{plain[:2]}-{plain[2:6]}-{plain[6:]}",
            f"+81{plain[1:]}",
            written(self.kept),
            caller,
            f"{caller[:3]}-{caller[3:7]}-{caller[7:]}",
            f"+81{caller[1:]}",
        )


NORTH = Client("north-north", "北の海商会", "0311112222", "09033334444", "北野 一")
SOUTH = Client("south-south", "南の島物産", "0355556666", "08077778888", "南田 二")
TENANT_ROLES: tuple[Role, ...] = tuple(role for role in RANK if role != "platform_operator")


@dataclass
class World:
    """All services in one process, two clients in them, and the people of both, logged in."""

    house: House
    app: Flask
    visitors: dict[tuple[str, str], Visitor] = field(default_factory=dict)

    @property
    def port(self) -> int:
        assert self.house.web is not None
        return self.house.web.port

    def settled(self) -> None:
        """Wait until every queue is empty."""
        with gevent.Timeout(DEADLINE_S):
            while any(self.house.bus.depth(queue) for queue in self.house.queues):
                gevent.sleep(0.02)

    def tell(self, client: Client, story: stories.Story) -> None:
        self.house.bus.publish([outgoing(fact) for fact in story.facts])

    def person(self, role: Role, client: Client | None) -> Visitor:
        """Somebody with this role, logged in."""
        return self.visitors[role, client.id if client else ""]


@pytest.fixture(scope="module", params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The whole application, as it is composed; what each test finds is the same, since no visitor may change it."""
    data, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("tenants")
    (folder / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    for client in (NORTH, SOUTH):
        (folder / f"{client.id}.yaml").write_text(client.file, encoding="utf-8")
    with stores_of(request.param, request, data) as database:
        settings = Settings(data_dir=data, tenants_dir=folder, database=database.url, web=Web(port=0))
        house = compose(settings, EmbeddedBus(data / "bus.sqlite"), tuple(BUILDS))
        for _, part in house.parts:
            part.start()
        world = World(house, pages(house))
        fill(world)
        yield world
        for _, part in reversed(house.parts):
            part.stop()


def fill(world: World) -> None:
    """Calls and people of both clients; everybody is logged in."""
    store, now_us = world.house.stores["directory"], clock.now_us()
    hashed = passwords._hash(PASSWORD, 2**8, 8, 1, b"salt")  # quick: eleven people log in
    everybody = [(role, client) for client in (NORTH, SOUTH) for role in TENANT_ROLES]
    for role, client in [*everybody, ("platform_operator", None)]:
        row = PersonChanged(
            person=client.person(role) if client else "root",
            name=f"{client.name}の人" if client else "運営",
            role=role,  # type: ignore[arg-type]
            tenants=(client.id,) if client else (),
            session_version=1,
        )
        store.run(lambda tx, row=row: people.insert(tx, row, hashed, "console", now_us))  # type: ignore[misc]
    for client in (NORTH, SOUTH):
        caller = Party(number=client.caller, name=f"{client.name}の人")
        world.tell(client, stories.forwarded(client.call, tenant=client.id, caller=caller, dialled=client.number))
        staff.make_token(store, client.person("tenant_administrator"), f"{client.name}の人", ("calls:read",), 30)
        store.run(lambda tx, of=client: check_identity(tx, of, now_us))  # type: ignore[misc]
        numbers.add(store, ROOT, [client.kept], client.name)
        numbers.reserve(store, ROOT, client.kept, client.id, f"{client.name}の人")
    for client in (NORTH, SOUTH):
        card = Card(name=f"{client.name}の人", company=client.phone_owner, numbers=(client.caller,))
        store.run(lambda tx, of=client, card=card: phone_book.add(tx, of.id, card, "root", now_us))  # type: ignore[misc]
    for client in (NORTH, SOUTH):
        key = f"{client.id}.leg.ended"
        world.house.bus.publish([Outgoing(f"poison of {client.id}", "fact", key, client.id, poison(client))])
    moving = {f"{client.name}.csv": client.file.encode() for client in (NORTH, SOUTH)}
    store.run(lambda tx: imports.add(tx, "root", moving, now_us))
    people.tell(store, world.house.bus)
    world.settled()
    for role, client in [*everybody, ("platform_operator", None)]:
        visitor = Visitor(world.port)
        assert visitor.log_in(client.person(role) if client else "root", PASSWORD).status == 303, role
        world.visitors[role, client.id if client else ""] = visitor


def check_identity(tx: Tx, client: Client, now_us: int) -> None:
    """A record that names the client's people, and a copy of a paper that does."""
    record = Record(name=client.name, contact=client.phone_owner, note=client.caller)
    identity.save(tx, "root", client.id, record, 0, False, "", now_us)
    identity.add_copy(tx, "root", client.id, "x.pdf", b"%PDF-" + client.name.encode(), now_us)


# -- what a visitor asks for ---------------------------------------------------------------------------------------


def routes(world: World) -> list[Rule]:
    """All of the application but its files."""
    return [rule for rule in world.app.url_map.iter_rules() if not is_file(world.app, rule.endpoint)]


def put_aside(client: Client) -> str:
    """The id of a letter about the client that a service could not read."""
    return DeadLetter("billing.0", "", poison(client)).id


def poison(client: Client) -> bytes:
    """A fact about a call of the client in which something is missing."""
    call = {"caller": {"number": client.caller}, "name": client.name}
    return msgspec.json.encode({"type": "jp.toritsugi.leg.ended", "tenant": client.id, "id": "x", "data": call})


def things_of(world: World, client: Client) -> dict[str, str]:
    """The client's value of each part that an address may have."""
    held = world.house.stores["directory"].run(lambda tx: people.find(tx, client.person("tenant_administrator")))
    assert held is not None
    return {
        "tenant": client.id,
        "call": client.call,
        "person": client.person("employee"),
        "token": held.tokens[0].id,
        "number": client.kept,
        "hours": "office",
        "revision": "1",
        "service": "history",
        "route": "main",
        "line": "desk",
        "form": "permissions",
        "which": "desk",
        "id": "1001",
        "entry": world.house.stores["directory"].run(lambda tx: phone_book.everyone(tx, client.id)[0].id),
        "imported": world.house.stores["directory"].run(lambda tx: imports.latest(tx, 1)[0].id),
        "phone": "1001",
        "secret": "nobody-has-made-this-one",
        "file": "linphone.xml",
        "letter": put_aside(client),
        "copy": world.house.stores["directory"].run(lambda tx: identity.copies(tx, client.id)[0].id),
    }


def address(rule: Rule, things: dict[str, str]) -> str:
    """The rule's address for these things. Fails for a part of which nothing is known here."""
    unknown = rule.arguments - things.keys()
    assert not unknown, f"{rule.rule}: say in things_of() what of a client its {', '.join(sorted(unknown))} is"
    parts = "".join(quote(things[text]) if dynamic else text for dynamic, text in rule._trace)
    return parts.partition("|")[2]


def leaks(answer: Answer, of: Client) -> list[str]:
    """What of this client stands in an answer, also within the files of a workbook."""
    body = answer.body
    if body.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            body = b"\n".join(archive.read(name) for name in archive.namelist())
    text = body.decode("utf-8", "replace") + repr(answer.headers.items())
    return [secret for secret in of.secrets if secret in text]


def ask(visitor: Visitor, rule: Rule, path: str, form: dict[str, str]) -> dict[str, Answer]:
    """Each method of the route."""
    found = {}
    if "GET" in rule.methods and path != "/live":
        found["GET"] = visitor.get(path)
        found["GET with a query"] = visitor.get(f"{path}?{urlencode(form)}")
    for method in sorted(set(rule.methods or ()) - {"GET", "HEAD", "OPTIONS"}):
        assert method in ("POST", "PUT", "DELETE"), f"{rule.rule} has {method}: teach this test to ask so"
        if path not in LOG_IN:
            found[method] = visitor._ask(method, path, urlencode(form), "text/html")
    return found


def walk(world: World, visitor: Visitor, other: Client) -> Iterator[tuple[Rule, str, Answer]]:
    """Every route asked for the other client's things, and what came back."""
    things = things_of(world, other)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', visitor.get("/login").text)
    assert token is not None
    form = {
        "csrf_token": token.group(1),
        **dict.fromkeys(("tenant", "tenants", "client", "clients"), things["tenant"]),
        **dict.fromkeys(("person", "who"), things["person"]),
        "call": things["call"],
        "name": "x",
        "role": "employee",
        "active": "no",
        "scopes": "calls:read",
    }
    for rule in routes(world):
        for method, answer in ask(visitor, rule, address(rule, things), form).items():
            yield rule, method, answer


def standing(world: World, client: Client) -> list[object]:
    """What directory keeps of this client's people, and of the client itself."""

    def read(tx: object) -> list[object]:
        found = [person for person in people.everybody(tx) if client.id in person.tenants]  # type: ignore[arg-type]
        revisions = tx.tables["revisions"]  # type: ignore[attr-defined]
        rows = tx.sql.execute(revisions.select().where(revisions.c.tenant == client.id))  # type: ignore[attr-defined]
        return [*found, *(tuple(row) for row in rows)]

    return world.house.stores["directory"].run(read)


# -- the walls -----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("D10")
def test_no_role_of_a_client_sees_or_changes_anything_of_another(world: World) -> None:
    for own, other in ((NORTH, SOUTH), (SOUTH, NORTH)):
        before = standing(world, other)
        for role in TENANT_ROLES:
            for rule, method, answer in walk(world, world.person(role, own), other):
                where = f"{role} of {own.id}: {method} {rule.rule} -> {answer.status}"
                assert not leaks(answer, other), f"{where}: {leaks(answer, other)}"
                assert answer.status < 500, where
                if is_api(rule.rule):
                    assert rule.rule in DOCUMENTS or answer.status == 401, "a cookie opens nothing of the API"
                elif rule.arguments:
                    assert answer.status in (302, 403, 404), where
        assert standing(world, other) == before
    people_of = {client.person(role): client.id for client in (NORTH, SOUTH) for role in TENANT_ROLES}
    for entry in oldest_first(world.house.stores["directory"]):
        assert entry.tenant in (PLATFORM_TENANT, people_of.get(entry.who, entry.tenant)), entry


@pytest.mark.requirement("D10")
@pytest.mark.parametrize("role", RANK)
def test_a_token_opens_nothing_of_another_client_and_no_page(world: World, role: Role) -> None:
    store = world.house.stores["directory"]
    own = "root" if role == "platform_operator" else NORTH.person(role)
    token = staff.make_token(store, own, "program", tuple(sorted(TOKEN_SCOPES)), 30)
    people.tell(store, world.house.bus)
    world.settled()
    program, before = Visitor(world.port, token=token), (standing(world, NORTH), standing(world, SOUTH))
    opened = set()
    for rule in routes(world):
        path = address(rule, things_of(world, SOUTH))
        if "GET" in (rule.methods or ()):
            answer = program.get(path)
            assert role == "platform_operator" or not leaks(answer, SOUTH), rule.rule
            assert answer.status in (200, 403, 404), f"{rule.rule} -> {answer.status}"
            opened |= {rule.rule} if answer.status == 200 else set()
        for method in {"POST", "PUT", "DELETE"} & (rule.methods or set()):
            assert program._ask(method, path, "", "application/json").status in (400, 403, 404, 415), rule.rule
    assert all(is_api(rule) for rule in opened), opened
    theirs = {rule for rule in opened if "<" in rule} - DOCUMENTS
    assert not theirs or role == "platform_operator", theirs
    seen = program.get("/api/v1/calls").text
    assert any(secret in seen for secret in NORTH.secrets) == (role in READERS), "and its own it sees"
    assert (standing(world, NORTH), standing(world, SOUTH)) == before


@pytest.mark.requirement("D10")
def test_an_open_page_hears_of_its_own_client_alone(world: World) -> None:
    for role in TENANT_ROLES:
        visitor = world.person(role, NORTH)
        if visitor.get("/").status == 403:
            assert visitor.get("/live", accept="text/event-stream").status == 403
            continue
        stream = visitor.open_stream()
        assert stream.next().keys() == {"retry"}
        number = clock.now_us()
        world.tell(SOUTH, stories.abandoned(f"{SOUTH.call}-{number}", tenant=SOUTH.id))
        world.settled()
        world.tell(NORTH, stories.abandoned(f"{NORTH.call}-{number}", tenant=NORTH.id))
        world.settled()
        heard = stream.next_event()
        assert heard["event"] == "changed"
        assert not [text for text in (*SOUTH.secrets, SOUTH.id) if text in repr(heard)]
        stream.close()


def test_whoever_is_not_logged_in_sees_nothing_at_all(world: World) -> None:
    for client in (NORTH, SOUTH):
        for rule, method, answer in walk(world, Visitor(world.port), client):
            assert not leaks(answer, client), rule.rule
            public = rule.rule in LOG_IN | DOCUMENTS or (rule.rule == FOR_PHONES and answer.status in (404, 429))
            assert public or answer.status in (302, 401), f"{method} {rule.rule} -> {answer.status}"


def test_this_test_would_see_a_wall_that_has_fallen(world: World) -> None:
    """The platform's own operator sees both clients, on every page that shows any."""
    seen = {
        rule.rule
        for client in (NORTH, SOUTH)
        for rule in routes(world)
        if "GET" in (rule.methods or ()) and rule.rule != "/live"
        if leaks(world.person("platform_operator", None).get(address(rule, things_of(world, client))), client)
    }
    assert seen >= {"/", "/calls/<tenant>/<call>", "/people", "/people/<person>", "/audit", "/audit.csv"}
    forms = (
        "hours/<hours>",
        "forwarding/<route>",
        "way/<route>",
        "hours-followers",
        "no-answer/<line>",
        "permissions/<line>",
        "devices/<id>",
        "greeting",
    )
    assert seen >= {"/settings/<tenant>", *(f"/settings/<tenant>/{form}" for form in forms)}
    assert seen >= {"/report", "/report.csv", "/report.xlsx", "/letters/<letter>"}


@pytest.mark.parametrize(
    "hostile", ["\x00", "'\"<b>${x}&;|", "\u202e" + "あ" * 2000, "../../etc/passwd", "-1", "😀\r\nX: y"]
)
def test_no_route_fails_whatever_stands_in_its_address_query_or_form(world: World, hostile: str) -> None:
    admin, things = world.person("platform_operator", None), dict.fromkeys(things_of(world, NORTH), hostile)
    names = (
        "tenant",
        "who",
        "since",
        "until",
        "before",
        "from",
        "to",
        "direction",
        "result",
        "employee",
        "number",
        "talk",
    )
    for rule in routes(world):
        form = dict.fromkeys((*names, "name", "person", "role", "tenants", "code", "old", "lang", "next"), hostile)
        for method, answer in ask(admin, rule, address(rule, things), form).items():
            assert answer.status < 500, f"{method} {rule.rule} -> {answer.status}"
            if answer.headers.get("Content-Type", "").startswith("text/html"):
                assert "<b>$" not in answer.text, rule.rule


def test_every_role_is_walked() -> None:
    assert {*TENANT_ROLES, "platform_operator"} == ROLES
