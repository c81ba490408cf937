"""Posts what is due, again and again for days, until the receiver has it.

Enters: rows of `deliveries`. Leaves: signed requests, and the rows' next state. It runs beside the worker as a part;
several may run over one database. What an outcome means belongs to `decide.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import gevent
import gevent.event
from gevent.pool import Pool
from prometheus_client import Counter

from proto.envelope import Envelope
from services.connectors.decide import DELAYS_S, Next, after
from services.connectors.deliveries import Due, claim, settle
from services.connectors.post import TIMEOUT_S, post
from services.connectors.sign import headers
from services.runtime import clock
from services.runtime.bus import Unavailable
from services.runtime.log import get_logger
from services.runtime.store import Conflict, Store

AT_ONCE = 16
STOP_S = 5.0
POSTS = Counter("toritsugi_webhook_attempts_total", "Attempts to post a webhook, by what became of them", ["state"])

log = get_logger("connectors.courier")


class Courier:
    """A part: `start()` and `stop()`."""

    def __init__(
        self,
        store: Store,
        allow_private: bool = False,
        *,
        every_s: float = 2.0,
        timeout_s: float = TIMEOUT_S,
        delays_s: Sequence[float] = DELAYS_S,
    ) -> None:
        """`allow_private`: also post to private and loopback addresses (for tests and receivers in one's own house)."""
        self._store = store
        self._allow_private = allow_private
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._delays_s = delays_s
        self._pool = Pool(AT_ONCE)
        self._busy: set[tuple[str, str]] = set()
        self._wake = gevent.event.Event()
        self._stopping = gevent.event.Event()
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin to look for what is due."""
        self._greenlet = gevent.spawn(self._loop)

    def stop(self) -> None:
        """Claim nothing more, let the requests under way end; what lasts longer comes again with the same id."""
        self._stopping.set()
        self._wake.set()
        if self._greenlet is not None:
            self._greenlet.join()
        self._pool.join(timeout=STOP_S)
        self._pool.kill()

    def look(self, _committed: Sequence[Envelope] = ()) -> None:
        """Something new may be due; without a word it is seen within `every_s`."""
        self._wake.set()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                claimed = self.send_due()
            except Unavailable as error:
                log.warning("deliveries wait", reason=str(error))
                claimed = 0
            except Exception as error:  # the loop must outlive whatever it meets: nobody starts it again
                log.error("deliveries wait", exc_info=error)
                claimed = 0
            if not claimed:
                self._wake.wait(self._every_s)

    def send_due(self) -> int:
        """Claim what is due, as much as can be sent at once, and send it in the background. Returns how many."""
        self._pool.wait_available()
        limit, now_us, busy = self._pool.free_count(), clock.now_us(), frozenset(self._busy)
        claimed = self._store.run(lambda tx: claim(tx, now_us, limit, busy))
        for due in claimed:
            self._busy.add((due.tenant, due.url))
            self._pool.spawn(self._send, due)
        return len(claimed)

    def _send(self, due: Due) -> None:
        try:
            self._settle(due, self._attempt(due))
        except Exception as error:  # the lease runs out and it is sent again, with the same id
            log.error("webhook not sent", tenant=due.tenant, call=due.call, exc_info=error)
        finally:
            self._busy.discard((due.tenant, due.url))
            self._wake.set()

    def _settle(self, due: Due, result: Next) -> None:
        POSTS.labels(result.state).inc()
        if result.state != "sent":
            log.warning("webhook not taken", tenant=due.tenant, call=due.call, state=result.state, reason=result.reason)
        while True:
            try:
                self._store.run(lambda tx: settle(tx, due, result, clock.now_us()))
                return
            except (Unavailable, Conflict):  # the latter: another process changed the row, for example withdrew it
                if self._stopping.wait(0.2):
                    return  # the lease runs out and it is sent again, with the same id

    def _attempt(self, due: Due) -> Next:
        if due.withdrawn:
            return Next("withdrawn", "the client no longer asks for it")
        signed = headers(due.secret, due.message, clock.now_us(), due.body)
        signed |= {"content-type": "application/json", "user-agent": "Toritsugi"}
        outcome = post(due.url, signed, due.body.encode(), allow_private=self._allow_private, timeout_s=self._timeout_s)
        return after(outcome, due.attempts, due.message, self._delays_s)
