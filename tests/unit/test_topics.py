"""How messages are addressed, and how long the bus keeps a command."""

from proto.commands import HangUp
from proto.envelope import Envelope
from proto.topics import EXPIRED_SLACK_US, matches, outgoing


def order(not_after_us: int | None) -> Envelope:
    """A command about an arrival at 1,000 s on the switch's clock."""
    return Envelope(
        body=HangUp(switch="fs1", leg="a"),
        id="c",
        source="routing",
        tenant="acme",
        occurred_at_us=1_000_000_000,
        not_after_us=not_after_us,
    )


def test_the_bus_keeps_a_command_for_a_span_whatever_the_switch_says_the_time_is() -> None:
    assert outgoing(order(1_001_500_000)).lives_us == 1_500_000 + EXPIRED_SLACK_US
    assert outgoing(order(999_000_000)).lives_us == EXPIRED_SLACK_US
    assert outgoing(order(None)).lives_us is None


def test_a_star_stands_for_one_word_of_a_routing_key() -> None:
    assert matches("*.call.arrived", "acme.call.arrived")
    assert not matches("*.call.arrived", "acme.call.ended")
    assert not matches("*.call", "acme.call.arrived")
