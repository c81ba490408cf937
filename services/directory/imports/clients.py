"""PURE Records -> what the clients' files shall say, and from which cell each value came.

Enters: records, the clients that stand, the pools of the platform. Leaves: drafts (plain values as a file has them) and
notes. A client that stands is only completed: what it says already must be the same in the sheet, else the row is
told so. Where numbers lead stands in `destinations.py`; whether all of it may stand together in `check.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from proto.tenant import Tenant
from proto.tenant.hours import Hours
from proto.tenant.lines import NoAnswer
from services.directory.imports.model import Note, Pair, Record
from services.directory.imports.records import Records, by_client
from services.directory.tenants.problems import Path

OFFICE = "office"
_DAYS = {"weekdays": "mon-fri", "saturday": "sat", "sunday": "sun"}
_FIELDS: dict[str, Path] = {
    "name": ("name",),
    "reading": ("reading",),
    "prefecture": ("address", "prefecture"),
    "municipality": ("address", "municipality"),
    "street": ("address", "street"),
    "from": ("contract", "from"),
    "closing_day": ("contract", "closing_day"),
    "plan": ("contract", "plan"),
    "prices": ("contract", "prices"),
    "purpose": ("contract", "purpose"),
    "domain": ("domain",),
    "greeting": ("answering", "greeting"),
    "recording": ("recording", "calls"),
}
"""Column of a client -> key of its file."""
_MEANT: dict[str, Any] = {
    "closing_day": 31,
    "recording": "none",
    "kind": "representative",
    "channels": 1,
    "device": "desk",
    "ring": "all",
    "allow": ["receive", "internal", "originate"],
}
"""What a file that says nothing of it means. All other keys that are missing may be added."""
_DIFFERS: Pair = (
    "は、今の設定と違います。今の設定は取り込みでは変わりません",
    "differs from what stands, which an import does not change",
)


@dataclass
class Draft:
    """One client while it is put together."""

    client: str
    standing: dict[str, Any] | None
    """None: it is new."""
    plain: dict[str, Any]
    origins: dict[Path, tuple[Record, str]] = field(default_factory=dict)
    """Key of the file -> the record and the column that it came from."""
    notes: list[Note] = field(default_factory=list)
    unread: bool = False
    """A cell of it could not be read: what is missing may be what stands there."""

    def came(self, path: Path, record: Record, key: str) -> None:
        """Remember where a value came from; the first row counts."""
        self.origins.setdefault(path, (record, key))

    def origin(self, path: Path) -> tuple[Record, str]:
        """The cell of a key, or of the nearest thing around it, or any row of this client."""
        while path not in self.origins and path:
            path = path[:-1]
        return self.origins[path]

    def complete(self, into: dict[str, Any], key: str, record: Record, column: str, value: Any) -> None:
        """Set what is not said yet; anything else must be the same."""
        stands = into.get(key, _MEANT.get(column) if self.standing is not None else None)
        if stands is None or stands == "":
            into[key] = value
        elif stands != value:
            self.differs(record, column, stands)

    def differs(self, record: Record, column: str, stands: Any) -> None:
        """What stands is not what the sheet says."""
        self.notes.append(record.error(column, _DIFFERS, hint=_words(stands)))


def drafts(records: Records, standing: Mapping[str, Tenant]) -> tuple[list[Draft], list[Note]]:
    """A draft per client that is named in a sheet, without numbers' destinations yet."""
    found: dict[str, Draft] = {}
    notes: list[Note] = []
    for record in records["clients"]:
        if record.client in found:
            notes.append(record.error("client", ("は2回出てきます", "stands twice")))
            continue
        draft = found[record.client] = _draft(record, standing)
        _client(draft, record)
    for kind in ("lines", "numbers", "phone_book"):
        for record in records[kind]:
            if record.client not in found and record.client in standing:
                found[record.client] = _draft(record, standing)
            elif record.client not in found:
                say = ("という顧客はありません", "is no client")
                known = ", ".join([*found][:10])
                notes.append(record.error("client", say, hint=f"顧客/Clients: {known}" if known else ""))
    lines = by_client(records["lines"])
    for draft in found.values():
        add_lines(draft, lines.get(draft.client, ()))
    return list(found.values()), notes


def _draft(record: Record, standing: Mapping[str, Tenant]) -> Draft:
    stands = standing.get(record.client)
    plain = None if stands is None else _copy(msgspec.to_builtins(stands))
    draft = Draft(record.client, plain, {"tenant": record.client} if plain is None else _copy(plain))
    draft.came((), record, "client")
    return draft


def _client(draft: Draft, record: Record) -> None:
    draft.plain.setdefault("contract", {})
    for column, path in _FIELDS.items():
        if column in record.values:
            into = draft.plain if len(path) == 1 else draft.plain.setdefault(str(path[0]), {})
            draft.complete(into, str(path[-1]), record, column, record.values[column])
            draft.came(path, record, column)
    if "address" in draft.plain and "prefecture" not in draft.plain["address"]:
        column = next(column for column in ("municipality", "street") if column in record.values)
        draft.notes.append(record.error(column, ("には都道府県も必要です", "needs the prefecture beside it")))
    _hours(draft, record)


