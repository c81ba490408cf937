"""What the values of a client's file mean together: whether everything named exists and the promises can be kept.

Enters: one tenant, the platform. Leaves: problems with the path of the key, errors and warnings. Pure. The form of each
value was checked before (`proto/schemas.py`); clashes between clients belong to `settle.py`, the files' own route tests
to `route_tests.py`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from zoneinfo import ZoneInfo

from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.tenant.routes import ACTIONS, Action
from proto.values import is_geographic
from services.directory.numbers.areas import fit
from services.directory.tenants.problems import Path, Problem

MAX_REPRESENTATIVE = 3
MAX_CHAIN = 5
"""Lines that one call may be passed along by 無応答転送."""
EMERGENCY = ("110", "118", "119")
_OUTSIDE = re.compile(r"\+?[0-9*#]{3,32}")


def check_tenant(tenant: Tenant, platform: Platform) -> list[Problem]:
    """Everything that is wrong or doubtful in one client's file, in the order of its keys."""
    found: list[Problem] = []
    for part in (_contract, _numbers, _areas, _ids, _lines, _groups, _chains, _hours, _routes, _emergency):
        found.extend(part(tenant, platform))
    return found


def check_platform(platform: Platform) -> list[Problem]:
    """Everything that is wrong in platform.yaml."""
    found: list[Problem] = []
    found += _twice([s.switch for s in platform.switches], ("switches",), "switch")
    found += _twice([c.name for c in platform.carriers], ("carriers",), "name")
    found += _twice([p.pool for p in platform.pools], ("pools",), "pool")
    found += _twice([t.table for t in platform.prices], ("prices",), "table")
    for i, carrier in enumerate(platform.carriers):
        if bool(carrier.gateway) == bool(carrier.host):
            text = "needs either a gateway of the switch or a host"
            found.append(Problem(text=text, path=("carriers", i), value=carrier.name))
    for i, table in enumerate(platform.prices):
        days = [version.from_ for version in table.versions]
        found += _twice(days, ("prices", i, "versions"), "from")
        for j, day in enumerate(days):
            found += _day(day, ("prices", i, "versions", j, "from"))
    found += _zone(platform.timezone)
    return found


def _contract(tenant: Tenant, platform: Platform) -> Iterator[Problem]:
    contract = tenant.contract
    yield from _zone(tenant.timezone)
    yield from _day(contract.from_, ("contract", "from"))
    if contract.until is not None:
        yield from _day(contract.until, ("contract", "until"))
        if contract.until < contract.from_:
            yield Problem(
                text=f"ends before it begins ({contract.from_})", path=("contract", "until"), value=contract.until
            )
    if contract.prices:
        tables = [table.table for table in platform.prices]
        yield from _known(contract.prices, tables, ("contract", "prices"), "a price table of platform.yaml")
    if tenant.tenant.startswith("_"):
        yield Problem(text="is kept for the platform", path=("tenant",), value=tenant.tenant)


def _numbers(tenant: Tenant, _platform: Platform) -> Iterator[Problem]:
    yield from _twice([entry.number for entry in tenant.numbers], ("numbers",), "number")
    ids = [own.id for own in tenant.ids]
    representative = [entry for entry in tenant.numbers if entry.kind == "representative"]
    count = len(representative)
    if count > MAX_REPRESENTATIVE and not tenant.contract.purpose:
        yield Problem(
            text=f"{count} representative numbers; at most {MAX_REPRESENTATIVE} without a declared purpose",
            path=("numbers",),
            hint="declare contract.purpose",
        )
    if count > len(ids):
        yield Problem(
            text=f"{count} representative numbers, but only {len(ids)} ids; never more numbers than ids",
            path=("numbers",),
        )
    for i, entry in enumerate(tenant.numbers):
        here: Path = ("numbers", i)
        if entry.kind == "direct":
            if not entry.id:
                yield Problem(text="a direct number names its id", path=here, value=entry.number)
            else:
                yield from _known(entry.id, ids, (*here, "id"), "an id of this file")
        else:
            if not entry.route and not tenant.lines:
                yield Problem(text="names no route", path=here, value=entry.number, hint="route: …")
            if entry.id:
                yield Problem(text="only a direct number has an id", path=(*here, "id"), value=entry.id)
        if entry.route:
            yield from _known(entry.route, tenant.routes, (*here, "route"), "a route of this file")
        if entry.kind == "representative" and entry.channels > max(len(ids), 1):
            yield Problem(
                text=f"simultaneous calls, but the contract has {len(ids)} ids; never more channels than ids",
                path=(*here, "channels"),
                value=entry.channels,
            )
        if (entry.kind == "leased") != bool(entry.mode):
            text = "a leased number has one mode" if entry.kind == "leased" else "only a leased number has a mode"
            yield Problem(
                text=text, path=(*here, "mode"), value=entry.mode or None, allowed="published, forward_target"
            )


