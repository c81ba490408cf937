"""What is asked and marked at the switch so that no command is carried out twice. Pure.

Enters: a command that may or may not have been carried out. Leaves: the text of its mark; the question to the switch
and the answer that means done, or None where the switch keeps no trace. Asking belongs to `marks.py` and
`commander.py`, which also looks after originates.
"""

from __future__ import annotations

from collections.abc import Mapping

from proto import commands as c
from proto.envelope import Envelope
from proto.message import Message
from services.eventsocket.words import Refused, leg, token

REALM = "toritsugi"
"""Where the marks are kept in mod_hash: key = the command's id, value = the agent's name."""
MAY_REPEAT: tuple[type[Message], ...] = (c.HangUp, c.StopRecording)
"""Done twice they are as good as done once: they need no mark."""
QUESTIONS: Mapping[type[Message], tuple[str, str]] = {
    c.RouteCall: ("api uuid_getvar {leg} tt_decision", "{id}"),
    c.BridgeLegs: ("api uuid_getvar {leg} bridge_uuid", "{other}"),
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
    other = str(getattr(envelope.body, "other", ""))
    return known[0].format(leg=leg_of(envelope)), known[1].format(id=envelope.id, other=other)


def needs_mark(envelope: Envelope) -> bool:
    """Whether a second time would do harm. An id that may not stand in the text is refused before it is written."""
    try:
        return not isinstance(envelope.body, MAY_REPEAT) and bool(token(envelope.id))
    except Refused:
        return False


def mark_text(envelope: Envelope, agent: str) -> str:
    """Marks the command for this agent, if nobody has marked it (mod_hash.c, hash_api_function). Raises Refused."""
    return f"api hash insert_ifempty/{REALM}/{token(envelope.id)}/{token(agent)}"


def read_mark(reply: str) -> bool | None:
    """True: marked now; False: it was marked before; None: the switch keeps no marks."""
    if reply.startswith("+OK"):
        return True
    return False if reply.startswith("-ERR key already exists") else None


def holder_text(envelope: Envelope) -> str:
    """Asks which agent has marked the command. Raises Refused."""
    return f"api hash select/{REALM}/{token(envelope.id)}"


def forget_text(command: str) -> str:
    """Takes the mark of a command away. Raises Refused."""
    return f"api hash delete/{REALM}/{token(command)}"
