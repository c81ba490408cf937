"""Which files take effect: validity per client, and clashes between clients.

Enters: the folder as it stands and what is in force. Leaves: what changes, what is gone, and every problem. Pure. A bad
file freezes that client only (its last good copy stays); of two clients that claim the same thing, the one that changed
later is refused; a platform that would break a client in force is refused as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from proto.tenant import Tenant
from proto.tenant.platform import Platform
from services.directory.days import day_of
from services.directory.numbers.model import Held as Number
from services.directory.numbers.model import State
from services.directory.tenants.check import check_platform, check_tenant
from services.directory.tenants.documents import PLATFORM_FILE, Document, Folder, line_of
from services.directory.tenants.problems import Path, Problem, errors

Claim = tuple[str, ...]
"""What only one client can have: ("number", digits) or ("phone", id, domain)."""


class Held(msgspec.Struct, frozen=True):
    """The last good copy of a client, and the file it came from."""

    file: str
    body: Tenant


class InForce(msgspec.Struct, frozen=True):
    """What everybody works with now."""

    platform: Platform | None = None
    tenants: dict[str, Held] = {}
    identified: frozenset[str] | None = None
    """Clients whose identity check is confirmed; None: nobody asks (`tenants check` sees files alone)."""
    numbers: dict[str, Number] = {}
    """Those of the stock that not everybody may have."""

    @property
    def suspended(self) -> frozenset[str]:
        """Numbers that take no calls, whatever the files say."""
        return frozenset(one.number for one in self.numbers.values() if one.state is State.SUSPENDED)


class Settled(msgspec.Struct, frozen=True):
    """What shall be in force from now on."""

    platform: Platform | None
    tenants: dict[str, Held]
    gone: tuple[str, ...]
    """Clients whose file was removed."""
    problems: tuple[Problem, ...]


def settle(folder: Folder, now: InForce) -> Settled:
    """The folder against what is in force. Nothing is ever gone while platform.yaml is missing: the folder may be."""
    problems = list(folder.problems)
    proposed = folder.platform
    if proposed is not None:
        own = [_located(p, proposed, "_platform") for p in check_platform(proposed.body)]
        problems += own
        breaks = [] if errors(own) else list(_breaks(proposed.body, folder, now))
        problems += breaks
        if errors(own) or breaks:
            proposed = None
    platform = proposed.body if proposed is not None else now.platform
    if platform is None:
        return Settled(None, now.tenants, (), tuple(problems))
    fit, found = _fit(folder, now, platform)
    problems += found
    present = {document.body.tenant for document in folder.tenants}
    # A refused file ends nobody's service: neither its client's of before, should it name another one now.
    kept = {document.file for document in folder.tenants} - {document.file for document in fit} | set(folder.broken)
    missing = () if folder.platform is None and PLATFORM_FILE not in folder.broken else tuple(now.tenants)
    gone = tuple(t for t in missing if t not in present and now.tenants[t].file not in kept)
    held = {tenant: held for tenant, held in now.tenants.items() if tenant not in gone}
    tenants, clashes = _without_clashes(fit, held, platform)
    return Settled(platform, tenants, gone, tuple(problems + clashes))


def _breaks(platform: Platform, folder: Folder, now: InForce) -> Iterator[Problem]:
    """Clients that would be left with something that no longer exists, and whose file does not follow."""
    proposed = {document.body.tenant: document.body for document in folder.tenants}
    for tenant, held in now.tenants.items():
        follows = tenant in proposed and not errors(check_tenant(proposed[tenant], platform))
        wrong = [] if follows else errors(check_tenant(held.body, platform))
        if wrong and (now.platform is None or not errors(check_tenant(held.body, now.platform))):
            yield Problem(
                text=f"cannot take effect: in {held.file}, {wrong[0].key} needs {wrong[0].value!s}",
                file=PLATFORM_FILE,
                tenant=tenant,
            )


def _fit(folder: Folder, now: InForce, platform: Platform) -> tuple[list[Document[Tenant]], list[Problem]]:
    """The files that are right by themselves, those already in force first, then in the order of their change."""
    problems: list[Problem] = []
    fit: list[Document[Tenant]] = []
    files: dict[str, str] = {}
    known = {held.file: held.body for held in now.tenants.values()}
    for document in sorted(folder.tenants, key=lambda d: known.get(d.file) != d.body):
        tenant = document.body.tenant
        if tenant in files:
            text = f"is described in {files[tenant]} already"
            problem = Problem(text=text, path=("tenant",), value=tenant, hint="this file is refused")
            problems.append(_located(problem, document, tenant))
            continue
        files[tenant] = document.file
        checked = [
            *check_tenant(document.body, platform),
            *_unidentified(tenant, now, platform),
            *_spoken_for(document.body, now, platform),
        ]
        found = [_located(problem, document, tenant) for problem in checked]
        problems += found
        if not errors(found):
            fit.append(document)
    return fit, problems


def _unidentified(tenant: str, now: InForce, platform: Platform) -> Iterator[Problem]:
    """犯罪収益移転防止法 4条: before the service begins. Who is served already goes on, with a warning."""
    if platform.identity == "required" and now.identified is not None and tenant not in now.identified:
        begun = tenant in now.tenants
        yield Problem(
            text="has no confirmed identity check (本人確認)" + ("" if begun else ", so its service cannot begin"),
            path=("tenant",),
            value=tenant,
            hint=f"confirm it on the page /identity/{tenant}",
            level="warning" if begun else "error",
        )


def _spoken_for(tenant: Tenant, now: InForce, platform: Platform) -> Iterator[Problem]:
    """A number of the stock that waits for another client, or rests after one. Whose it is, is not said."""
    for i, entry in enumerate(tenant.numbers):
        held = now.numbers.get(entry.number)
        if held is None or held.client == tenant.tenant:
            continue
        if held.state is State.RESERVED:
            text = "is reserved for another client"
        elif held.state is State.QUARANTINE:
            text = f"rests after another client until {day_of(held.until_us or 0)}"
        elif held.state is State.IN_USE and held.client in now.tenants and not platform.quarantine_days:
            continue  # it passes from one to the other at once, or they clash
        else:
            text = "is in use by another client, and rests when that gives it up"
        allowed = f"numbers in stock, or reserved for {tenant.tenant}"
        yield Problem(text=text, path=("numbers", i, "number"), value=entry.number, allowed=allowed)


def _without_clashes(
    fit: Sequence[Document[Tenant]], held: Mapping[str, Held], platform: Platform
) -> tuple[dict[str, Held], list[Problem]]:
    tenants = dict(held)
    owner = _owners(platform, [h.body for h in tenants.values()])
    waiting = list(fit)
    moved = True
    while waiting and moved:
        moved = False
        for document in list(waiting):
            tenant = document.body.tenant
            if any(owner.get(claim, tenant) != tenant for claim, _ in claims(document.body, platform)):
                continue  # perhaps the other client's new file gives it up: look again
            owner = {claim: who for claim, who in owner.items() if who != tenant}
            owner.update((claim, tenant) for claim, _ in claims(document.body, platform))
            tenants[tenant] = Held(document.file, document.body)
            waiting.remove(document)
            moved = True
    return tenants, [problem for document in waiting for problem in _clashes(document, owner, platform)]


def _owners(platform: Platform, tenants: Sequence[Tenant]) -> dict[Claim, str]:
    owner: dict[Claim, str] = {}
    for pool in platform.pools:
        owner.update({_phone(phone.id, phone.domain): f"pool {pool.pool}" for phone in pool.phones})
    for tenant in tenants:
        owner.update((claim, tenant.tenant) for claim, _ in claims(tenant, platform))
    return owner


def _clashes(document: Document[Tenant], owner: Mapping[Claim, str], platform: Platform) -> Iterator[Problem]:
    tenant = document.body.tenant
    for claim, path in claims(document.body, platform):
        if owner.get(claim, tenant) != tenant:
            text = f"belongs to {owner[claim]} already"
            hint = f"at {claim[2]}" if claim[0] == "phone" else ""
            yield _located(Problem(text=text, path=path, value=claim[1], hint=hint), document, tenant)


def claims(tenant: Tenant, platform: Platform) -> Iterator[tuple[Claim, Path]]:
    """What a client claims for itself alone, with the key that says so."""
    for i, entry in enumerate(tenant.numbers):
        yield ("number", entry.number), ("numbers", i, "number")
    domains = [tenant.domain] if tenant.domain else dict.fromkeys(switch.domain for switch in platform.switches)
    for i, own in enumerate(tenant.ids):
        for domain in domains:
            yield _phone(own.id, domain), ("ids", i, "id")


def _phone(own: str, domain: str) -> Claim:
    """FreeSWITCH looks for a phone and its domain without regard to case (switch_xml.c, switch_xml_find_child)."""
    return ("phone", own.lower(), domain.lower())


def _located(problem: Problem, document: Document[Tenant] | Document[Platform], tenant: str) -> Problem:
    line = line_of(document.lines, problem.path)
    return msgspec.structs.replace(problem, file=document.file, line=line, tenant=tenant)
