"""What becomes of a webhook after an attempt, where none may go, and what a withheld caller leaves in it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.envelope import Envelope
from proto.events import CallEnded
from proto.values import Party, Presentation
from services.connectors.decide import DELAYS_S, Answered, Refused, Unreachable, after, choose, is_public
from services.connectors.pages import body, message_id, page

NOON = 1_795_230_000_000_000


def ended(presentation: Presentation = "shown") -> Envelope:
    call = CallEnded(
        dialled="0312345678",
        caller=Party("09011112222", "%0A<b>", presentation),
        direction="inbound",
        result="answered",
        answered_by="1001",
        started_at_us=NOON,
        answered_at_us=NOON + 3_000_000,
        ended_at_us=NOON + 63_500_000,
        talk_ms=60_500,
        legs=2,
    )
    return Envelope(body=call, id="e-1", source="history", tenant="acme", call="call-1", occurred_at_us=NOON)


def test_the_page_of_a_call() -> None:
    assert page(ended()) == {
        "type": "call.ended",
        "timestamp": "2026-11-21T03:01:03.500Z",
        "data": {
            "tenant": "acme",
            "call": "call-1",
            "direction": "inbound",
            "dialled": "0312345678",
            "caller": {"number": "09011112222", "name": "%0A<b>", "presentation": "shown"},
            "result": "answered",
            "answered_by": "1001",
            "started_at": "2026-11-21T03:00:00.000Z",
            "answered_at": "2026-11-21T03:00:03.000Z",
            "ended_at": "2026-11-21T03:01:03.500Z",
            "talk_ms": 60500,
            "legs": 2,
            "estimated": False,
        },
    }


@pytest.mark.parametrize("presentation", ["withheld", "payphone", "unavailable"])
def test_a_withheld_caller_is_nobody_even_if_a_number_slipped_in(presentation: Presentation) -> None:
    assert "09011112222" not in body(ended(presentation))
    assert page(ended(presentation))["data"]["caller"] == {"number": "", "name": "", "presentation": presentation}


def test_the_id_is_the_calls_for_ever() -> None:
    assert message_id("acme", "call-1") == message_id("acme", "call-1")
    assert len({message_id(*pair) for pair in itertools.product(("acme", "beta"), ("1", "2"))}) == 4


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_2xx_is_taken(status: int) -> None:
    assert after(Answered(status), 1, "m").state == "sent"


def test_410_disables_the_endpoint() -> None:
    assert after(Answered(410), 1, "m").state == "disabled"


@pytest.mark.parametrize("outcome", [Answered(500), Answered(302), Answered(404), Unreachable("no answer")])
def test_anything_else_is_tried_again_with_growing_delays_for_about_three_days(outcome: Answered | Unreachable) -> None:
    waits = []
    attempts = itertools.count(1)
    while (result := after(outcome, next(attempts), "m")).state == "due":
        waits.append(result.in_s)
    assert result.state == "failed"
    assert len(waits) == len(DELAYS_S)
    assert all(early < late for early, late in itertools.pairwise(waits))
    assert 60 * 3600 < sum(waits) < 100 * 3600


def test_a_receiver_may_ask_for_more_time_but_not_for_ever() -> None:
    assert after(Answered(503, 600), 1, "m").in_s == 600
    assert after(Answered(503, 10**9), 1, "m").in_s == 86400


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "fec0::1",
    ],
)
@pytest.mark.requirement("X5")
def test_private_addresses_are_never_dialled_for_a_client(address: str) -> None:
    assert not is_public(address)
    assert isinstance(choose(["8.8.8.8", address], allow_private=False), Refused)
    assert choose([address], allow_private=True) == address


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are(address: str) -> None:
    assert choose([address], allow_private=False) == address


@given(st.ip_addresses())
def test_every_address_gets_a_verdict(address: object) -> None:
    assert is_public(str(address)) in (True, False)


def test_a_host_without_address_is_refused() -> None:
    assert isinstance(choose([], allow_private=True), Refused)
