"""What a person is shown of a dead letter, and what may go back to its queue in its place.

Enters: letters, bodies that somebody has mended. Leaves: lines without anybody's number, messages that the letter's
queue hears, or Unfit with the reason. Reading and settling belongs to `runtime/bus/letters.py`.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from proto.envelope import TYPE_PREFIX, BadMessage, decode
from proto.message import Command
from proto.topics import HEARS, Outgoing, Queue, agent_queue, matches, outgoing, service_queue
from proto.values import to_datetime
from services.runtime.bus import DeadLetter
from services.runtime.log import mask

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal obeys in place of showing it."""
_SECRET = re.compile(r'("ha1"\s*:\s*")[^"]*')
"""As good as a phone's password: whoever mends a letter needs to see it as little as anybody."""
BROKEN = "it would be put aside again: "
_LONGEST = 300
LONGEST_WHY = 120
"""Of a name, and of a reason, in characters."""


class Unfit(Exception):
    """A message that would be put aside again, or must not go where it would; `kind` for whoever says it otherwise."""

    def __init__(self, kind: Literal["broken", "command", "foreign", "unheard", "client", "id"], why: str) -> None:
        super().__init__(why)
        self.kind, self.why = kind, why


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One letter in a list: no body, and of numbers in the reason only the ends."""

    letter: str
    queue: str
    reason: str
    bytes: int
    at: str = ""
    """When it was put aside; empty where that is not known."""
    type: str = ""
    tenant: str = ""
    message: str = ""
    mended: bool = False


class _Head(msgspec.Struct):
    """What can be read of almost any message."""

    type: str = ""
    tenant: str = ""
    id: str = ""


_head = msgspec.json.Decoder(_Head)


def _head_of(body: bytes) -> _Head:
    try:
        return _head.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Head()


def client_of(letter: DeadLetter) -> str:
    """Whose it says it is; nobody has checked that."""
    return _head_of(letter.body).tenant


def harmless(text: str) -> str:
    """The same for a terminal: control characters stand as their code."""
    return _CONTROL.sub(lambda m: f"\\u{ord(m.group(0)):04x}", text)


def line(letter: DeadLetter, mended: bool) -> Line:
    """One letter as a list shows it."""
    head = _head_of(letter.body)
    shown = [harmless(mask(text)[:_LONGEST]) for text in (letter.queue, letter.reason, head.type, head.tenant)]
    return Line(
        letter=letter.id,
        queue=shown[0],
        reason=shown[1],
        bytes=len(letter.body),
        at="" if letter.at_us is None else to_datetime(letter.at_us).isoformat(timespec="seconds"),
        type=shown[2].removeprefix(TYPE_PREFIX),
        tenant=shown[3],
        message=harmless(head.id[:_LONGEST]),
        mended=mended,
    )


def text(body: bytes) -> str:
    """A body for a terminal: indented if it is JSON, harmless whatever it is, without what a phone is known by."""
    try:
        shown = msgspec.json.format(body, indent=2).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        shown = body.decode("utf-8", "backslashreplace")
    return "\n".join(harmless(one) for one in _SECRET.sub(r"\1…", shown).split("\n"))


def message_for(letter: DeadLetter, body: bytes) -> Outgoing:
    """`body` as a message that the letter's queue hears. Raises Unfit with the reason.

    Of a mended one client and id are those of the letter: nothing moves from one client to another, and whoever has
    handled it already drops it.
    """
    try:
        envelope = decode(body)
    except BadMessage as error:
        raise Unfit("broken", f"{BROKEN}{error}") from None
    if isinstance(envelope.body, Command):
        raise Unfit("command", "a request to a switch is carried out at most once and in its time, never replayed")
    message = outgoing(envelope)
    queue = _queue_named(letter.queue.rpartition(".")[0])
    if queue is None:
        raise Unfit("foreign", "it did not come from a queue of ours")
    if not any(matches(binding, message.routing_key) for binding in queue.bindings):
        raise Unfit("unheard", f"{queue.name} does not hear {envelope.body.NAME}")
    head = _head_of(letter.body)
    if head.tenant not in ("", envelope.tenant):
        raise Unfit("client", "its client must stay as it was")
    if head.id not in ("", envelope.id):
        raise Unfit("id", "its id must stay as it was")
    return message


def _queue_named(name: str) -> Queue | None:
    if name in HEARS:
        return service_queue(name)
    kind, _, switch = name.partition(".")
    return agent_queue(switch) if kind == "eventsocket" and switch else None
