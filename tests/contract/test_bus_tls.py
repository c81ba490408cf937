"""The bus by TLS, against a RabbitMQ whose certificate was made for this session, and which asks for ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from proto.topics import Outgoing, Queue
from services.runtime.bus import Bus, Unavailable
from services.runtime.bus.choose import connect
from services.runtime.bus.rabbitmq import RabbitBus
from services.runtime.settings import BusTls
from services.runtime.tls import UnusableCertificate, client_context
from tests.rabbitmq import Broker

EARS = Queue("ears", "fact", ("*.call.ended",))


@pytest.fixture
def ours(broker: Broker, tmp_path: Path) -> BusTls:
    """What the broker's operator handed out: the CA, and a certificate for this client."""
    broker.ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    one = broker.ca.issue_cert("routing.example")
    one.private_key_pem.write_to_path(tmp_path / "routing.key")
    one.cert_chain_pems[0].write_to_path(tmp_path / "routing.pem")
    return BusTls(tmp_path / "ca.pem", tmp_path / "routing.pem", tmp_path / "routing.key")


@pytest.fixture
def bus(broker: Broker, ours: BusTls, tmp_path: Path) -> Iterator[Bus]:
    one = connect(broker.tls_url(), tmp_path, ours)
    yield one
    one.stop()


def why_not(url: str, tls: BusTls | None) -> str:
    """What is said when this bus does not start."""
    context = client_context(tls.ca_file, tls.certificate_file, tls.key_file) if tls else None
    bus = RabbitBus(url, connect_s=1, tls=context)
    with pytest.raises(Unavailable) as refused:
        bus.start([EARS])
    return str(refused.value)


def test_messages_go_out_and_in_by_tls(bus: Bus) -> None:
    bus.start([EARS])
    bus.publish([Outgoing(str(n), "fact", "acme.call.ended", "acme", b"x" * 50_000) for n in range(20)])
    consumer, found = bus.consume("ears.0"), 0
    while found < 20:
        some = consumer.get(64, timeout_s=10)
        assert some, f"only {found} of 20 came"
        consumer.ack(some)
        found += len(some)


def test_a_broker_whose_certificate_another_signed_is_refused(broker: Broker, ours: BusTls, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    other = BusTls(tmp_path / "other.pem", ours.certificate_file, ours.key_file)
    assert "CERTIFICATE_VERIFY_FAILED" in why_not(broker.tls_url(), other)
    assert "CERTIFICATE_VERIFY_FAILED" in why_not(broker.tls_url(), None), "the system's certificates know it neither"


def test_a_certificate_for_another_host_is_refused(broker: Broker, ours: BusTls) -> None:
    assert "IP address mismatch" in why_not(broker.tls_url("127.0.0.1"), ours)


def test_a_broker_that_asks_for_a_certificate_gets_ours_or_ends_it(broker: Broker, ours: BusTls) -> None:
    assert "was not reached" in why_not(broker.tls_url(), BusTls(ours.ca_file))


def test_where_the_broker_speaks_tls_nothing_is_said_without(broker: Broker) -> None:
    plain = broker.tls_url().replace("amqps://", "amqp://")
    assert "was not reached" in why_not(plain, None)


def test_files_that_are_no_certificates_are_named_and_not_shown(ours: BusTls, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("s3cret, and no certificate", encoding="utf-8")
    for tls in (
        BusTls(junk),
        BusTls(ours.ca_file, junk),
        BusTls(tmp_path / "none"),
        BusTls(None, ours.certificate_file),
    ):
        with pytest.raises(UnusableCertificate, match="cannot be used for TLS") as refused:
            connect("amqps://localhost/x", tmp_path, tls)
        assert "s3cret" not in str(refused.value)


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(ours: BusTls, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as s

    assert ours.key_file is not None
    key = s.load_pem_private_key(ours.key_file.read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"s3cret")))
    with pytest.raises(UnusableCertificate, match=r"locked\.key"):
        connect("amqps://localhost/x", tmp_path, BusTls(ours.ca_file, ours.certificate_file, locked))
