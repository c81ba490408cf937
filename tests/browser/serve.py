"""Pages with a few calls in them, for the browser tests: `python -m tests.browser.serve FOLDER`.

Enters: a folder; on stdin, one word per line (`answer`, `ring`, `rush`: twenty calls a second for five seconds, `lose`,
`call NUMBER`, `stop`). Leaves: on stdout one JSON line with address and password, then `done` after each word, with the
target after `call`. Its own process, since
Playwright and gevent do not share one.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import gevent  # noqa: E402
import msgspec  # noqa: E402
from gevent.fileobject import FileObject  # noqa: E402

from proto import events as e  # noqa: E402
from proto.envelope import Envelope, decode  # noqa: E402
from proto.plan import Forward  # noqa: E402
from proto.tenant import Tenant  # noqa: E402
from proto.topics import Outgoing, Queue, outgoing  # noqa: E402
from proto.values import PLATFORM_TENANT, Party, command_id  # noqa: E402
from services.directory.numbers import desk  # noqa: E402
from services.directory.people.ranks import Actor  # noqa: E402
from services.routing import service as routing  # noqa: E402
from services.runtime import clock, log  # noqa: E402
from services.runtime.bus.embedded import EmbeddedBus  # noqa: E402
from services.runtime.store import Store  # noqa: E402
from services.runtime.worker import Worker  # noqa: E402
from tests import clients, stories  # noqa: E402
from tests.pages_house import PagesHouse  # noqa: E402
from tests.stores import Database, Files  # noqa: E402

MINUTE_US = 60 * stories.SECOND
PER_SECOND = 20


def stored_calls(now_us: int) -> list[stories.Story]:
    """What happened before the page was opened."""
    return [
        stories.forwarded("call-1", start_us=now_us - 11 * MINUTE_US),
        stories.abandoned("call-2", start_us=now_us - 9 * MINUTE_US, caller=Party(presentation="withheld")),
        stories.emergency("call-3", start_us=now_us - 7 * MINUTE_US, caller=Party(number="0312345678")),
        stories.not_in_use(
            "call-4", start_us=now_us - 6 * MINUTE_US, caller=Party(number="0661234567", name="大阪商事")
        ),
        stories.forwarded("call-5", start_us=now_us - 5 * MINUTE_US, caller=Party(presentation="payphone")),
        stories.queued("call-6", start_us=now_us - 2 * MINUTE_US, caller=Party(number="0525556666", name="名古屋物産")),
    ]


def ringing(call: str, now_us: int) -> stories.Story:
    """A caller whose call has just come in."""
    story = stories.Story(call, start_us=now_us, caller=Party(number="08012345678", name="<b>新しい客</b>"))
    story.arrive()
    story.ring(f"{call}-b", 0.1, "1001")
    return story


def signs_of_life(now_us: int) -> list[Envelope]:
    """Two processes that run, and one that fell silent."""
    switches = (e.AgentState(switch="fs1", connected=True, waiting=3),)
    return [
        Envelope(
            body=e.ServiceAlive(
                service=name,
                host="tokyo1",
                instance="1",
                began_at_us=now_us - 60 * MINUTE_US,
                every_s=15,
                agents=switches if name == "eventsocket" else (),
            ),
            id=command_id(name, now_us),
            source=name,
            tenant=PLATFORM_TENANT,
            occurred_at_us=now_us - ago_us,
        )
        for name, ago_us in (("eventsocket", 0), ("routing", 0), ("billing", 5 * MINUTE_US))
    ]


UNREADABLE = Outgoing(
    "unreadable",
    "fact",
    "acme.leg.ended",
    "acme",
    b'{"type": "jp.toritsugi.leg.ended", "tenant": "acme", "id": "1", "data": {"caller": {"number": "09012345678"}}}',
)
"""A fact in which something is missing: history puts it aside."""
DECISIONS = Queue("decisions", "fact", ("*.call.routed",))


class Caller:
    """Somebody who calls on a working day, and routing, which decides over the bus and its own store as ever."""

    def __init__(self, database: Database, bus: EmbeddedBus) -> None:
        service = routing.build()
        self._bus, self._calls = bus, 0
        self._store = Store(database.store("routing"), service.metadata)
        self._worker = Worker(service, self._store, bus, "routing.0")

    def start(self) -> None:
        """Routing hears of the platform; of clients it is told by directory."""
        self._store.start()
        self._worker.start()
        self._bus.publish([outgoing(fact) for fact in clients.revisions()])
        self._decisions = self._bus.consume(DECISIONS.parts()[0])

    def stop(self) -> None:
        """Routing ends."""
        self._decisions.close()
        self._worker.stop()
        self._store.stop()

    def forwarded_to(self, number: str) -> str:
        """The first outside target of the plan that routing decides for a call to this number."""
        self._calls += 1
        self._bus.publish([outgoing(clients.arrival(number, leg=f"leg-{self._calls}"))])
        while True:
            (delivery,) = self._decisions.get(1) or ()
            self._decisions.ack([delivery])
            fact = decode(delivery.body).body
            assert isinstance(fact, e.CallRouted)
            if fact.leg == f"leg-{self._calls}":  # routing decides about the stored calls, too
                return next(step.number for step in fact.plan if isinstance(step, Forward))


def stock_numbers(house: PagesHouse) -> None:
    """A number that the client uses, one in stock, one that is kept."""
    operator = Actor("admin", "platform_operator")
    desk.add(house.directory, operator, ["0312345678", "0312345700", "0312345701"], "ひかり")
    desk.reserve(house.directory, operator, "0312345701", "acme", "来月から")


def settle_neighbours(house: PagesHouse) -> None:
    """A second client with a call, and somebody of two roles for each of the two: `employee.acme`, …"""
    house.add_client(msgspec.convert({**clients.ACME, "tenant": "beta", "name": "株式会社ベータ"}, Tenant))
    house.tell(stories.forwarded("call-beta", tenant="beta", start_us=clock.now_us() - MINUTE_US).facts)
    for client in ("acme", "beta"):
        for role in ("tenant_administrator", "employee"):
            house.visitor(f"{role.replace('_', '.')}.{client}", role, client)


def main() -> None:
    """Serve until told to stop."""
    log.configure()  # to stderr: stdout is the conversation with the test
    folder = Path(sys.argv[1])
    house = PagesHouse(folder, Files(folder), also=(DECISIONS,))
    house.start()
    caller = Caller(Files(folder), house.bus)
    caller.start()
    stock_numbers(house)
    for story in stored_calls(clock.now_us()):
        house.tell(story.facts)
    house.tell(signs_of_life(clock.now_us()))
    house.bus.publish([UNREADABLE])
    house.drained()
    print(json.dumps({"url": house.server.url, "password": house.password}), flush=True)
    fresh: stories.Story | None = None
    for line in FileObject(sys.stdin):
        word, _, number = line.strip().partition(" ")
        answer = ""
        if word == "ring":
            fresh = ringing("call-7", clock.now_us())
            house.tell(fresh.facts)
        elif word == "answer" and fresh is not None:
            told = len(fresh.facts)
            fresh.answer("call-7-b", 2.0, "1001")
            house.tell(fresh.facts[told:])
        elif word == "rush":
            for count in range(5 * PER_SECOND):
                who = Party(number=f"0501234{count:04}")
                house.tell(stories.forwarded(f"rush-{count}", start_us=clock.now_us(), caller=who).facts)
                gevent.sleep(1 / PER_SECOND)
        elif word == "lose":
            lost = stories.Story("switch", tenant="_platform", start_us=clock.now_us())
            lost.say(0, e.SwitchLost(switch="fs2", reason="connection refused"))
            house.tell(lost.facts)
        elif word == "neighbours":
            settle_neighbours(house)
        elif word == "call":
            answer = caller.forwarded_to(number)
        elif word == "stop":
            break
        house.drained()
        print(f"done {answer}".rstrip(), flush=True)
    caller.stop()
    house.stop()


if __name__ == "__main__":
    main()
