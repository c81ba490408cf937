"""Everything that is kept about one client, as one file to hand to whoever may ask for it (the police, an auditor).

Enters: a store, a client, who asks and why. Leaves: a ZIP with every version of the record, copies of papers, each text
of the client's file, its numbers with their days, its entries of the audit log, and the SHA-256 of each. Making one is
an entry of the audit log itself.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Iterable
from datetime import date
from typing import IO

import msgspec

from proto.tenant import Tenant
from services.directory.audit.files import as_csv, at_text
from services.directory.audit.rows import Wanted, audited, oldest_first
from services.directory.days import day_of
from services.directory.identity import records
from services.directory.identity.records import Version
from services.directory.people.rows import TRIES
from services.directory.tenants import texts
from services.directory.tenants.yaml_files import parse
from services.runtime.csv_file import BOM, line
from services.runtime.store import Store, Tx

IN_MEMORY = 8 << 20
"""Bytes up to which no file is made on disk."""


class Span(msgspec.Struct, frozen=True):
    """A number and the days on which it was the client's."""

    number: str
    kind: str
    first: date
    until: date | None
    """The day on which it was given up; None: it is the client's now."""


def bundle(store: Store, tenant: str, who: str, why: str, now_us: int) -> IO[bytes]:
    """The ZIP, open at its beginning; whoever has read it closes it. Raises Unavailable."""
    store.run(
        lambda tx: audited(tx, who, "identity.exported", tenant, tenant, after={"why": why}, now_us=now_us), TRIES
    )

    def read(tx: Tx) -> tuple[list[Version], list[records.Copy], list[tuple[texts.Entry, bytes]]]:
        entries = reversed(list(texts.history(tx, tenant)))
        found = [text for one in entries if (text := texts.text_of(tx, tenant, one.number)) is not None]
        return records.versions(tx, tenant), records.copies(tx, tenant), found

    versions, copies, history = store.run(read)
    file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 (whoever asked closes it)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        digests: dict[str, str] = {}

        def add(name: str, body: bytes, how: int = zipfile.ZIP_DEFLATED) -> None:
            digests[name] = hashlib.sha256(body).hexdigest()
            target.writestr(name, body, how)

        add("record.json", _record(tenant, who, why, now_us, versions, copies))
        for entry, text in history:
            add(f"client/{entry.number:04d}{'-removed' if entry.gone else ''}.yaml", text)
        add("numbers.csv", _numbers(spans(history)))
        add("audit.csv", "".join(as_csv(oldest_first(store, Wanted(tenant=tenant)))).encode())
        for copy in copies:
            found = store.run(lambda tx, of=copy.id: records.copy_of(tx, tenant, of))  # type: ignore[misc]
            if found is not None:  # as they are: pictures do not become smaller
                add(f"copies/{copy.id}-{copy.name}", found[1], zipfile.ZIP_STORED)
        target.writestr("contents.json", msgspec.json.format(msgspec.json.encode(digests), indent=2))
    file.seek(0)
    return file


def _record(
    tenant: str, who: str, why: str, now_us: int, versions: Iterable[Version], copies: Iterable[records.Copy]
) -> bytes:
    shown = [{**msgspec.structs.asdict(one), "at": at_text(one.at_us)} for one in versions]
    body = {
        "client": tenant,
        "made_at": at_text(now_us),
        "made_by": who,
        "why": why,
        "versions": shown,
        "copies": [{**msgspec.structs.asdict(one), "at": at_text(one.at_us)} for one in copies],
    }
    return msgspec.json.format(msgspec.json.encode(body), indent=2)


def spans(history: Iterable[tuple[texts.Entry, bytes]]) -> list[Span]:
    """Which numbers were the client's on which days, from the texts of its file, oldest first."""
    closed: list[Span] = []
    open_: dict[str, Span] = {}
    for entry, text in history:
        document, _ = parse(Tenant, text, entry.file)
        day = day_of(entry.at_us)
        now = {} if entry.gone or document is None else {one.number: one.kind for one in document.body.numbers}
        for number in [number for number in open_ if number not in now]:
            closed.append(msgspec.structs.replace(open_.pop(number), until=day))
        for number, kind in now.items():
            open_.setdefault(number, Span(number, kind, day, None))
    return sorted([*closed, *open_.values()], key=lambda span: (span.first, span.number))


def _numbers(found: Iterable[Span]) -> bytes:
    lines = [line((one.number, one.kind, str(one.first), str(one.until or ""))) for one in found]
    return "".join([BOM, line(("number", "kind", "first", "until")), *lines]).encode()
