"""What a leg has been through, as its call record tells it: each application, each extension, each transfer.

Enters: what channel.py runs and where it sends the leg. Leaves: the application log and the chapters of the callflow,
newest first. The file that they end up in belongs to cdr.py.
Source: switch_core_session.c (app_log), switch_channel.c (switch_channel_set_caller_profile).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from freeswitch.simulator.calls.profile import OtherLeg, Profile, Times
from freeswitch.simulator.plan import App


@dataclass(frozen=True)
class Ran:
    """One application that was run, its data expanded; None where an inline plan gave none."""

    name: str
    data: str | None
    at_us: int


@dataclass(frozen=True)
class Chapter:
    """One caller profile of a leg, with the extension that it led to."""

    profile: Profile
    times: Times
    transferred_us: int
    other: OtherLeg | None
    name: str | None
    """Of the extension; None: there was none."""
    number: str
    apps: tuple[App, ...]
    current: int | None
    """Position of the application that was next when the leg went on; None: all had run."""


class Story:
    """Of one leg."""

    def __init__(self) -> None:
        self.ran: list[Ran] = []
        self._past: list[Chapter] = []
        self._name: str | None = None
        self._number = ""
        self._apps: tuple[App, ...] = ()
        self._met: OtherLeg | None = None

    def found(self, name: str, number: str) -> None:
        """An extension: by name and number in a dialplan file, `inline`, or the application of an originate."""
        self._name, self._number, self._apps = name, number, ()

    def runs(self, apps: tuple[App, ...]) -> None:
        """The applications of the extension that was found."""
        self._apps = apps

    def met(self, other: OtherLeg | None) -> None:
        """Who the other leg of a bridge is; the chapter keeps it when the bridge is over."""
        self._met = other

    def sent_on(self, profile: Profile, times: Times, other: OtherLeg | None, left: int, now_us: int) -> None:
        """The leg gets a new profile; `left`: how many applications of the old one had not begun."""
        self._past.insert(0, self._chapter(profile, times, other, left, now_us))
        self._name, self._number, self._apps, self._met = None, "", (), None

    def bridged_away(self) -> None:
        """The new profile is that of uuid_bridge: it keeps the extension, without its applications."""
        if self._past:
            self._name, self._number = self._past[0].name, self._past[0].number

    def chapters(self, profile: Profile, times: Times, other: OtherLeg | None, left: int) -> list[Chapter]:
        """All of them, the present one first."""
        return [self._chapter(profile, times, other, left, 0), *self._past]

    def _chapter(self, profile: Profile, times: Times, other: OtherLeg | None, left: int, moved_us: int) -> Chapter:
        current = len(self._apps) - left if 0 < left <= len(self._apps) else None
        return Chapter(
            profile, replace(times), moved_us, other or self._met, self._name, self._number, self._apps, current
        )
