"""Ended calls reach a client's own system: real HTTP on loopback, checked with the receiver's library."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import gevent
import pytest
from sqlalchemy import update
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from proto.envelope import Envelope
from proto.events import CallEnded, TenantRevised
from proto.message import Event
from proto.tenant import Tenant
from proto.tenant.contract import Contract
from proto.tenant.contract import Webhook as Wanted
from proto.values import Party
from services.connectors import courier as courier_module
from services.connectors import deliveries as rows
from services.connectors.courier import Courier
from services.connectors.service import build
from services.runtime.store import Store, Tx
from services.runtime.worker import Cause
from tests.postgres import Postgres
from tests.stores import Database, Schemas

ROOM = build()
NOON = 1_795_230_000_000_000
QUICK = (0.05,) * 60


class Receiver:
    """A client's web server: answers with `statuses` in turn, the last one for ever, and keeps what came."""

    def __init__(self, statuses: tuple[int, ...] = (200,), bound: socket.socket | None = None) -> None:
        self.came: list[tuple[str, dict[str, str], bytes]] = []
        self._statuses = list(statuses)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.came.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                keep = len(receiver._statuses) == 1
                status = receiver._statuses[0] if keep else receiver._statuses.pop(0)
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"http://127.0.0.1:{receiver.port}/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=bound is None)
        if bound is not None:
            self._server.socket.close()
            self._server.socket, self._server.server_address = bound, bound.getsockname()
            self._server.server_activate()
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/hook?token=1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    opened = Store(database.store("connectors"), ROOM.metadata)
    opened.start()
    yield opened
    opened.stop()


@contextmanager
def receiver(*statuses: int) -> Iterator[Receiver]:
    opened = Receiver(statuses or (200,))
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def courier(store: Store, allow_private: bool = True, **settings: Any) -> Iterator[Courier]:
    part = Courier(store, allow_private, every_s=0.02, **({"delays_s": QUICK} | settings))
    part.start()
    try:
        yield part
    finally:
        part.stop()


def hear(store: Store, body: Event, message_id: str, call: str = "call-1", estimated: bool = False) -> None:
    envelope = Envelope(
        body=body,
        id=message_id,
        source="history",
        tenant="acme",
        call=call,
        occurred_at_us=NOON,
        estimated=estimated,
    )

    def work(tx: Tx) -> None:
        if tx.first_times([message_id], NOON):
            assert list(ROOM.handlers[type(body)](tx, envelope, Cause(envelope, "connectors"))) == []

    store.run(work)


def client(*urls: str) -> TenantRevised:
    body = Tenant(
        tenant="acme", name="アクメ", contract=Contract("2026-04-01"), webhooks=tuple(Wanted(url) for url in urls)
    )
    return TenantRevised(revision="-".join(urls) or "none", body=body)


ENDED = CallEnded(
    dialled="0312345678",
    caller=Party("09011112222"),
    direction="inbound",
    result="answered",
    started_at_us=NOON,
    answered_at_us=NOON + 1_000_000,
    ended_at_us=NOON + 2_000_000,
    talk_ms=1000,
    legs=2,
)


def until(condition: Callable[[], bool], within_s: float = 10) -> None:
    with gevent.Timeout(within_s, AssertionError("it did not come to that in time")):
        while not condition():
            gevent.sleep(0.01)


def states(store: Store) -> list[str]:
    return [delivery.state for delivery in store.run(lambda tx: rows.deliveries(tx, "acme"))]


def secret(store: Store, url: str) -> str:
    return next(e.secret for e in store.run(lambda tx: rows.endpoints(tx, "acme")) if e.url == url)


@pytest.mark.requirement("X5")
def test_an_ended_call_is_posted_once_signed_and_verifies(store: Store) -> None:
    with receiver() as server, courier(store):
        hear(store, client(server.url), "tenant-1")
        hear(store, ENDED, "history-1")
        hear(store, ENDED, "history-1")
        hear(store, ENDED, "history-again")
        until(lambda: states(store) == ["sent"])
        hear(store, ENDED, "history-late")
        hear(store, ENDED, "history-2", call="call-2")
        until(lambda: states(store) == ["sent", "sent"])
    assert len(server.came) == 2
    path, headers, body = server.came[0]
    page = Webhook(secret(store, server.url)).verify(body, headers)
    assert path == "/hook?token=1"
    assert (page["type"], page["data"]["call"]) == ("call.ended", "call-1")
    assert server.came[1][1]["webhook-id"] != headers["webhook-id"]
    with pytest.raises(WebhookVerificationError):
        Webhook(secret(store, server.url)).verify(body.replace(b"answered", b"missed"), headers)


