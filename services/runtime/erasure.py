"""Takes out of a service's store whom a client's calls were with, once the client's history period is over (D14).

Enters: a store, what its room does to a span of time, periods in days as clients and platform say. Leaves: rows without
the other side's number and name, a piece per transaction, and how far it is. Which rows those are, and what stays in
them, belongs to the rooms. Source: 電気通信事業法 4条 (通信の秘密): records are kept as long as their purpose needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import gevent
import gevent.event
from prometheus_client import Counter

from proto.values import UNKNOWN_TENANT
from services.runtime import clock, projections
from services.runtime.bus import Unavailable
from services.runtime.log import get_logger
from services.runtime.store import Conflict, Store, Tx

DAY_US = 86_400_000_000
SPAN_US = DAY_US // 24
FIRST_AFTER_S, EVERY_S = 60.0, 3600.0
TRIES = 10
ERASED = Counter("toritsugi_erased_calls_total", "Records without the other side's number since the start", ["service"])
log = get_logger("erasure")


def periods(tx: Tx) -> Mapping[str, int]:
    """Days for which each client's calls say with whom they were, from what the service has heard.

    Of clients that are gone, and of calls to numbers that were nobody's, the platform's period holds. Empty before the
    platform has been heard of.
    """
    platform = projections.platform(tx)
    if platform is None:
        return {}
    names = dict.fromkeys([*projections.tenant_names(tx), UNKNOWN_TENANT], platform.keep_calls_days)
    own = {one.tenant: one.keep_calls_days for one in projections.tenants(tx)}
    return names | {name: days for name, days in own.items() if days is not None}


@dataclass(frozen=True)
class Erasable:
    """What a room does: the time of its first record of a client in a span, and the erasing of a span.

    Both take (transaction, client, from, until) in epoch microseconds, `until` exclusive; `erase` says how many records
    it changed, and leaves what was erased already as it is.
    """

    first_us: Callable[[Tx, str, int, int], int | None]
    erase: Callable[[Tx, str, int, int], int]
    periods: Callable[[Tx], Mapping[str, int]] = periods
    span_us: int = SPAN_US
    """So much of a client's time is erased in one transaction."""


@dataclass
class Erasure:
    """A part of the process: looks once an hour, beside the service's work."""

    service: str
    store: Store
    erasable: Erasable
    _stopping: gevent.event.Event = field(default_factory=gevent.event.Event)
    _greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin a little later: whoever starts has other things to do."""
        self._greenlet = gevent.spawn(self._keep_on)

    def stop(self) -> None:
        """What is not erased yet is so after the next start."""
        self._stopping.set()
        if self._greenlet is not None:
            self._greenlet.join()

    def _keep_on(self) -> None:
        rest_s = FIRST_AFTER_S
        while not self._stopping.wait(rest_s):
            try:
                self.run()
            except (Unavailable, Conflict) as error:
                log.warning("erasure waits", service=self.service, reason=str(error))
            except Exception as error:  # nobody starts it again, and nobody would notice that nothing is erased
                log.error("erasure failed", service=self.service, exc_info=error)
            rest_s = EVERY_S

    def run(self) -> int:
        """Erase whatever is due; how many records. Raises Unavailable, Conflict: what is done stays done."""
        now_us, total = clock.now_us(), 0
        for tenant, days in self.store.run(self.erasable.periods).items():
            before_us, of_tenant = now_us - days * DAY_US, 0
            while not self._stopping.is_set():
                found = self.store.run(lambda tx, of=tenant, until=before_us: self._piece(tx, of, until), TRIES)  # type: ignore[misc]
                if found is None:
                    break
                of_tenant += found
            if of_tenant:
                ERASED.labels(self.service).inc(of_tenant)
                log.info("erased", service=self.service, tenant=tenant, records=of_tenant)
            total += of_tenant
        return total

    def _piece(self, tx: Tx, tenant: str, before_us: int) -> int | None:
        """Some more of a client's time; None: there is nothing left before this time."""
        done_us = tx.state("erased", tenant, int) or 0
        first_us = self.erasable.first_us(tx, tenant, done_us, before_us)
        if first_us is None:
            return None
        until_us = min(first_us + self.erasable.span_us, before_us)
        count = self.erasable.erase(tx, tenant, first_us, until_us)
        tx.save("erased", tenant, until_us)
        return count
