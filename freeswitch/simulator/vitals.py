"""What the core says of itself: how long it runs, how many calls it has and may have, whether it takes new ones.

Enters: the clock, how many legs are up, the limits that `fsctl` sets. Leaves: HEARTBEAT's headers, the words of
`status`. Source: switch_core.c (send_heartbeat), mod_commands.c (status_function).
"""

from __future__ import annotations

from collections.abc import Callable

from freeswitch.simulator.calls.profile import Headers
from freeswitch.simulator.events import Core

VERSION = "1.11.3-simulated"
MAX_SESSIONS = 10_000
SESSIONS_PER_S = 10_000
"""More than a stock switch allows (1000 and 30), whose limits an operator raises."""
_UNITS = (
    ("year", 31_536_000_000_000),
    ("day", 86_400_000_000),
    ("hour", 3_600_000_000),
    ("minute", 60_000_000),
    ("second", 1_000_000),
    ("millisecond", 1000),
    ("microsecond", 1),
)


class Vitals:
    """Of one switch."""

    def __init__(self, core: Core, count: Callable[[], int]) -> None:
        """`count`: how many legs are up."""
        self._core = core
        self._count = count
        self._peak = 0
        self._second = self._in_this_second = 0
        self.max_sessions = MAX_SESSIONS
        self.sessions_per_s = SESSIONS_PER_S
        self.takes_inbound = True
        self.takes_outbound = True
        self.closes = False
        """It ends as soon as all calls are over."""

    def renew(self) -> None:
        """The process starts again: it takes calls."""
        self.takes_inbound, self.takes_outbound, self.closes, self._peak = True, True, False, 0

    def admits(self, *, inbound: bool) -> bool:
        """Whether one more leg may be; it counts from then on. Source: switch_core_session_request_uuid."""
        second = self._core.clock.now_us() // 1_000_000
        if second != self._second:
            self._second, self._in_this_second = second, 0
        open_ = self.takes_inbound if inbound else self.takes_outbound
        if not open_ or self._count() >= self.max_sessions or self._in_this_second >= self.sessions_per_s:
            return False
        self._in_this_second += 1
        return True

    @property
    def up_us(self) -> int:
        """Since the start."""
        return self._core.clock.now_us() - self._core.started_us

    def up_time(self) -> str:
        """`0 years, 1 day, …` down to microseconds."""
        parts, rest = [], self.up_us
        for name, size in _UNITS:
            number, rest = divmod(rest, size)
            parts.append(f"{number} {name}{'' if number == 1 else 's'}")
        return ", ".join(parts)

    def _peaked(self) -> int:
        self._peak = max(self._peak, self._count())
        return self._peak

    def heartbeat(self) -> Headers:
        """The headers of HEARTBEAT."""
        peak = str(self._peaked())
        return {
            "Event-Info": "System Ready",
            "Up-Time": self.up_time(),
            "FreeSWITCH-Version": f"{VERSION}~64bit",
            "Uptime-msec": str(self.up_us // 1000),
            "Session-Count": str(self._count()),
            "Max-Sessions": str(self.max_sessions),
            "Session-Per-Sec": str(self.sessions_per_s),
            "Session-Per-Sec-Last": "0",
            "Session-Per-Sec-Max": "1",
            "Session-Per-Sec-FiveMin": "1",
            "Session-Since-Startup": str(self._core.sessions),
            "Session-Peak-Max": peak,
            "Session-Peak-FiveMin": peak,
            "Idle-CPU": "98.333333",
        }

    def status(self) -> str:
        """The answer to `status`."""
        peak = self._peaked()
        return (
            f"UP {self.up_time()}\n"
            f"FreeSWITCH (Version {VERSION}  64bit) is ready\n"
            f"{self._core.sessions} session(s) since startup\n"
            f"{self._count()} session(s) - peak {peak}, last 5min {peak} \n"
            f"0 session(s) per Sec out of max {self.sessions_per_s}, peak 1, last 5min 1 \n"
            f"{self.max_sessions} session(s) max\n"
            "min idle cpu 0.00/98.33\nCurrent Stack Size/Max 240K/8192K\n"
        )