def test_an_end_that_was_estimated_is_posted_again_when_it_is_known(store: Store) -> None:
    """Under another id: a receiver that drops what it has seen must not drop the correction."""
    with receiver() as opened, courier(store) as part:
        hear(store, client(opened.url), "tenant-1")
        for number, estimated in enumerate((True, True, False, False)):
            hear(store, ENDED, f"ended-{number}", estimated=estimated)
        part.look(())
        until(lambda: len(opened.came) == 2)
    told = [(headers["webhook-id"], json.loads(body)["data"]["estimated"]) for _, headers, body in opened.came]
    assert [estimated for _, estimated in told] == [True, False]
    assert len({message for message, _ in told}) == 2


@pytest.mark.requirement("X5")
def test_a_receiver_that_is_down_gets_the_call_later_under_the_same_id(store: Store) -> None:
    with receiver(503, 500, 302, 200) as server, courier(store):
        hear(store, client(server.url), "tenant-1")
        hear(store, ENDED, "history-1")
        until(lambda: states(store) == ["sent"])
    assert {path for path, _, _ in server.came} == {"/hook?token=1"}, "redirects are not followed"
    assert len(server.came) == 4
    assert len({headers["webhook-id"] for _, headers, _ in server.came}) == 1
    for _, headers, body in server.came:
        Webhook(secret(store, server.url)).verify(body, headers)


def test_nobody_listens_then_somebody_does(store: Store) -> None:
    bound = socket.socket()  # the port is ours, but as long as nobody listens callers are refused
    bound.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{bound.getsockname()[1]}/hook"
    with courier(store):
        hear(store, client(url), "tenant-1")
        hear(store, ENDED, "history-1")
        until(lambda: any(d.attempts > 1 and d.reason for d in store.run(lambda tx: rows.deliveries(tx, "acme"))))
        server = Receiver(bound=bound)
        until(lambda: states(store) == ["sent"])
        server.close()
    assert len(server.came) == 1