def _areas(tenant: Tenant, _platform: Platform) -> Iterator[Problem]:
    """番号区画: a geographic number is of the place where its client is registered (電気通信番号計画)."""
    address = tenant.address
    if address is None:
        return
    where = f"{address.prefecture}{address.municipality}"
    for i, entry in enumerate(tenant.numbers):
        found = fit(entry.number, address)
        wanted = f"numbers of {', '.join(str(area) for area in found.wanted)}" if found.wanted else ""
        here: Path = ("numbers", i, "number")
        if found.verdict == "wrong":
            text = f"is of the area {found.area}, which the registered address {where} is not in"
            hint = "050, 0120 and 0800 fit everywhere"
            yield Problem(text=text, path=here, value=entry.number, allowed=wanted, hint=hint)
        elif found.verdict == "which_town":
            text = f"is of the area {found.area}; {where} lies in several, and only the town tells which"
            hint = "add the town: address.street"
            yield Problem(text=text, path=here, value=entry.number, allowed=wanted, hint=hint, level="warning")


def _ids(tenant: Tenant, _platform: Platform) -> Iterator[Problem]:
    yield from _twice([own.id for own in tenant.ids], ("ids",), "id")
    owner: dict[str, str] = {}
    for i, line in enumerate(tenant.lines):
        for j, own in enumerate(line.ids):
            if own in owner:
                yield Problem(text=f"belongs to line {owner[own]} already", path=("lines", i, "ids", j), value=own)
            owner.setdefault(own, line.line)


def _lines(tenant: Tenant, _platform: Platform) -> Iterator[Problem]:
    names = [line.line for line in tenant.lines]
    ids = [own.id for own in tenant.ids]
    groups = [group.group for group in tenant.groups]
    kinds = {entry.number: entry.kind for entry in tenant.numbers}
    yield from _twice(names, ("lines",), "line")
    for i, line in enumerate(tenant.lines):
        here: Path = ("lines", i)
        for j, own in enumerate(line.ids):
            yield from _known(own, ids, (*here, "ids", j), "an id of this file")
        if line.hours:
            yield from _known(line.hours, tenant.hours, (*here, "hours"), "hours of this file")
        if line.present is not None:
            if line.present not in kinds:
                yield Problem(text="is no number of this client", path=(*here, "present"), value=line.present)
            elif kinds[line.present] == "leased":
                yield Problem(text="a leased number never originates", path=(*here, "present"), value=line.present)
        if line.no_answer is not None:
            where = (*here, "no_answer", "to")
            to = line.no_answer.to
            if to in kinds:
                yield Problem(text="is the client's own number: the call would come back", path=where, value=to)
            elif to not in ("voicemail", *names, *groups) and not _OUTSIDE.fullmatch(to):
                yield from _known(to, ["voicemail", *names, *groups], where, "voicemail, a line, a group or a number")
            elif to in EMERGENCY:
                yield Problem(text="calls are never forwarded to an emergency service", path=where, value=to)


def _groups(tenant: Tenant, _platform: Platform) -> Iterator[Problem]:
    lines = [line.line for line in tenant.lines]
    yield from _twice([group.group for group in tenant.groups], ("groups",), "group")
    for i, group in enumerate(tenant.groups):
        if group.group in lines:
            yield Problem(text="is the name of a line, too", path=("groups", i, "group"), value=group.group)
        yield from _twice(group.lines, ("groups", i, "lines"))
        for j, name in enumerate(group.lines):
            yield from _known(name, lines, ("groups", i, "lines", j), "a line of this file")


def _chains(tenant: Tenant, _platform: Platform) -> Iterator[Problem]:
    """無応答転送 from line to line: no loops, and not longer than a caller will wait."""
    goes_to = {line.line: line.no_answer.to for line in tenant.lines if line.no_answer is not None}
    for i, line in enumerate(tenant.lines):
        chain = [line.line]
        while chain[-1] in goes_to and len(chain) <= MAX_CHAIN + 1:
            chain.append(goes_to[chain[-1]])
            if chain[-1] in chain[:-1]:
                break
        path: Path = ("lines", i, "no_answer", "to")
        if len(set(chain)) < len(chain):
            if chain[-1] == line.line:
                yield Problem(text=f"goes round in a loop: {' → '.join(chain)}", path=path, value=chain[1])
        elif len(chain) > MAX_CHAIN + 1:
            yield Problem(text=f"passes a call on more than {MAX_CHAIN} times", path=path, value=chain[1])