def _hours(draft: Draft, record: Record) -> None:
    values = record.values
    said = [column for column in (*_DAYS, "holidays", "closed") if column in values]
    if not said:
        return
    days = {key: list(values[column]) for column, key in _DAYS.items() if values.get(column)}
    if not days and not any(column in values for column in _DAYS):
        draft.notes.append(record.error(said[0], ("は、営業時間と一緒に入力してください", "needs hours beside it")))
        return
    days.setdefault("mon-fri", [])
    hours: dict[str, Any] = days | ({"holidays": values["holidays"]} if "holidays" in values else {})
    hours |= {"closed": list(values["closed"])} if "closed" in values else {}
    standing = draft.plain.setdefault("hours", {})
    if draft.standing is not None and OFFICE in standing and not alike(Hours, standing[OFFICE], hours):
        draft.differs(record, said[0], standing[OFFICE])
        return
    standing[OFFICE] = hours
    for column in said:
        draft.came(("hours", OFFICE, _DAYS.get(column, column)), record, column)
    draft.came(("hours",), record, said[0])


# -- people and their devices --------------------------------------------------------------------------------------


def line_name(device: str) -> str:
    """What a line is called where the sheet gives it no name."""
    return "line-" + "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in device.lower())


def add_lines(draft: Draft, records: Iterable[Record]) -> None:
    """Devices, the lines that they make up, and the groups of those."""
    of_line: dict[str, list[Record]] = {}
    for record in records:
        _device(draft, record)
        of_line.setdefault(_line_of(draft, record), []).append(record)
    for name, own in of_line.items():
        _line(draft, name, own)
        for record in own:
            for group in record.values.get("group", ()):
                _into_group(draft, group, name, record)


def _device(draft: Draft, record: Record) -> None:
    ids: list[Any] = draft.plain.setdefault("ids", [])
    given = record.values
    known = next((one for one in _before(draft, "ids") if one["id"] == given["id"]), None)
    if known is None:
        new = {"id": given["id"], "name": given["name"]}
        ids.append(new | ({"device": given["device"]} if "device" in given else {}))
        draft.came(("ids", len(ids) - 1), record, "id")
        draft.came(("ids",), record, "id")
        return
    for key in ("name", "device"):
        if key in given and known.get(key, _MEANT.get(key)) != given[key]:
            draft.differs(record, key, known.get(key, _MEANT.get(key)))


def _line_of(draft: Draft, record: Record) -> str:
    """The line that a row means: as it says, else the one in which the device is, else a new one."""
    if "line" in record.values:
        return str(record.values["line"])
    device = record.values["id"]
    known = next((one["line"] for one in draft.plain.get("lines", ()) if device in one["ids"]), None)
    return str(known or line_name(device))


def _line(draft: Draft, name: str, records: list[Record]) -> None:
    lines: list[Any] = draft.plain.setdefault("lines", [])
    at = next((i for i, one in enumerate(lines) if one["line"] == name), len(lines))
    if at == len(lines):
        lines.append({"line": name, "ids": []})
    line, path = lines[at], ("lines", at)
    was = draft.standing is not None and at < len(draft.standing.get("lines", ()))
    line["ids"] = list(line["ids"])
    for record in records:
        draft.came(path, record, "line" if "line" in record.values else "id")
        if record.values["id"] not in line["ids"]:
            line["ids"].append(record.values["id"])
        draft.came((*path, "ids", line["ids"].index(record.values["id"])), record, "id")
        for key, value in _of_line(draft, record).items():
            draft.came((*path, key), record, "no_answer_to" if key == "no_answer" else key)
            stands = line.get(key, _MEANT.get(key) if was else None)
            if stands is None:
                line[key] = value
            elif stands != value and not (key == "no_answer" and alike(NoAnswer, stands, value)):
                draft.differs(record, "no_answer_to" if key == "no_answer" else key, stands)


def _of_line(draft: Draft, record: Record) -> dict[str, Any]:
    given = record.values
    found: dict[str, Any] = {key: given[key] for key in ("ring", "present") if key in given}
    if "allow" in given:
        found["allow"] = list(given["allow"])
    if given.get("hours") == "office":
        names = list(draft.plain.get("hours", {}))
        found["hours"] = names[0] if len(names) == 1 else OFFICE
    if "no_answer_to" in given or "no_answer_s" in given:
        to = given.get("no_answer_to", "voicemail")
        found["no_answer"] = {"after_s": given["no_answer_s"]} if "no_answer_s" in given else {}
        found["no_answer"]["to"] = _as_line(draft, to)
    return found


def _as_line(draft: Draft, name: str) -> str:
    """A device's line, where somebody wrote the device."""
    return next((one["line"] for one in draft.plain.get("lines", ()) if name in one["ids"]), name)


def _into_group(draft: Draft, name: str, line: str, record: Record) -> None:
    groups: list[Any] = draft.plain.setdefault("groups", [])
    group = next((one for one in groups if one["group"] == name), None)
    if group is None:
        group = {"group": name, "lines": []}
        groups.append(group)
    if line not in group["lines"]:
        group["lines"] = [*group["lines"], line]
    at = groups.index(group)
    draft.came(("groups", at), record, "group")
    draft.came(("groups", at, "lines", group["lines"].index(line)), record, "group")


def alike(kind: Any, one: Any, other: Any) -> bool:
    """Whether two plain values mean the same, whatever they leave out because it is usual."""
    try:
        return bool(msgspec.convert(one, kind) == msgspec.convert(other, kind))
    except msgspec.ValidationError:
        return False


def _before(draft: Draft, key: str) -> Collection[Any]:
    return () if draft.standing is None else draft.standing.get(key, ())


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(below) for key, below in value.items()}
    return [_copy(entry) for entry in value] if isinstance(value, list | tuple) else value


def _words(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
