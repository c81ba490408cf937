"""Writes the files of one switch, has it read them, and says so: the only way from a tenant's file into FreeSWITCH.

Enters: what directory says anew, the credentials file. Leaves: files in the switch's own folder, each replaced whole,
RevisionApplied per revision, PhoneCredentialApplied per credential. A number's fallback is in force once its file is
replaced; phones and carriers once the switch says that it has read them and what a former password of a phone had
opened has ended (`ended_phones.py`). Work is done in a thread; the switch is asked over a link of its own, since a
reload of a hundred thousand phones takes longer than a caller waits. What stands in the files: `conf.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import gevent
import gevent.event

from proto.envelope import Envelope
from proto.events import (
    NumbersSuspended,
    PhoneCredentialApplied,
    PhoneCredentialChanged,
    PlatformRevised,
    RevisionApplied,
    TenantRevised,
)
from proto.message import Event as Fact
from proto.tenant.platform import Platform
from proto.values import PLATFORM_TENANT
from services.eventsocket import conf, ended_phones
from services.eventsocket.agent import SwitchSettings
from services.eventsocket.conf_folder import ConfFolder
from services.eventsocket.fallbacks import fallback_path
from services.eventsocket.link import Link, LinkLost
from services.eventsocket.ownership import switch_named
from services.eventsocket.words import RenderSettings
from services.runtime.log import get_logger
from services.runtime.threads import in_thread

LOOK_EVERY_S = 5.0
"""So often the credentials file is looked at."""
RELOAD_S = 120.0
AGAIN_S = 2.0
LONGEST_PAUSE_S = 30.0
ENDED = "ended.txt"
"""Phones whose registrations and calls are still to end, one a line; no part of the switch's configuration."""
log = get_logger("conf")


_HEARD = TenantRevised | NumbersSuspended | PlatformRevised | PhoneCredentialChanged


class Agent(Protocol):
    """What is needed of the agent of the same switch."""

    switch: SwitchSettings
    on_learned: list[Callable[[Sequence[Envelope]], None]]

    def known(self) -> Sequence[Envelope]:
        """What directory said last of every client and of the platform."""

    def tell(self, fact: Fact, tenant: str = PLATFORM_TENANT, about: str = "") -> None:
        """Publish a fact about this switch."""


@dataclass(frozen=True)
class ConfSettings:
    """`conf_dir` is FreeSWITCH's own (global_getvar conf_dir); `credentials` the operator's JSON file."""

    conf_dir: Path
    credentials: Path | None = None


@dataclass
class Desired:
    """What the switch shall know, and the pieces of it that are rendered."""

    tenants: dict[str, TenantRevised] = field(default_factory=dict)
    suspended: dict[str, frozenset[str]] = field(default_factory=dict)
    """Numbers that take no calls, by client."""
    platform: Platform | None = None
    credentials: conf.Credentials = field(default_factory=conf.Credentials)
    issued: dict[str, dict[str, PhoneCredentialChanged]] = field(default_factory=dict)
    """By owner, by phone."""
    heard: set[str] = field(default_factory=lambda: {""})
    """Clients of whom directory has spoken, also those that are gone; empty: the platform."""
    pieces: dict[str, conf.OfTenant] = field(default_factory=dict)
    trouble: tuple[str, ...] = ()
    """With the credentials file, said of the platform."""
    standing: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    """While no credentials file could be read in this life: what the switch knows phones by of which directory has said
    nothing, by owner and id. Else whoever starts us with a broken file ends every phone that stands in it."""

    def of(self, owner: str) -> conf.Credentials:
        """What the phones of one client (or of the platform) are known by."""
        standing = self.standing.get("" if owner == PLATFORM_TENANT else owner, {})
        return conf.with_issued(self.credentials, self.issued.get(owner, {}).values(), standing.values())


@dataclass(frozen=True)
class Outcome:
    """What one turn of writing came to."""

    revision: str
    problems: Mapping[str, tuple[str, ...]]


