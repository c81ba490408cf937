"""One call record of the switch (mod_json_cdr) -> records shaped like events. Pure.

Enters: the bytes of `<uuid>.cdr.json`, hostile or half-written. Leaves: the leg's end as CHANNEL_HANGUP_COMPLETE would
tell it, the legs it names, and the order in which the legs of one call are told; or BrokenRecord. What the records mean
belongs to `normalise.py`, files and folders to `folder.py`. Source: mod_json_cdr.c, switch_ivr.c
(switch_ivr_generate_json_cdr): only `variables` are ever percent-encoded, and every list is `ARRAY::a|:b`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from services.eventsocket.frames import Event, Record
from services.eventsocket.parties import count, number, text, token
from services.eventsocket.records import LEG_RECORDED, RECORDED_UNTIL, SOURCE

MAX_BYTES = 4 * 1024 * 1024
"""A real one has 10 to 60 KB, most of it SDP and what was dialled."""
MAX_RELATIVES = 64
FILE_NAME = re.compile(r"(?:a_)?([A-Za-z0-9][A-Za-z0-9-]{0,63})\.cdr\.json")
"""`a_` stands before a leg that nobody dialled, if prefix-a-leg is on; no id of a leg has an underline."""
_ARRAY = "ARRAY::"
_KEPT = frozenset(
    {
        "bridge_uuid",
        "domain_name",
        "last_bridge_to",
        "originate_disposition",
        "originating_leg_uuid",
        "record_file_size",
        "record_ms",
        "sip_authorized",
        "sip_from_host",
        "sip_from_user",
        "sip_h_Diversion",
        "sip_hangup_disposition",
        "sip_history_info",
        "sip_Privacy",
        "sip_term_status",
        "sofia_profile_name",
        "user_name",
    }
)
"""What the rules read of a leg's variables, beside tt_…; the rest (SDP, statistics) stays in the file."""
_HEADERS = {
    "caller_id_name": "Caller-Caller-ID-Name",
    "caller_id_number": "Caller-Caller-ID-Number",
    "destination_number": "Caller-Destination-Number",
    "rdnis": "Caller-RDNIS",
    "context": "Caller-Context",
}


class BrokenRecord(Exception):
    """It is no whole call record. The message never repeats what a caller sent."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One leg's file as read."""

    leg: str
    parent: str
    """The leg that dialled this one; empty for one that came to us or that a command of ours began."""
    relatives: tuple[str, ...]
    """Other legs of the call, as far as it says: those that it dialled, and those that it was joined with."""
    started_at_us: int
    ended: Event
    """Shaped like CHANNEL_HANGUP_COMPLETE."""


def leg_of_file(name: str) -> str:
    """The leg that a file of this name is about; empty for a file that is none of ours."""
    found = FILE_NAME.fullmatch(name)
    return found[1] if found else ""


