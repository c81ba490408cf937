"""What can be asked about a command whose answer was lost. Pure.

Enters: a command that may or may not have been carried out. Leaves: the question to the switch and the answer that
means done, or None where the switch keeps no trace. Asking, and looking after originates, belongs to `commander.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from proto import commands as c
from proto.envelope import Envelope
from proto.message import Message
from services.eventsocket.words import Refused, leg

QUESTIONS: Mapping[type[Message], tuple[str, str]] = {
    c.RouteCall: ("api uuid_getvar {leg} tt_decision", "{id}"),
    c.HangUp: ("api uuid_exists {leg}", "false"),
}
"""What to ask, and the answer that means done. An originate has none: it is a job that may still be under way."""


def leg_of(envelope: Envelope) -> str:
    """The leg a command is about; an originated leg has the command's id."""
    body = envelope.body
    if isinstance(body, c.OriginateCall):
        return envelope.id
    return str(getattr(body, "leg", ""))


def names_a_leg(envelope: Envelope) -> bool:
    """Whether its leg may stand in a question: a command that was refused for its text is never asked about with it."""
    try:
        return bool(leg(leg_of(envelope)))
    except Refused:
        return False


def question_about(envelope: Envelope) -> tuple[str, str] | None:
    """(what to ask, the answer that means done); None where the switch cannot tell."""
    known = QUESTIONS.get(type(envelope.body))
    if known is None or not names_a_leg(envelope):
        return None
    return known[0].format(leg=leg_of(envelope)), known[1].format(id=envelope.id)
