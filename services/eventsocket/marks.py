"""A mark at the switch before a command is written: of all agents of a switch, one alone may write it.

Enters: commands just taken, or whose end is not known. Leaves: whether this agent may write it, and in whose name it is
marked. `hash insert_ifempty` (mod_hash) finds and marks in one step; whatever was asked for, by this life or the last,
is forgotten when the command is past its time. The words are `questions.py`; what follows belongs to `commander.py`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Literal

import gevent
import gevent.event

from proto.envelope import BadMessage, Envelope, decode
from services.eventsocket.link import LinkLost
from services.eventsocket.questions import forget_text, holder_text, mark_text, needs_mark, read_mark
from services.eventsocket.supervisor import Supervisor
from services.runtime.log import get_logger

FORGET_AFTER_US = 60_000_000
"""So long after its `not_after` a mark is kept: every agent refuses the command by then."""
KEPT_US = 14 * 24 * 3600 * 1_000_000
"""A command without a time may come again as long as this."""
FORGET_AT_ONCE = 500

log = get_logger("commander")

Claim = Literal["ours", "taken", "unmarked"]
"""ours: nobody else writes it. taken: it was marked before. unmarked: it needs no mark, or the switch keeps none."""


class Marks:
    """The marks of one agent at its switch."""

    def __init__(self, supervisor: Supervisor, agent: str) -> None:
        """`agent`: its name among the agents of this switch; empty: the only one."""
        self._supervisor = supervisor
        self._agent = agent or "first"
        self._asked_for: list[tuple[int, str]] = []
        """(when to forget it, µs of the switch; id), a heap."""
        self._complained = False

    def take_over(self, bodies: Iterable[bytes]) -> None:
        """Commands that an earlier life took last: the switch keeps their marks, and nobody else forgets them."""
        for body in bodies:
            try:
                envelope = decode(body)
            except BadMessage:  # an earlier version's
                continue
            if needs_mark(envelope):
                self._forget_in_time(envelope)

    def ask(self, envelope: Envelope) -> gevent.event.AsyncResult | None:
        """Write the mark; `claim` reads the reply. None: there is no link, or no mark is needed."""
        link = self._supervisor.commands
        if link is None or not needs_mark(envelope):
            return None
        self._forget_in_time(envelope)  # whatever the reply: the command may be refused, or the reply be lost
        try:
            return link.post(mark_text(envelope, self._agent))
        except LinkLost:
            return None

    def claim(self, envelope: Envelope, asked: gevent.event.AsyncResult | None = None) -> Claim:
        """Whether this agent may write it, from now on and for ever. Raises LinkLost: it is not known."""
        if not needs_mark(envelope):
            return "unmarked"
        asked = asked or self.ask(envelope)
        link = self._supervisor.commands
        if asked is None or link is None:
            raise LinkLost("no link")
        reply = link.reply_to(asked, link.timeout).text
        good = read_mark(reply)
        if good is None:
            self._complain(reply)
            return "unmarked"
        return "ours" if good else "taken"

    def is_anothers(self, envelope: Envelope) -> bool:
        """Whether a marked command is another agent's, which writes it or has written it. Raises LinkLost."""
        link = self._supervisor.commands
        if link is None:
            raise LinkLost("no link")
        return bool(link.send(holder_text(envelope)).text != self._agent)

    def _forget_in_time(self, envelope: Envelope) -> None:
        """Once more for one that is asked for again: taking back what is gone does no harm."""
        not_after_us, now_us = envelope.not_after_us, self._supervisor.switch_now_us()
        forget_us = now_us + KEPT_US if not_after_us is None else max(now_us, not_after_us) + FORGET_AFTER_US
        heapq.heappush(self._asked_for, (forget_us, envelope.id))

    def forget_old(self) -> None:
        """Take back marks of commands that are past their time, some at once; with the link lost, later."""
        link, now_us = self._supervisor.commands, self._supervisor.switch_now_us()
        for _ in range(FORGET_AT_ONCE):
            if link is None or not self._asked_for or self._asked_for[0][0] > now_us:
                return
            try:
                link.post(forget_text(self._asked_for[0][1]))
            except LinkLost:
                return
            heapq.heappop(self._asked_for)

    def _complain(self, reply: str) -> None:
        if not self._complained:
            self._complained = True
            log.error(
                "the switch keeps no marks (mod_hash, or the right to `hash`): two agents may write one command",
                reply=reply[:100],
            )
