"""A client as the settings pages work with it: what is in force, what a new text would do, saving, taking back.

Enters: the visitor's wish for a client, changes of keys. Leaves: a text that was tried (with what is wrong or what
callers would notice), a file in force, or `Refused`. Which keys a form changes belongs to its `Setting`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from flask import abort
from gevent.lock import BoundedSemaphore

from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.values import Party, to_datetime
from services.directory.numbers import model as numbers
from services.directory.service import in_force
from services.directory.settings.frame import Change, Setting
from services.directory.tenants import texts
from services.directory.tenants.changing import Refused, put, take_back
from services.directory.tenants.check import check_tenant
from services.directory.tenants.doubts import doubts, rounds
from services.directory.tenants.edit import edited
from services.directory.tenants.effects import State, effects
from services.directory.tenants.plan_command import days
from services.directory.tenants.problems import Path as Keys
from services.directory.tenants.problems import Problem, errors
from services.directory.tenants.route_tests import Explain, Failed, failing
from services.directory.tenants.words import Lang, in_words
from services.directory.tenants.yaml_files import parse
from services.runtime import clock
from services.runtime.bus import Unavailable
from services.runtime.log import get_logger
from services.runtime.store import Store, Tx
from services.runtime.telephone import written
from services.runtime.threads import in_thread
from services.runtime.web import current_person

log = get_logger("directory.settings")
_one_at_a_time = BoundedSemaphore(1)
T = TypeVar("T")
OTHER_CALLER = Party(presentation="unavailable")


@dataclass(frozen=True)
class Client:
    """What stands of the client whose page it is."""

    tenant: Tenant
    platform: Platform
    last: texts.Entry
    text: bytes
    suspended: frozenset[str] = frozenset()
    """Its numbers that take no calls, whatever the file says."""


@dataclass(frozen=True)
class Tried:
    """A text that nobody has saved yet. Without `tenant` it cannot even be read."""

    text: bytes
    tenant: Tenant | None
    problems: tuple[Problem, ...] = ()
    """Why it would not take effect."""
    failed: tuple[Failed, ...] = ()
    """Tests of the file that came out until now and would not any more."""
    followed: tuple[Failed, ...] = field(default=())
    """Tests that speak of the very value that changes, and change with it."""

    @property
    def refused(self) -> bool:
        """Whether it must not be saved."""
        return bool(self.tenant is None or self.problems or self.failed)


class Noticed(NamedTuple):
    """Which calls, what they would meet and what they meet now; or a sentence alone."""

    what: str
    after: str = ""
    before: str = ""


@dataclass(frozen=True)
class Settings:
    """What the pages work with; `take` has the folder read at once."""

    store: Store
    folder: Path
    take: Callable[[], object]
    explain: Explain

    def client(self, name: str) -> Client:
        """The client, or 404: also where there is one that the visitor may not know of."""
        if not current_person().sees(name):
            abort(404)

        def read(tx: Tx) -> Client | None:
            now, last = in_force(tx, name), texts.latest(tx, name)
            if last is None or name not in now.tenants or now.platform is None:
                return None
            found = texts.text_of(tx, name, last.number)
            if found is None:
                return None
            suspended = frozenset(one.number for one in now.numbers.values() if one.state is numbers.State.SUSPENDED)
            return Client(now.tenants[name].body, now.platform, last, found[1], suspended)

        found = self.store.run(read)
        return found if found is not None else abort(404)

    def tried(self, client: Client, setting: Setting, name: str, changes: Sequence[Change]) -> Tried:
        """The text with these changes, and what is wrong with it. Raises CannotEdit."""
        others: list[Tenant] = []
        if setting.forwards and changes:
            known = self.store.run(in_force).tenants
            others = [held.body for held in known.values() if held.body.tenant != client.tenant.tenant]
        tried = _aside(lambda: self._tried_with(client, setting, name, changes))
        if tried.tenant is None or not others:
            return tried
        tenant = tried.tenant
        return replace(tried, problems=(*tried.problems, *_aside(lambda: _new_rounds(others, client.tenant, tenant))))

    def _tried_with(self, client: Client, setting: Setting, name: str, changes: Sequence[Change]) -> Tried:
        wanted = {change.path: change.value for change in changes}
        tried = self._tried(client, setting, name, edited(client.text, wanted))
        following: dict[Keys, object] = {}
        followed = []
        for failed in tried.failed:
            if keys := setting.follows(client.tenant, name, changes, failed):
                following.update(keys)
                followed.append(failed)
        if not following:
            return tried
        again = self._tried(client, setting, name, edited(tried.text, following))
        return Tried(again.text, again.tenant, again.problems, again.failed, tuple(followed))

    def _tried(self, client: Client, setting: Setting, name: str, new: bytes) -> Tried:
        document, problems = parse(Tenant, new, client.last.file)
        if document is None:
            return Tried(new, None, tuple(problems))
        tenant = document.body
        stood = {(one.index, one.test) for one in failing(client.tenant, client.platform, self.explain)}
        failed = [one for one in failing(tenant, client.platform, self.explain) if (one.index, one.test) not in stood]
        found = _looked_at(tenant, client.platform)
        before = {(one.path, one.text) for one in _looked_at(client.tenant, client.platform)}
        minded = [one for one in found if one.level == "warning" and setting.minds(name, one)]
        problems = [*errors(found), *(one for one in minded if (one.path, one.text) not in before)]
        return Tried(new, tenant, tuple(problems), tuple(failed))

    def save(self, client: Client, new: bytes, why: str) -> None:
        """Bring it into force unless the file was changed meanwhile. Raises Refused."""
        expected = {client.last.file: client.last.digest}
        put(self.store, self.folder, {client.last.file: new}, current_person().id, why, clock.now_us(), expected)

    def may_take_back(self, client: Client) -> bool:
        """Only one's own change, unless one runs the platform: an operator's may be about anything."""
        person = current_person()
        return client.last.number > 1 and (person.role == "platform_operator" or client.last.who == person.id)

    def taken_back(self, client: Client) -> None:
        """The text of before. Raises Refused."""
        name, who = client.tenant.tenant, current_person().id
        take_back(self.store, self.folder, name, None, who, "", clock.now_us(), of=client.last.number)

    def taken(self) -> bool:
        """Have the folder read now; False: the watch of directory will, once store and bus are back."""
        try:
            self.take()
        except (OSError, Unavailable) as error:
            log.warning("a change takes effect later", reason=str(error))
            return False
        return True

    def noticed(self, client: Client, setting: Setting, name: str, new: Tenant, lang: Lang) -> list[Noticed]:
        """What callers would notice, and whoever calls from inside."""
        before, after, today = State(client.tenant, client.platform), State(new, client.platform), now(client.tenant)
        found = [
            Noticed(f"{written(one.number)} {days(one, lang)}", getattr(one.after, lang), getattr(one.before, lang))
            for one in _aside(lambda: effects(before, after, self.explain, today.date()))
        ]
        at_us = clock.now_us()
        stood, would = (
            setting.noticed(tenant, name, client.platform, self.explain, at_us, lang) for tenant in (client.tenant, new)
        )
        return found + [Noticed(line) for line in would if line not in stood]

    def next_calls(self, client: Client, tenant: Tenant, numbers: Sequence[str], lang: Lang) -> list[tuple[str, str]]:
        """Number, and what whoever called it now would meet."""
        found = []
        for number in numbers:
            asked = (tenant, client.platform, number, OTHER_CALLER, clock.now_us())
            plan, _why = self.explain(*asked, "", client.suspended)
            found.append((written(number), in_words(plan, tenant, lang)))
        return found


def _looked_at(tenant: Tenant, platform: Platform) -> list[Problem]:
    return [*check_tenant(tenant, platform), *doubts(tenant, now(tenant).date())]


def _new_rounds(others: Sequence[Tenant], before: Tenant, after: Tenant) -> list[Problem]:
    """Calls of this client that would go round over others, and did not until now."""
    stood, would = ([one for of, one in rounds([*others, it]) if of == it.tenant] for it in (before, after))
    return [one for one in would if one.text not in {old.text for old in stood}]


def _aside(work: Callable[[], T]) -> T:
    """Beside the hub, which has calls to decide; one at a time, for others need the threads too."""
    with _one_at_a_time:
        return in_thread(work)


def now(tenant: Tenant) -> datetime:
    """The time where the client is."""
    return to_datetime(clock.now_us()).astimezone(ZoneInfo(tenant.timezone))


__all__ = ["Client", "Refused", "Settings", "Tried", "now"]