def _hours(tenant: Tenant, _platform: Platform) -> Iterator[Problem]:
    days = ("daily", "mon_fri", "mon_sat", "sat_sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
    for name, hours in tenant.hours.items():
        for day in days:
            yield from _ranges(getattr(hours, day) or (), ("hours", name, day.replace("_", "-")))
        for i, span in enumerate(hours.closed):
            yield from _span(span, ("hours", name, "closed", i))
        for i, special in enumerate(hours.special):
            yield from _span(special.on, ("hours", name, "special", i, "on"))
            yield from _ranges(special.open, ("hours", name, "special", i, "open"))


def _routes(tenant: Tenant, platform: Platform) -> Iterator[Problem]:
    used = {entry.route for entry in tenant.numbers if entry.route}
    for name, rules in tenant.routes.items():
        if name not in used:
            yield Problem(text="is used by no number", path=("routes", name), value=name, level="warning")
        if not rules:
            yield Problem(text="has no rules", path=("routes", name), value=name)
        for i, rule in enumerate(rules):
            here: Path = ("routes", name, i)
            if rule.when is not None and rule.when.hours is not None:
                yield from _known(rule.when.hours, tenant.hours, (*here, "when", "hours"), "hours of this file")
            if i + 1 < len(rules) and (rule.when is None or rule.when.hours is None):
                text = "always holds, so the rules after it are never reached"
                yield Problem(text=text, path=here, level="warning")
            for j, action in enumerate(rule.do):
                yield from _action(action, tenant, platform, (*here, "do", j))
                if j + 1 < len(rule.do) and (action.queue or action.reject or action.voicemail):
                    yield Problem(
                        text="ends the call's way; what follows is never reached",
                        path=(*here, "do", j),
                        level="warning" if action.voicemail else "error",
                    )
        if rules and rules[-1].when is not None and rules[-1].when.hours is not None:
            text = "no rule without `when` stands last: some calls match nothing"
            yield Problem(text=text, path=("routes", name), value=name, level="warning")


def _action(action: Action, tenant: Tenant, platform: Platform, here: Path) -> Iterator[Problem]:
    what = next(name for name in ACTIONS if getattr(action, name) is not None)
    own = [entry.number for entry in tenant.numbers]
    if action.ring is not None:
        targets = [line.line for line in tenant.lines] + [g.group for g in tenant.groups] + [i.id for i in tenant.ids]
        yield from _known(action.ring, targets, (*here, "ring"), "a line, a group or an id of this file")
    if action.queue is not None:
        pools = [pool.pool for pool in platform.pools]
        yield from _known(action.queue, pools, (*here, "queue"), "a pool of platform.yaml")
    if action.forward is not None:
        if action.forward in own:
            yield Problem(
                text="is the client's own number: the call would come back",
                path=(*here, "forward"),
                value=action.forward,
            )
        if action.forward in EMERGENCY:
            text = "calls are never forwarded to an emergency service"
            yield Problem(text=text, path=(*here, "forward"), value=action.forward)
    if action.carrier is not None:
        carriers = [carrier.name for carrier in platform.carriers]
        yield from _known(action.carrier, carriers, (*here, "carrier"), "a carrier of platform.yaml")
    if action.present is not None and action.present not in own:
        yield Problem(text="is no number of this client", path=(*here, "present"), value=action.present)
    for option, goes_with in (
        ("for_s", ("ring", "forward", "queue")),
        ("confirm", ("forward",)),
        ("carrier", ("forward",)),
        ("present", ("forward",)),
    ):
        if getattr(action, option) is not None and what not in goes_with:
            yield Problem(text=f"has no meaning for {what}", path=(*here, option), value=getattr(action, option))


def _emergency(tenant: Tenant, _platform: Platform) -> Iterator[Problem]:
    """110, 118 and 119 can be reached only over a geographic (0AB–J) number."""
    if tenant.ids and not any(entry.kind != "leased" and is_geographic(entry.number) for entry in tenant.numbers):
        yield Problem(
            text="no geographic number (03, 06, …) of its own: its phones cannot reach 110, 118, 119",
            path=("numbers",),
            level="warning",
        )


def _known(name: str, names: Collection[str], path: Path, what: str) -> Iterator[Problem]:
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        allowed = ", ".join(list(names)[:20]) or "none is there"
        yield Problem(
            text=f"is not {what}",
            path=path,
            value=name,
            allowed=allowed,
            hint=f"did you mean {near[0]}?" if near else "",
        )


def _twice(names: Iterable[str], group: Path, *key: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for i, name in enumerate(names):
        if name in seen:
            yield Problem(text="stands twice", path=(*group, i, *key), value=name)
        seen.add(name)


def _day(day: str, path: Path) -> Iterator[Problem]:
    try:
        date.fromisoformat(day)
    except ValueError:
        yield Problem(text="is no day of the calendar", path=path, value=day)


def _span(span: str, path: Path) -> Iterator[Problem]:
    first, _, last = span.partition("/")
    wrong = [*_day(first, path), *(_day(last, path) if last else ())]
    yield from wrong
    if not wrong and last and last < first:
        yield Problem(text="ends before it begins", path=path, value=span)


def _ranges(ranges: Iterable[str], path: Path) -> Iterator[Problem]:
    for i, span in enumerate(ranges):
        begin, _, end = span.partition("-")
        if begin.zfill(5) == end.zfill(5):
            yield Problem(text="is empty", path=(*path, i), value=span, hint="the whole day is 0:00-24:00")


def _zone(name: str) -> Iterator[Problem]:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # its own error for an unknown name is a KeyError
        yield Problem(text="is no time zone", path=("timezone",), value=name, hint="for example Asia/Tokyo")