def test_a_receiver_that_accepts_and_says_nothing_is_given_up_in_time(store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with courier(store, timeout_s=0.1, delays_s=(0.01,)):
            hear(store, client(url), "tenant-1")
            hear(store, ENDED, "history-1")
            until(lambda: states(store) == ["failed"])
    (delivery,) = store.run(lambda tx: rows.deliveries(tx, "acme"))
    assert delivery.attempts == 2
    assert "no answer within 0.1 s" in delivery.reason


def test_an_answer_that_is_not_http_is_a_failure(store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as odd:

        def serve() -> None:
            connection, _ = odd.accept()
            connection.recv(65536)
            connection.sendall(b"\xff\x00 SSH-2.0 hello\r\n\r\n")
            connection.close()

        answering = gevent.spawn(serve)
        with courier(store, delays_s=()):
            hear(store, client(f"http://127.0.0.1:{odd.getsockname()[1]}/"), "tenant-1")
            hear(store, ENDED, "history-1")
            until(lambda: states(store) == ["failed"])
        answering.join()


def test_410_stops_an_endpoint_until_a_person_enables_it(store: Store) -> None:
    with receiver(410, 200) as server, courier(store):
        hear(store, client(server.url), "tenant-1")
        hear(store, ENDED, "history-1")
        until(lambda: states(store) == ["disabled"])
        hear(store, ENDED, "history-2", call="call-2")
        assert states(store) == ["disabled", "disabled"]
        assert store.run(lambda tx: rows.enable(tx, "acme", server.url))
        assert store.run(lambda tx: rows.replay(tx, "acme", "call-2", NOON)) == 1
        until(lambda: states(store) == ["sent", "disabled"])
    assert len(server.came) == 2


@pytest.mark.requirement("X5")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
def test_private_receivers_are_refused_without_a_connection(store: Store, host: str) -> None:
    with receiver() as server, courier(store, allow_private=False):
        hear(store, client(f"http://{host}:{server.port}/"), "tenant-1")
        hear(store, ENDED, "history-1")
        until(lambda: states(store) == ["refused"])
    assert server.came == []


@pytest.mark.parametrize(
    "url", ["http://user:pass@127.0.0.1/", "http://127.0.0.1:99999/", "http://[::1", "https://" + "ア" * 80 + "/"]
)
def test_addresses_that_cannot_be_used_are_refused(store: Store, url: str) -> None:
    with courier(store):
        hear(store, client(url), "tenant-1")
        hear(store, ENDED, "history-1")
        until(lambda: states(store) == ["refused"])


def test_two_endpoints_get_the_same_call_and_a_dead_one_delays_nobody(store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, receiver() as server:
        dead = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with courier(store, timeout_s=20):
            hear(store, client(dead, server.url), "tenant-1")
            for number in range(30):
                hear(store, ENDED, f"history-{number}", call=f"call-{number}")
            until(lambda: states(store).count("sent") == 30)
            assert len(server.came) == 30
    assert secret(store, dead) != secret(store, server.url)


def test_an_endpoint_taken_out_of_the_clients_file_gets_nothing_more(store: Store) -> None:
    with receiver() as server:
        hear(store, client(server.url), "tenant-1")
        hear(store, ENDED, "history-1")
        hear(store, client(), "tenant-2")
        with courier(store):
            until(lambda: states(store) == ["withdrawn"])
    assert server.came == []


def test_a_call_that_ended_before_its_client_was_known_is_sent_then(store: Store) -> None:
    with receiver() as server, courier(store):
        hear(store, ENDED, "history-1")
        assert states(store) == []
        hear(store, client(server.url), "tenant-1")
        until(lambda: states(store) == ["sent"])
    assert len(server.came) == 1


def test_what_a_dead_courier_had_claimed_is_sent_by_the_next(store: Store) -> None:
    with receiver() as server:
        hear(store, client(server.url), "tenant-1")
        hear(store, ENDED, "history-1")
        (claimed,) = store.run(lambda tx: rows.claim(tx, 4 * NOON, 10))
        assert store.run(lambda tx: rows.claim(tx, 4 * NOON, 10)) == []
        (after_the_lease,) = store.run(lambda tx: rows.claim(tx, 4 * NOON + rows.LEASE_US, 10))
        assert (after_the_lease.message, after_the_lease.attempts) == (claimed.message, 2)


def test_a_row_that_another_process_changes_meanwhile_sends_no_call_twice(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where several write at once: the outcome is stored after all, before the lease runs out."""
    database = Schemas(postgres)
    mine, theirs = (Store(database.store("connectors"), build().metadata) for _ in range(2))
    mine.start()
    theirs.start()
    settle = rows.settle
    times: list[int] = []

    def overtaken(tx: Tx, due: Any, *words: Any) -> None:
        tx.count("deliveries")
        if not times:
            theirs.run(lambda other: other.sql.execute(update(other.tables["deliveries"]).values(reason="touched")))
        times.append(1)
        settle(tx, due, *words)

    monkeypatch.setattr(courier_module, "settle", overtaken)
    try:
        with receiver() as server, courier(mine):
            hear(mine, client(server.url), "tenant-1")
            hear(mine, ENDED, "history-1")
            until(lambda: states(mine) == ["sent"], within_s=5)
            assert len(times) == 2
    finally:
        mine.stop()
        theirs.stop()
        database.close()


def test_the_secret_is_not_in_what_is_printed(store: Store) -> None:
    hear(store, client("http://192.0.2.1/"), "tenant-1")
    (endpoint,) = store.run(lambda tx: rows.endpoints(tx, "acme"))
    assert endpoint.secret.startswith("whsec_")
    assert endpoint.secret not in repr(endpoint)


def test_a_name_is_looked_up_once_and_the_connection_goes_where_it_led(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = socket.getaddrinfo, []

    def look_up(host: Any, *rest: Any, **named: Any) -> Any:
        if host == "hook.example":
            asked.append(host)
            host = "127.0.0.1" if len(asked) == 1 else "192.0.2.1"
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with receiver() as server, courier(store):
        hear(store, client(f"http://hook.example:{server.port}/"), "tenant-1")
        hear(store, ENDED, "history-1")
        until(lambda: states(store) == ["sent"])
    assert asked == ["hook.example"]
    assert server.came[0][1]["host"] == f"hook.example:{server.port}"


def test_a_receiver_that_does_not_speak_tls_gets_nothing(store: Store) -> None:
    with receiver() as server, courier(store, delays_s=()):
        hear(store, client(f"https://127.0.0.1:{server.port}/"), "tenant-1")
        hear(store, ENDED, "history-1")
        until(lambda: states(store) == ["failed"])
    assert server.came == []
