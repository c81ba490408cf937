"""PURE The chain of the audit log: how an entry is sealed, and whether a log is whole.

Enters: entries in their order. Leaves: digests, and a verdict that names the first broken entry. An entry's private
parts (about, before, after) are hashed with a salt of their own, and the chain hashes that digest: they can be erased
together with their salt, and the chain stays valid. Where entries are kept belongs to `rows.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

ERASED = "audit.erased"
"""Says that the private parts of its client's entries, up to the one named in it, were erased on purpose."""
START = "0" * 64


class Entry(msgspec.Struct, frozen=True):
    """Who did what, when, for which client, to what or whom, and how it was before and after (JSON)."""

    seq: int
    at_us: int
    who: str
    what: str
    tenant: str
    about: str | None
    before: str | None
    after: str | None
    salt: str | None
    """None: about, before and after were erased, too."""
    digest: str
    chain: str


class Whole(msgspec.Struct, frozen=True, tag="whole"):
    """Nothing is missing and nothing was changed since `head` was first seen."""

    entries: int
    head: str
    """`SEQ:CHAIN` of the last entry: kept elsewhere, it later proves that no entry behind it was replaced."""


class Broken(msgspec.Struct, frozen=True, tag="broken"):
    """The first entry that cannot be as it was written."""

    seq: int
    reason: str


def digest(salt: str, about: str | None, before: str | None, after: str | None) -> str:
    """SHA-256 of the private parts, hexadecimal."""
    return _sha256([salt, about, before, after])


def link(previous: str, seq: int, at_us: int, who: str, what: str, tenant: str, content: str) -> str:
    """SHA-256 over the previous link and this entry; `content` is its digest."""
    return _sha256([previous, seq, at_us, who, what, tenant, content])


def _sha256(parts: list[object]) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def check(entries: Iterable[Entry], head: str = "") -> Whole | Broken:
    """Whether the log is whole. `head`: an earlier `Whole.head` that must still be in it.

    Whoever writes to the database could replace all of it, or cut off its end: only a head kept elsewhere shows that.
    """
    last, seq, at_head = START, 0, int(head.partition(":")[0] or 0)
    wiped: dict[str, list[int]] = {}
    for entry in entries:
        if entry.seq != seq + 1:
            return Broken(seq + 1, "it is missing")
        if entry.salt is None:
            wiped.setdefault(entry.tenant, []).append(entry.seq)
        elif digest(entry.salt, entry.about, entry.before, entry.after) != entry.digest:
            return Broken(entry.seq, "its content was changed")
        linked = link(last, entry.seq, entry.at_us, entry.who, entry.what, entry.tenant, entry.digest)
        if linked != entry.chain:
            return Broken(entry.seq, "it is not the one that was written after the one before it")
        if entry.seq == at_head and f"{entry.seq}:{entry.chain}" != head:
            return Broken(entry.seq, "it is not the one of the head that was kept")
        if entry.what == ERASED:
            _explain(wiped, entry)
        last, seq = entry.chain, entry.seq
    if seq < at_head:
        return Broken(seq + 1, "it is missing: the log once was longer")
    silent = [min(found) for found in wiped.values() if found]
    if silent:
        return Broken(min(silent), "its content was erased, and no entry says so")
    return Whole(seq, f"{seq}:{last}")


def _explain(wiped: dict[str, list[int]], entry: Entry) -> None:
    """An entry of erasure accounts for its client's earlier ones, up to `until`."""
    until = int(msgspec.json.decode(entry.after or "{}", type=dict[str, int]).get("until", 0))
    wiped[entry.tenant] = [seq for seq in wiped.get(entry.tenant, []) if seq > until]