def read(raw: bytes, leg: str) -> CallRecord:
    """The record of `leg`. Raises BrokenRecord for anything that is not the whole record of this very leg."""
    cdr = _object(_parsed(raw), "the file")
    variables = _variables(_object(cdr.get("variables"), "variables"))
    chapters = _chapters(cdr.get("callflow"))
    first, last = chapters[-1], chapters[0]
    now, then = _object(last.get("caller_profile"), "a profile"), _object(first.get("caller_profile"), "a profile")
    if leg not in (variables.get("uuid"), now.get("uuid")):
        raise BrokenRecord("it is about another leg than its name says")
    times = _object(last.get("times"), "times")
    created_us, ended_us = _time(times, "created_time"), _time(times, "hangup_time")
    core, cause = token(_text(cdr.get("core-uuid"))), token(variables.get("hangup_cause", ""))
    if not (created_us and ended_us and core and cause):
        raise BrokenRecord("it names no core, beginning, end or cause")
    inbound = _object(cdr.get("channel_data"), "channel_data").get("direction") == "inbound"
    # Not the profile's originator: a bridge by command writes it too. What a dialled leg shows is not who called.
    parent = "" if inbound else token(variables.get("originating_leg_uuid", ""))
    hidden = bool(parent) or _hidden(variables)
    ended: Record = {
        "Event-Name": "CHANNEL_HANGUP_COMPLETE",
        "Core-UUID": core,
        "Event-Sequence": f"cdr.{leg}",
        "Event-Date-Timestamp": str(ended_us),
        SOURCE: "cdr",
        "Unique-ID": leg,
        "Call-Direction": "inbound" if inbound else "outbound",
        "Hangup-Cause": cause,
        "Channel-Name": _text(now.get("chan_name")),
        "Caller-Channel-Created-Time": str(created_us),
        "Caller-Channel-Answered-Time": str(_time(times, "answered_time")),
        "Caller-Channel-Hangup-Time": str(ended_us),
        "Caller-Privacy-Hide-Number": "true" if hidden else "false",
        "Other-Leg-Unique-ID": parent,
        "Other-Type": _met_as(chapters),
    }
    # A transfer writes over who called and what was dialled: the first chapter tells it as the leg's first event did.
    ended |= {header: _text(then.get(name)) for name, header in _HEADERS.items()}
    if not inbound:  # once answered, its own profile names whom it reached
        for name in ("name", "number"):
            shown = variables.get(f"origination_caller_id_{name}", "")
            ended[f"Caller-Caller-ID-{name.title()}"] = shown
    for name, value in variables.items():
        if name in _KEPT or name.startswith("tt_"):
            ended[f"variable_{name}"] = _items(value)[-1]
    if did := _first_did(first):
        ended["variable_tt_did"] = did
    ended |= {"Record-Completion-Cause": variables.get("record_completion_cause", "")} | _message(cdr, variables)
    if bridged_us := _bridged(chapters):
        ended["Caller-Channel-Bridged-Time"] = str(bridged_us)
    return CallRecord(leg, parent, _relatives(variables), created_us, ended)


def life(records: Iterable[CallRecord]) -> list[Event]:
    """The legs of one or more calls as they are told: first that they were there, then their ends.

    So nobody who hears of one end thinks that the call is over while its other legs are still to come. A leg stands
    behind the one that dialled it, from which it inherits call and client.
    """
    ordered = parents_first(records)
    return [_begun(record) for record in ordered] + [record.ended for record in ordered]


def parents_first(records: Iterable[CallRecord]) -> list[CallRecord]:
    """By their beginning, but never a leg before the one that dialled it."""
    waiting = sorted(records, key=lambda record: (record.started_at_us, record.leg))
    known = {record.leg: record for record in waiting}
    ordered: dict[str, CallRecord] = {}
    for record in waiting:
        line = [record]
        while (parent := known.get(line[-1].parent)) is not None and parent not in line:
            line.append(parent)
        ordered |= {one.leg: one for one in reversed(line) if one.leg not in ordered}
    return list(ordered.values())


def families(records: Iterable[CallRecord]) -> list[list[CallRecord]]:
    """The legs of one call, together."""
    head: dict[str, str] = {}

    def find(name: str) -> str:
        while head.setdefault(name, name) != name:
            head[name] = name = head[head[name]]
        return name

    found = list(records)
    for record in found:
        for name in _names(record):
            head[find(name)] = find(record.leg)
    together: dict[str, list[CallRecord]] = {}
    for record in found:
        together.setdefault(find(record.leg), []).append(record)
    return list(together.values())


def _names(record: CallRecord) -> list[str]:
    """By what it is known to others of its call."""
    call = text(record.ended, "variable_tt_call")
    return [name for name in (record.leg, record.parent, *record.relatives, call and f"call {call}") if name]


def _begun(record: CallRecord) -> Event:
    created = record.ended["Caller-Channel-Created-Time"]
    name = {"Event-Name": LEG_RECORDED, "Event-Sequence": f"cdr-begun.{record.leg}"}
    return {**record.ended, **name, "Event-Date-Timestamp": created}


def _parsed(raw: bytes) -> object:
    if len(raw) > MAX_BYTES:
        raise BrokenRecord(f"{len(raw)} bytes; at most {MAX_BYTES} are read")
    try:
        return json.loads(raw.decode("utf-8", "replace"), strict=False, object_pairs_hook=_first_wins)
    except (ValueError, RecursionError):
        raise BrokenRecord("no whole JSON") from None


