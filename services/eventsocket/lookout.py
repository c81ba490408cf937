"""Looks what the switch has up, on finding it and every 30 s, and says so to the spool.

Enters: answers on the command link, our beliefs. Leaves: records (`records.py`) that take their turn behind all that
was heard before; whatever the events have told by then makes them void. A question without a whole answer concludes
nothing. The comparison itself is `snapshot.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import gevent
import gevent.event

from services.eventsocket.beliefs import Beliefs
from services.eventsocket.frames import Event, decode_json
from services.eventsocket.link import Link, LinkLost
from services.eventsocket.records import leg_gone, leg_seen, legs_up
from services.eventsocket.snapshot import APART_US, Compared, Snapshot, compare, read_channels
from services.eventsocket.supervisor import Supervisor
from services.runtime import clock
from services.runtime.log import get_logger

AT_ONCE = 32
"""So many questions are under way together: a plan for a caller waits behind no more than these."""
PACE_S = 1.0
"""So long at most the next packet waits for the last one to be told: the bus may be away."""
SHOW_S = 15.0
AGAIN_S = APART_US / 1_000_000
log = get_logger("lookout")


class Lookout:
    """One per agent."""

    def __init__(
        self,
        supervisor: Supervisor,
        beliefs: Beliefs,
        learn: Callable[[Event], None],
        every_s: float = 30.0,
        untold: Callable[[], int] = lambda: 0,
    ) -> None:
        """`untold`: how many records wait to be worked in; whoever calls meanwhile stands behind them."""
        self._supervisor, self._beliefs, self._learn, self._every_s = supervisor, beliefs, learn, every_s
        self._untold = untold
        self._wake = gevent.event.Event()
        self._greenlet: gevent.Greenlet | None = None
        self._full = False
        self.seen = gevent.event.Event()
        """Set once what is up has been told since the switch was found."""
        self._looked_us = 0
        self._missing: dict[str, int] = {}
        self._dumped: set[str] = set()
        self._gone: set[str] = set()

    def start(self) -> None:
        """Begin; the first look is at `found`."""
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """End where it stands: what it had not concluded, the next life concludes anew."""
        if self._greenlet is not None:
            self._greenlet.kill()

    def found(self) -> None:
        """The switch is found (again): much may have happened unheard."""
        self._full = True
        self.seen.clear()
        self._dumped.clear()
        self._wake.set()

    def soon(self) -> None:
        """The switch counts other than we do: look without waiting for the next turn, but not without pause."""
        if clock.monotonic_us() - self._looked_us > APART_US:
            self._wake.set()

    def _run(self) -> None:
        due_s = self._every_s
        while True:
            self._wake.wait(due_s)
            self._wake.clear()
            due_s = self._every_s
            if not self._supervisor.connected.wait(self._every_s):
                continue
            try:
                due_s = self._look()
            except LinkLost as error:
                log.info("the switch did not say what is up", reason=str(error))
            except Exception as error:  # without it no call that ends unheard would ever end
                log.error("looking what is up failed", exc_info=error)

    def _look(self) -> float:
        """One snapshot; seconds until the next."""
        link, found = self._supervisor.commands, self._supervisor.found
        if link is None or found is None:
            return AGAIN_S
        asked_us = self._supervisor.switch_now_us()
        self._looked_us = clock.monotonic_us()
        said = link.send("api show channels as json", timeout=SHOW_S).body
        now = read_channels(said, found.core, asked_us)
        if now is None:
            log.warning("the switch's list of legs is not whole: nothing is concluded from it", size=len(said))
            return AGAIN_S
        full, self._full = self._full, False
        try:
            self._compare(link, now, full=full)
        except BaseException:
            self._full = self._full or full
            raise
        self.seen.set()
        return AGAIN_S if self._missing else self._every_s

    def _compare(self, link: Link, now: Snapshot, *, full: bool) -> None:
        believed = self._beliefs.legs_up()
        self._dumped &= now.legs
        compared = compare(believed, self._dumped, self._missing, now)
        self._missing = dict(compared.missing)
        # Who was heard of since they were said to be gone is not gone, and may be again.
        self._gone &= {*compared.gone, *compared.old_core}
        if compared.still_up:
            self._learn(legs_up(now.core, now.asked_us, compared.still_up))
        self._dump(link, [*compared.unknown, *(compared.still_up if full else ())])
        self._say_gone(link, now, compared)

    def _dump(self, link: Link, legs: Sequence[str]) -> None:
        """What each of them is. One that ended meanwhile has no answer, and needs none."""
        if legs:
            log.info("legs looked at", legs=len(legs))
        for start in range(0, len(legs), AT_ONCE):
            self._let_others_pass()
            packet = legs[start : start + AT_ONCE]
            for leg, said in _answers(link, [(leg, f"api uuid_dump {leg} json") for leg in packet]):
                self._dumped.add(leg)
                if said.lstrip().startswith(b"{"):
                    self._learn(leg_seen(decode_json(said)))

    def _let_others_pass(self) -> None:
        """Thousands of dumps at once would let a new caller's arrival wait behind them until its plan is too late."""
        with gevent.Timeout(PACE_S, False):
            while self._untold() > AT_ONCE:
                gevent.sleep(0.005)

    def _say_gone(self, link: Link, now: Snapshot, compared: Compared) -> None:
        old = [leg for leg in compared.old_core if leg not in self._gone]
        asked = [(leg, f"api uuid_exists {leg}") for leg in compared.gone if leg not in self._gone]
        gone = [leg for leg, said in _answers(link, asked) if said.strip() == b"false"]
        if not old and not gone:
            return
        log.warning("legs ended unheard", legs=len(gone), of_an_earlier_core=len(old))
        for leg in old:
            self._learn(leg_gone(leg, now.core, now.asked_us))
        for leg in gone:
            self._learn(leg_gone(leg, now.core, compared.gone[leg]))
        self._gone.update(old, gone)


def _answers(link: Link, questions: Sequence[tuple[str, str]]) -> Iterable[tuple[str, bytes]]:
    """Asked in packets, answered in order. Raises LinkLost."""
    for start in range(0, len(questions), AT_ONCE):
        posted = [(leg, link.post(text)) for leg, text in questions[start : start + AT_ONCE]]
        for leg, waiting in posted:
            yield leg, link.reply_to(waiting, link.timeout).body
