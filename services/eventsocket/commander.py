"""Carries out commands on one switch, each at most once, and says what came of it.

Enters: the queue `commands.<switch>`. Leaves: Event Socket text on the command link, and CommandFinished,
CommandRefused or CommandUnknown for every command taken. The id is stored, the command marked at the switch and
meanwhile the message acknowledged, then its text is written; after a crash or a lost connection the switch is asked,
and nothing is ever sent again. Text: `render.py`; marks, by which another agent of this switch knows of it: `marks.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import gevent
import gevent.event
import gevent.pool

from proto import commands as c
from proto.envelope import BadMessage, Envelope, decode
from proto.events import CommandFinished, CommandRefused, CommandUnknown
from proto.message import Command
from proto.message import Event as Fact
from proto.topics import command_queue
from services.eventsocket.arrivals import Arrivals
from services.eventsocket.frames import Event
from services.eventsocket.link import LinkLost
from services.eventsocket.marks import Marks
from services.eventsocket.parties import text
from services.eventsocket.questions import leg_of, names_a_leg, needs_mark, question_about
from services.eventsocket.render import Refused, RenderSettings, Written, render, verdict
from services.eventsocket.supervisor import Supervisor
from services.eventsocket.taken import Taken
from services.runtime.bus import Bus, Consumer, Delivery, Unavailable
from services.runtime.log import get_logger
from services.runtime.metrics import DEAD_LETTERED, DECISION_SECONDS
from services.runtime.store import Store

BATCH = 32
LOOK_UP_S = 60.0
RESTART_S = 1.0
WAIT_FOR_SWITCH_S = 5.0
JOB_SLACK_S = 20.0
FOLLOW_S = 2.0
"""So long another agent may take from marking a command to writing it, before it is asked what came of it."""
_ANSWERED = re.compile(r'"Answer-State": ?"answered"')
log = get_logger("commander")

Tell = Callable[[Fact, Envelope], None]
"""Publishes a fact that answers a command, again until the bus has it."""


class Commander:
    """One per switch."""

    def __init__(
        self,
        switch: str,
        bus: Bus,
        store: Store,
        supervisor: Supervisor,
        arrivals: Arrivals,
        tell: Tell,
        agent: str = "",
    ) -> None:
        """`agent`: which of several agents of this switch."""
        self.settings = RenderSettings()
        self._marks = Marks(supervisor, agent)
        self._switch, self._bus, self._supervisor = switch, bus, supervisor
        self.taken = Taken(store)
        self._arrivals, self._tell = arrivals, tell
        self._consumer: Consumer | None = None
        self._stopping = gevent.event.Event()
        self._greenlet: gevent.Greenlet | None = None
        self._under_way = gevent.pool.Group()
        self._jobs: dict[str, gevent.event.AsyncResult] = {}
        self._unsure: dict[str, Envelope] = {}
        self._bad: list[tuple[Delivery, str]] = []
        """Read, of no use, and not yet put aside."""

    def start(self) -> None:
        """Take up what an earlier life left without an answer, then begin to read."""
        self.taken.prune()
        self._marks.take_over(self.taken.last())
        for raw in self.taken.unanswered():
            try:
                envelope = decode(raw)
            except BadMessage as error:  # an earlier version's
                log.error("an unanswered command cannot be read", reason=str(error))
            else:
                self._unsure[envelope.id] = envelope
        self._consumer = self._consume()
        self._greenlet = gevent.spawn(self._loop)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Take no more; wait for the answers that are under way."""
        self._stopping.set()
        if self._consumer is not None:
            self._consumer.close()
        if self._greenlet is not None:
            self._greenlet.join()
        self._under_way.join(timeout=timeout_s)
        self._under_way.kill()

    # -- told by the agent --

    def switch_found(self) -> None:
        """Ask what became of every command whose answer was lost, and of every job that may have ended unheard."""
        for job in list(self._jobs):
            self._under_way.spawn(self._look_after, job)
        for envelope in list(self._unsure.values()):
            self._under_way.spawn(self._ask, envelope)

    def job_ended(self, event: Event) -> None:
        """A BACKGROUND_JOB: if it is ours, its body is the result."""
        job = self._jobs.get(text(event, "Job-UUID"))
        if job is not None and not job.ready():
            job.set(text(event, "_body"))

    # -- taking --

    def _loop(self) -> None:
        """Never ends before `stop`: without it no call on this switch is routed."""
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception as error:  # what was read but not stored comes again through a new reader
                log.error("commands are read anew", switch=self._switch, exc_info=error)
                self._stopping.wait(RESTART_S)
                self._read_anew()

    def _turn(self) -> None:
        good = self._understood(self._reader.get(BATCH, timeout_s=RESTART_S if self._bad else LOOK_UP_S))
        if good and (fresh := self._take(good)) is not None:
            marks = [self._marks.ask(envelope) for envelope in fresh]  # all at once: one round trip for all of them
            acknowledged = gevent.spawn(self._acknowledge, [delivery for delivery, _ in good])  # meanwhile
            again = {envelope.id for delivery, envelope in good if delivery.redelivered}
            for envelope, mark in zip(fresh, marks, strict=True):
                self._try(envelope, mark, envelope.id in again, acknowledged)
            acknowledged.join()
        self._put_bad_aside()
        self._marks.forget_old()
        self.taken.prune()

    @property
    def _reader(self) -> Consumer:
        assert self._consumer is not None
        return self._consumer

    def _consume(self) -> Consumer:
        return self._bus.consume(command_queue(self._switch).parts()[0], prefetch=BATCH)

    def _read_anew(self) -> None:
        while not self._stopping.is_set():
            try:
                self._reader.close()
                self._bad.clear()  # they come again
                self._consumer = self._consume()
                return
            except Exception as error:
                log.error("commands cannot be read", switch=self._switch, exc_info=error)
                self._stopping.wait(RESTART_S)

    def _understood(self, deliveries: Sequence[Delivery]) -> list[tuple[Delivery, Envelope]]:
        good: list[tuple[Delivery, Envelope]] = []
        for delivery in deliveries:
            try:
                envelope = decode(delivery.body)
                if not isinstance(envelope.body, Command):
                    raise BadMessage(f"{envelope.body.NAME} is no command")
                good.append((delivery, envelope))
            except BadMessage as error:
                log.error("command put aside", reason=str(error))
                DEAD_LETTERED.labels("eventsocket").inc()
                self._bad.append((delivery, str(error)))
        return good

    def _put_bad_aside(self) -> None:
        """Again in the next turn if the bus does not take it now: other people's calls do not wait for it."""
        while self._bad:
            delivery, reason = self._bad[0]
            try:
                self._reader.dead_letter([delivery], reason)
            except Unavailable as error:
                log.warning("bus away, a bad command waits", reason=str(error))
                return
            del self._bad[0]

    def _take(self, good: Sequence[tuple[Delivery, Envelope]]) -> list[Envelope] | None:
        """Store the ids: from here on each is ours, and is carried out no second time. None: we stop first."""
        bodies = {envelope.id: delivery.body for delivery, envelope in good}
        while True:
            try:
                fresh = self.taken.keep_new(bodies)
                break
            except Unavailable as error:
                log.warning("commands wait for the database", reason=str(error))
                if self._stopping.wait(0.1):
                    return None
        first = {envelope.id: envelope for _, envelope in reversed(good)}
        return [first[command] for command in fresh]

    def _acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        try:
            self._reader.ack(deliveries)
        except Exception as error:  # they come again, and are dropped by their ids: what is stored is carried out now
            log.warning("commands not acknowledged", reason=str(error))

    # -- doing --

    def _write_out_unless_done(self, envelope: Envelope, written: Sequence[Written]) -> None:
        """Delivered before: another agent of this switch, one that sets no marks, may have written it."""
        done = self._is_done(envelope)
        if done is None:
            self._lost_sight(envelope)
        elif done:
            self._finish(envelope, "asked", None)
        else:
            self._write_out(envelope, written)

    def _try(
        self,
        envelope: Envelope,
        mark: gevent.event.AsyncResult | None,
        again: bool,
        acknowledged: gevent.Greenlet,
    ) -> None:
        """`mark`: the reply to its mark, if that was asked for; `again`: whether it was delivered before."""
        try:
            self._carry_out(envelope, mark, again, acknowledged)
        except LinkLost:  # its mark has no answer: it was not written, unless by another agent
            self._lost_sight(envelope)
            self._under_way.spawn(self._ask, envelope)
        except Exception as error:  # whether the switch has it, only the switch knows
            log.error("a command tripped us", command=envelope.id, type=envelope.body.NAME, exc_info=error)
            self._jobs.pop(envelope.id, None)
            self._lost_sight(envelope)
            self._under_way.spawn(self._ask, envelope)

    def _carry_out(
        self,
        envelope: Envelope,
        mark: gevent.event.AsyncResult | None,
        again: bool,
        acknowledged: gevent.Greenlet,
    ) -> None:
        """Write in the order of the queue, if it is ours; replies are awaited aside."""
        try:
            written = render(envelope, self.settings)
        except Refused as error:
            self._refuse(envelope, f"refused: {error}", "agent")
            return
        if not self._supervisor.connected.wait(self._patience_s(envelope)):
            self._refuse(envelope, "expired" if self._expired(envelope) else "switch not connected", "agent")
            return
        claim = self._marks.claim(envelope, mark)
        if claim == "unmarked" and needs_mark(envelope):
            acknowledged.join()  # else another agent might be given it, and see no mark
        if claim == "taken":
            self._lost_sight(envelope)
            self._under_way.spawn(self._ask, envelope)
        elif self._expired(envelope):
            self._refuse(envelope, "expired", "agent")
        elif again and question_about(envelope) is not None:
            self._under_way.spawn(self._write_out_unless_done, envelope, written)
        else:
            self._write_out(envelope, written)

    def _write_out(self, envelope: Envelope, written: Sequence[Written]) -> None:
        job = next((one.job for one in written if one.job), "")
        if job:
            self._jobs[job] = gevent.event.AsyncResult()
        posted = self._write(envelope, written)
        if posted is None:
            self._jobs.pop(job, None)
            return
        leg = envelope.body.leg if isinstance(envelope.body, c.RouteCall) else ""
        decision_us = self._arrivals.taken(leg) if leg else None
        if decision_us is not None:
            DECISION_SECONDS.labels(self._switch).observe(decision_us / 1e6)
        self._under_way.spawn(self._await, envelope, posted, job, decision_us)

    def _write(self, envelope: Envelope, written: Sequence[Written]) -> list[gevent.event.AsyncResult] | None:
        link = self._supervisor.commands
        posted: list[gevent.event.AsyncResult] = []
        try:
            if link is None:
                raise LinkLost("no link")
            for one in written:
                posted.append(link.post(one.text))
        except (LinkLost, ValueError) as error:
            if posted:
                self._lost_sight(envelope)
            else:
                self._refuse(envelope, f"switch not connected: {error}", "agent")
            return None
        return posted

    def _await(
        self, envelope: Envelope, posted: Sequence[gevent.event.AsyncResult], job: str, decision_us: int | None
    ) -> None:
        link = self._supervisor.commands
        try:
            # A reply that never comes ends the link, which fails every waiter: no reply is waited for without end.
            replies = [one.get(timeout=link.timeout if link else WAIT_FOR_SWITCH_S).text for one in posted]
        except LinkLost:
            self._jobs.pop(job, None)
            self._lost_sight(envelope)
            return
        except gevent.Timeout:
            if link is not None and not posted[-1].ready():
                link.stop()
            self._jobs.pop(job, None)
            self._lost_sight(envelope)
            self._ask(envelope)
            return
        good, word = verdict(replies[-1])
        if good and job:
            self._await_job(envelope, job)
            return
        self._jobs.pop(job, None)
        if good:
            self._finish(envelope, word, decision_us)
        else:
            self._refuse(envelope, word, "switch")

    def _await_job(self, envelope: Envelope, job: str) -> None:
        """A job outlives a connection: its BACKGROUND_JOB comes on the next one, unless it ended in between."""
        try:
            good, word = verdict(self._jobs[job].get(timeout=_job_s(envelope)))
        except (LinkLost, gevent.Timeout):
            self._not_known(envelope)
        else:
            if good:
                self._finish(envelope, word, None)
            else:
                self._refuse(envelope, word, "switch")
        finally:
            self._jobs.pop(job, None)

    def _look_after(self, job: str) -> None:
        """Has the job of an originate ended while nobody listened? Its leg is answered then, or gone; else it rings."""
        link, result = self._supervisor.commands, self._jobs.get(job)
        if link is None or result is None:
            return
        try:
            said = link.send(f"api uuid_dump {job} json").text
        except LinkLost:
            return  # asked again when the switch is back
        if result.ready():
            return
        if not said.lstrip().startswith("{"):
            result.set_exception(LinkLost("the job ended unheard"))
        elif _ANSWERED.search(said):
            result.set(f"+OK {job}")

    def _lost_sight(self, envelope: Envelope) -> None:
        """Asked when the switch is found again: `connected` is still set while a loss is on its way to us."""
        self._unsure[envelope.id] = envelope

    def _ask(self, envelope: Envelope) -> None:
        """What became of it: CommandFinished or CommandUnknown, never a second try."""
        try:
            # From here on nobody writes it who has not yet marked it, so what is told holds.
            if self._marks.claim(envelope) == "taken" and self._marks.is_anothers(envelope):
                self._stopping.wait(FOLLOW_S)
        except LinkLost:
            return  # asked again when the switch is back
        if envelope.id not in self._unsure:
            return
        if isinstance(envelope.body, c.OriginateCall) and names_a_leg(envelope):
            self._take_up_job(envelope)
            return
        finished = self._is_done(envelope)
        if finished is None or self._unsure.pop(envelope.id, None) is None:
            return  # asked again when the switch is back
        if finished:
            self._finish(envelope, "asked", None)
        else:
            self._not_known(envelope)

    def _is_done(self, envelope: Envelope) -> bool | None:
        """What the switch says, False where it keeps no trace; None: it cannot be asked now."""
        link, question = self._supervisor.commands, question_about(envelope)
        if question is None:
            return False
        asked, wanted = question
        try:
            return None if link is None else bool(link.send(asked).text.strip() == wanted)
        except LinkLost:
            return None

    def _take_up_job(self, envelope: Envelope) -> None:
        """An originate is a job that may still be under way: its leg is looked for, its end waited for."""
        del self._unsure[envelope.id]
        self._jobs[envelope.id] = gevent.event.AsyncResult()
        self._under_way.spawn(self._await_job, envelope, envelope.id)
        self._look_after(envelope.id)

    def _not_known(self, envelope: Envelope) -> None:
        name, leg = envelope.body.NAME, leg_of(envelope)
        self._tell(CommandUnknown(switch=self._switch, command=envelope.id, name=name, leg=leg), envelope)

    def _finish(self, envelope: Envelope, word: str, decision_us: int | None) -> None:
        self._tell(
            CommandFinished(
                switch=self._switch,
                command=envelope.id,
                name=envelope.body.NAME,
                leg=leg_of(envelope),
                reply=word,
                decision_us=decision_us,
            ),
            envelope,
        )

    def _refuse(self, envelope: Envelope, reason: str, by: str) -> None:
        log.warning("command refused", command=envelope.id, type=envelope.body.NAME, reason=reason, by=by)
        self._tell(
            CommandRefused(
                switch=self._switch,
                command=envelope.id,
                name=envelope.body.NAME,
                leg=leg_of(envelope),
                reason=reason,
                by="agent" if by == "agent" else "switch",
            ),
            envelope,
        )

    def _expired(self, envelope: Envelope) -> bool:
        return envelope.not_after_us is not None and self._switch_now_us() > envelope.not_after_us

    def _patience_s(self, envelope: Envelope) -> float:
        """How long a command may wait for the switch: until it expires."""
        if envelope.not_after_us is None:
            return WAIT_FOR_SWITCH_S
        return min(WAIT_FOR_SWITCH_S, max(0.0, (envelope.not_after_us - self._switch_now_us()) / 1e6))

    def _switch_now_us(self) -> int:
        return self._supervisor.switch_now_us()


def _job_s(envelope: Envelope) -> float:
    body = envelope.body
    return (body.for_s if isinstance(body, c.OriginateCall) else 0) + JOB_SLACK_S