def _first_wins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Of a name that stands twice the first, as the switch itself looks variables up (switch_event.c)."""
    found: dict[str, object] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def _object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise BrokenRecord(f"{what}: no JSON object")
    return value


def _text(value: object) -> str:
    """A string without halves of surrogate pairs; anything else is nothing."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _variables(raw: Mapping[str, object]) -> dict[str, str]:
    """Plain values. Whether the switch encoded them (encode-values) is seen at a stamp, which holds a blank."""
    values = {name: _text(value) for name, value in raw.items() if isinstance(value, str)}
    stamp = values.get("start_stamp") or values.get("end_stamp") or ""
    if "%" in stamp:
        values = {name: unquote(value, errors="replace") for name, value in values.items()}
    return values


def _items(value: str) -> list[str]:
    return value[len(_ARRAY) :].split("|:") if value.startswith(_ARRAY) else [value]


def _chapters(raw: object) -> list[Mapping[str, object]]:
    """The leg's profiles, the newest first: a transfer begins a new one."""
    if not isinstance(raw, list) or not raw:
        raise BrokenRecord("callflow: no list")
    return [_object(chapter, "callflow") for chapter in raw]


def _time(times: Mapping[str, object], name: str) -> int:
    return count(_text(times.get(name)))


def _relatives(variables: Mapping[str, str]) -> tuple[str, ...]:
    """`originated_legs` is `uuid;name;number`, or a list of such; names in it are callers' text."""
    dialled = _items(variables.get("originated_legs", ""))[:MAX_RELATIVES]
    joined = [variables.get(name, "") for name in ("last_bridge_to", "bridge_uuid")]
    found = (token(entry.partition(";")[0]) for entry in [*joined, *dialled])
    return tuple(dict.fromkeys(leg for leg in found if leg))


def _hidden(variables: Mapping[str, str]) -> bool:
    """Whether Remote-Party-ID withheld the number: the profile's own mark is not in the file (sofia.c).

    The other way to it, Privacy, the rules read themselves.
    """
    party = re.search(r"privacy=\"?(\w+)", variables.get("sip_Remote-Party-ID", ""), re.IGNORECASE)
    return party is not None and party[1].lower() in ("yes", "full", "name", "number")


def _message(cdr: Mapping[str, object], variables: Mapping[str, str]) -> Record:
    """The message that the caller left, if it was one: only those are recorded by a plan's own `record`.

    What record_ms says is of the last recording of the leg, whatever made it.
    """
    log = cdr.get("app_log")
    apps = log.get("applications") if isinstance(log, dict) else None
    ran = [app for app in apps if isinstance(app, dict)] if isinstance(apps, list) else []
    found = [app for app in ran if _text(app.get("app_name")) in ("record", "record_session")]
    began_us = count(_text(found[0].get("app_stamp"))) if len(found) == 1 else 0
    if not began_us or _text(found[0].get("app_name")) != "record":
        return {}
    return {
        "Record-File-Path": _text(found[0].get("app_data")).split(" ")[0],
        RECORDED_UNTIL: str(began_us + count(variables.get("record_ms", "")) * 1000),
    }


def _first_did(chapter: Mapping[str, object]) -> str:
    """The tt_did that the dialplan set when the leg came; a blind transfer to a phone of ours sets it again."""
    extension = chapter.get("extension")
    apps = extension.get("applications") if isinstance(extension, dict) else None
    for app in apps if isinstance(apps, list) else []:
        if isinstance(app, dict) and _text(app.get("app_name")) == "multiset":
            for word in _text(app.get("app_data")).split(" "):
                if word.startswith("tt_did="):
                    return number(word.partition("=")[2])
    return ""


def _met_as(chapters: Iterable[Mapping[str, object]]) -> str:
    """What the leg that it last met was to it, as its events would say: `originator` if it was joined to that one, also
    by a command that joined two legs of ours."""
    for chapter in chapters:
        profile = chapter.get("caller_profile")
        found = [kind for kind in ("originatee", "originator") if isinstance(profile, dict) and kind in profile]
        if found:
            return found[0]
    return ""


def _bridged(chapters: Iterable[Mapping[str, object]]) -> int:
    """When it was first joined with another leg."""
    times = (chapter.get("times") for chapter in chapters)
    joined = [_time(one, "bridged_time") for one in times if isinstance(one, dict)]
    return min((at_us for at_us in joined if at_us), default=0)