class ConfFiles:
    """The part that keeps one switch's files; starts after the agent and stops before it."""

    def __init__(self, settings: ConfSettings, agent: Agent) -> None:
        self._settings, self._agent = settings, agent
        self._folder = ConfFolder(settings.conf_dir / "toritsugi" / "agent")
        self._desired = Desired()
        self._news: list[Envelope] = []
        self._unread: set[str] = set()
        """Files written that the switch has not yet been seen to use."""
        self._ended: set[str] = set()
        """Phones whose former password may still hold something open."""
        self._old_gateways: set[str] = set()
        """Carriers that the switch may still reach as they were; a rescan alone leaves them so."""
        self._first = True
        """Nobody knows what the switch took of the files of an earlier life."""
        self._due: set[str] = set()
        """Tenants whose files are not what they shall be."""
        self._swept = False
        self._revision: str | None = None
        """Of the files that a reload reads, once they were written."""
        self._shared_changed = True
        """The platform, the credentials or a phone: what a reload reads may be different."""
        self._of_carriers: tuple[str, ...] = ()
        self._stamp: tuple[int, int] | None = None
        self._read_once = False
        """A good credentials file, in this life."""
        self._wake = gevent.event.Event()
        self._asking = False
        """The switch is being asked, which may take as long as a reload."""
        self._dropping: list[gevent.Greenlet] = []
        self._stopping = False
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Returns at once; everything known is written anew, since nobody says what happened to the files meanwhile."""
        log.info("writing the switch's files", switch=self._agent.switch.name, folder=str(self._folder.path))
        self._agent.on_learned.append(self._learned)
        self._learned(self._agent.known())
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """What is being written is finished."""
        self._stopping = True
        self._wake.set()
        if self._greenlet is not None:
            self._greenlet.join()
            self._agent.on_learned.remove(self._learned)

    def _learned(self, envelopes: Sequence[Envelope]) -> None:
        """Directory has spoken (on the agent's greenlet: must not block)."""
        fresh = [one for one in envelopes if isinstance(one.body, _HEARD)]
        self._news += fresh
        self._wake.set()
        if self._asking and (stale := {path for one in fresh for path in self._stale(one)}):
            self._dropping.append(gevent.spawn(in_thread, partial(self._folder.replace_fallbacks, stale, {})))

    def _stale(self, told: Envelope) -> Iterable[str]:
        """The fallbacks of a client that has changed: until they are written anew its callers hear the apology."""
        fact = told.body
        if isinstance(fact, NumbersSuspended):
            changed = self._desired.suspended.get(told.tenant, frozenset()) ^ set(fact.numbers)
            return [fallback_path(number) for number in changed]
        if not isinstance(fact, TenantRevised):
            return []
        name = fact.body.tenant
        held, piece = self._desired.tenants.get(name), self._desired.pieces.get(name)
        return [] if piece is None or (held is not None and held.revision == fact.revision) else piece.fallbacks

    def _run(self) -> None:
        """One turn after the other; news that come meanwhile are taken together by the next one."""
        pause_s = AGAIN_S
        taken: list[Envelope] = []
        outcome: Outcome | None = None
        while not self._stopping:
            self._wake.wait(pause_s if taken else LOOK_EVERY_S)
            self._wake.clear()
            fresh, self._news = self._news, []
            taken += fresh
            gevent.joinall(self._dropping)
            self._dropping.clear()
            try:
                if bool(fresh or self._due or (taken and outcome is None)) or in_thread(self._credentials_changed):
                    outcome = None  # what an earlier turn came to says nothing about these
                    outcome = in_thread(partial(self._write, fresh))
                if outcome is not None and (taken or self._unread or self._ended) and not self._news:
                    self._have_read(outcome)
                    self._say(taken, outcome)
                    taken, pause_s = [], AGAIN_S
            except (OSError, LinkLost, ValueError) as error:
                log.warning("the switch's files wait", switch=self._agent.switch.name, reason=str(error))
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            except Exception as error:  # a bug of ours: the next revision must still be written
                log.error("the switch's files wait", switch=self._agent.switch.name, exc_info=error)
                pause_s = LONGEST_PAUSE_S

    # -- in a thread --

    def _credentials_changed(self) -> bool:
        return _stamp_of(self._settings.credentials) != self._stamp

    def _write(self, news: Sequence[Envelope]) -> Outcome:
        """Everything that is due. A turn that fails leaves it due; the files are then old or new, never half."""
        desired = self._desired
        self._take(news)
        platform = desired.platform
        if platform is None:
            raise ValueError("directory has not told the platform yet")
        due = sorted(self._due)
        fresh = {name: self._render(desired.tenants[name], platform) for name in due if name in desired.tenants}
        before = {path for name in due if name in desired.pieces for path in desired.pieces[name].fallbacks}
        self._folder.replace_fallbacks(before, {p: t for piece in fresh.values() for p, t in piece.fallbacks.items()})
        same_phones = all(_phones(desired.pieces.get(name)) == _phones(fresh.get(name)) for name in due)
        self._shared_changed = (
            self._shared_changed or not same_phones
        )  # until those files are written, also by a later turn
        for name in due:
            desired.pieces.pop(name, None)
        # Of a fallback only the path is kept: the text of all would be a hundred megabytes.
        desired.pieces |= {n: replace(one, fallbacks=dict.fromkeys(one.fallbacks, "")) for n, one in fresh.items()}
        if not self._swept:
            self._folder.keep_fallbacks({path for piece in desired.pieces.values() for path in piece.fallbacks})
            self._swept = True
        if self._revision is None or self._shared_changed:
            self._write_rest(platform)
        self._due.clear()
        return self._outcome()

    def _outcome(self) -> Outcome:
        problems = {name: piece.problems for name, piece in self._desired.pieces.items()}
        problems[PLATFORM_TENANT] = (*self._of_carriers, *self._desired.trouble)
        return Outcome(self._revision or "", problems)

    def _render(self, told: TenantRevised, platform: Platform) -> conf.OfTenant:
        """One tenant. A bug of ours costs it its new entries and its forwarding (its callers hear the apology)."""
        switch = self._agent.switch
        here = switch_named(platform, switch.name)
        settings = RenderSettings(here.phone_profile, "", switch.render.sounds_dir, switch.render.srtp)
        try:
            credentials = self._desired.of(told.body.tenant)
            suspended = self._desired.suspended.get(told.body.tenant, frozenset())
            return conf.of_tenant(told.body, told.revision, platform, here, credentials, settings, suspended)
        except Exception as error:
            log.error("a tenant cannot be written", switch=switch.name, tenant=told.body.tenant, exc_info=error)
            old = self._desired.pieces.get(told.body.tenant) or conf.OfTenant("", (), {}, ())
            return replace(old, fallbacks={}, problems=("its files cannot be written",))

    def _take(self, news: Sequence[Envelope]) -> None:
        """Note what is due: the tenants that are named, or all if what they share has changed."""
        desired = self._desired
        everything = self._credentials_changed()
        if everything:
            self._read_credentials()
        for one in news:
            fact = one.body
            if isinstance(fact, PlatformRevised):
                everything = everything or fact.body != desired.platform
                desired.platform = fact.body
            elif isinstance(fact, TenantRevised):
                self._due.add(fact.body.tenant)
                desired.heard.add(fact.body.tenant)
                if fact.gone:
                    desired.tenants.pop(fact.body.tenant, None)
                else:
                    desired.tenants[fact.body.tenant] = fact
            elif isinstance(fact, NumbersSuspended):
                desired.suspended[one.tenant] = frozenset(fact.numbers)
                self._due.add(one.tenant)
            elif isinstance(fact, PhoneCredentialChanged):
                desired.issued.setdefault(fact.owner, {})[fact.phone] = fact
                desired.standing.get("" if fact.owner == PLATFORM_TENANT else fact.owner, {}).pop(fact.phone, None)
                self._due.add(fact.owner)
                self._shared_changed = self._shared_changed or fact.owner == PLATFORM_TENANT
        if everything:
            self._shared_changed = True
            self._due |= desired.tenants.keys()

    def _read_credentials(self) -> None:
        """A file that cannot be used changes nothing: the last good one holds, and the trouble is said.

        Of an earlier life's good one the switch's own files are what is left.
        """
        path, desired = self._settings.credentials, self._desired
        stamp = _stamp_of(path)
        desired.trouble = ()
        if path is not None:
            try:
                desired.credentials, self._read_once = conf.credentials_of(path.read_bytes()), True
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else str(error)
                desired.trouble = (f"{path.name}: {reason}",)
                log.error("credentials", switch=self._agent.switch.name, reason=reason)
        if self._read_once:
            desired.standing = {}
        elif self._stamp is None and desired.trouble:
            desired.standing = conf.standing_phones(self._folder.text("directory.xml"))
        self._stamp = stamp

    def _write_rest(self, platform: Platform) -> None:
        """The four files that a reload reads, in the order in which half of them would do least harm.

        A hundred thousand phones are forty megabytes: a changed target alone leaves them as they are.
        """
        pieces = [self._desired.pieces[name] for name in sorted(self._desired.pieces)]
        known = {(one.id, self._domain(told)) for told in self._desired.tenants.values() for one in told.body.ids}
        pools = conf.of_pools(platform, known, self._desired.of(PLATFORM_TENANT))
        gateways, of_gateways = conf.gateways_xml(platform, self._desired.credentials)
        acl, of_acl = conf.acl_xml(self._desired.credentials)
        if self._desired.trouble and not self._read_once:
            gateways, acl = (self._folder.text(n) or t for n, t in (("gateways.xml", gateways), ("acl.xml", acl)))
        directory = conf.directory_xml([*pieces, *pools])
        texts = {"directory.xml": directory, "gateways.xml": gateways, "acl.xml": acl}
        revision = conf.revision_of_files(list(texts.values()))
        self._old_gateways |= conf.gateways_that_differ(self._folder.text("gateways.xml"), gateways)
        self._ended |= ended_phones.addresses(self._folder.text(ENDED))
        self._ended |= conf.phones_that_differ(self._folder.text("directory.xml"), directory, self._desired.heard)
        # What is to end is on disk before it can be seen from the files that it is.
        self._folder.write({ENDED: "".join(f"{phone}\n" for phone in sorted(self._ended))})
        self._unread |= self._folder.write({**texts, "vars.xml": conf.vars_xml(revision)})
        self._of_carriers = (*of_gateways, *of_acl, *(problem for piece in pools for problem in piece.problems))
        self._revision, self._shared_changed = revision, False

    def _domain(self, told: TenantRevised) -> str:
        here = switch_named(self._desired.platform, self._agent.switch.name)
        return (told.body.domain or here.domain).lower()

    # -- asking the switch --

    def _have_read(self, outcome: Outcome) -> None:
        """Until the switch says that it works with these files. Raises LinkLost, ValueError."""
        at = self._agent.switch
        link = Link(at.host, at.port, at.password, at.timeout_s, user=at.user)
        self._asking = True
        try:
            link.connect()
            behind = link.send("api global_getvar tt_revision").text.strip() != outcome.revision
            if behind and self._first:
                self._unread |= {"acl.xml", "gateways.xml"}
                self._old_gateways |= conf.gateways_that_differ(self._folder.text("gateways.xml"), "")
            if behind or self._unread:
                said = link.send("api reloadxml", RELOAD_S).text.strip()
                if said != "+OK [Success]":
                    raise ValueError(f"the switch cannot read its files: {said[:200]}")
            if behind or self._unread or self._first:  # first: an earlier life may have come to the reload only
                # Phones that it remembers are forgotten: a password that was taken back must not open any more.
                if not link.send("api xml_flush_cache", RELOAD_S).text.startswith("+OK"):
                    raise ValueError("the switch does not forget the phones that it remembers (xml_flush_cache)")
                if link.send("api global_getvar tt_revision").text.strip() != outcome.revision:
                    raise ValueError("the switch reads other files: is conf_dir its own folder?")
            not_ended = self._end_phones(link)
            if "acl.xml" in self._unread:
                link.send("api reloadacl", RELOAD_S)
            if "gateways.xml" in self._unread:
                for name in sorted(self._old_gateways):
                    link.send(f"api sofia profile external killgw {name}")
                link.send("api sofia profile external rescan", RELOAD_S)
        finally:
            self._asking = False
            link.stop()
        self._unread.clear()
        self._old_gateways.clear()
        self._first = False
        if not_ended is not None:
            raise not_ended

    def _end_phones(self, link: Link) -> ValueError | None:
        """What a former password had opened; or why that is due again, which keeps no carrier waiting."""
        if self._ended:
            at = self._agent.switch
            try:
                ended_phones.end(link, switch_named(self._desired.platform, at.name).phone_profile, self._ended)
            except ValueError as error:
                return error
            log.info("phones ended", switch=at.name, phones=len(self._ended))
            in_thread(partial(self._folder.write, {ENDED: ""}))
            self._ended.clear()
        return None

    def _say(self, taken: Sequence[Envelope], outcome: Outcome) -> None:
        switch = self._agent.switch.name
        for one in taken:
            if isinstance(one.body, PhoneCredentialChanged):
                told = one.body
                done = PhoneCredentialApplied(switch=switch, phone=told.phone, serial=told.serial)
                self._agent.tell(done, told.owner, one.id)
                continue
            if isinstance(one.body, NumbersSuspended):
                continue
            assert isinstance(one.body, TenantRevised | PlatformRevised)
            problems = outcome.problems.get(one.tenant, ())
            for problem in problems:
                log.warning("not in the switch's files", switch=switch, tenant=one.tenant, problem=problem)
            fact = RevisionApplied(switch=switch, revision=one.body.revision, problems=problems[:20])
            self._agent.tell(fact, one.tenant, one.id)


def _phones(piece: conf.OfTenant | None) -> tuple[str, tuple[str, ...]]:
    return (piece.domain, piece.phones) if piece is not None and piece.phones else ("", ())


def _stamp_of(path: Path | None) -> tuple[int, int]:
    """Changes when the file does; nothing there is a state as well."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size) if found else (-1, 0)
