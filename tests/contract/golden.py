"""The bytes of each message and version as they were first released: `python -m tests.contract.golden` adds new ones.

Enters: the messages. Leaves: one file per message and version under `golden/`, and the table in docs/messages.md. What
stands is never written again: whoever has old bytes (a journal, a queue, another company's consumer) must still be
understood, so a changed meaning is a new VERSION.
"""

from __future__ import annotations

import sys
import types
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from proto.contract import file_of, messages_table
from proto.envelope import MESSAGES, Envelope, encode, is_command
from proto.message import Message
from proto.values import command_id

FOLDER = Path(__file__).parent / "golden"
GUIDE = Path(__file__).parents[2] / "docs" / "messages.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
AT_US = 1_795_309_200_123_456
LEG = "0b6c1d52-6a3e-4f0e-9d6c-3f1f3c1a7e10"
OTHER = "5f7f0f0e-1c57-4b52-8f2b-7d9b5f6f2c11"

VALUES: dict[str, Any] = {
    "switch": "fs1",
    "core": "7c0d2a0e-52a5-4d3a-93a5-1f0b3d5f2a90",
    "leg": LEG,
    "other": OTHER,
    "by": OTHER,
    "caller_leg": LEG,
    "operator_leg": OTHER,
    "command": command_id("golden", 0),
    "decision": command_id("golden", 0),
    "recording": command_id("golden", 1),
    "tenant": "acme",
    "payer": "acme",
    "number": "0312345678",
    "dialled": "0312345678",
    "diverted_from": "0451239011",
    "call": "0312345678",
    "forward": "09012345678",
    "present": "0312345678",
    "destination": "09012345678",
    "prefixes": ["03"],
    "phone": "1001",
    "id": "1001",
    "ids": ["1001", "1101"],
    "domain": "127.0.0.1",
    "host": "sip.carrier.example:5060",
    "gateway": "hikari",
    "path": "acme/0b6c1d52.wav",
    "cause": "NORMAL_CLEARING",
    "disposition": "NO_ANSWER",
    "name": "佐藤 花子",
    "names": {"0312345678": "佐藤 花子"},
    "ending": "78",
    "reason": "expired",
    "to": "answering",
    "queue": "tokyo-pool",
    "pool": "tokyo-pool",
    "stage": "queue",
    "kind": "operator",
    "service": "routing",
    "instance": "routing-1",
    "subject": LEG,
    "person": "admin",
    "price": "standard@2024-01-01:IP電話",
    "arithmetic": "2 × 11.55",
    "answered_by": "1001",
    "revision": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "from": "2026-04-01",
    "until": "2027-03-31",
    "at": "2026-11-22 10:00",
    "on": "2026-12-30",
    "closed": ["2026-12-29/2027-01-03"],
    "timezone": "Asia/Tokyo",
    "url": "https://crm.example/toritsugi",
    "sip_status": 200,
    "version": "1.10.12",
    "recordings": "acme",
    "owner": "acme",
    "ha1": "939e7578ed9e3c518a452acee763bce9",
}
"""What a key holds, wherever it stands and fits."""


def sample(kind: type[Message]) -> Envelope:
    """A message with every key filled."""
    body = msgspec.convert(_data(kind), kind)
    command = is_command(kind.NAME)
    return Envelope(
        body=body,
        id=command_id(kind.NAME, kind.VERSION),
        source="routing" if command else "switch/fs1",
        tenant="acme",
        occurred_at_us=AT_US,
        call=LEG,
        cause="7c0d2a0e-52a5-4d3a-93a5-1f0b3d5f2a90-4711",
        not_after_us=AT_US + 1_500_000 if command else None,
        estimated=False,
    )


def _data(kind: type[msgspec.Struct]) -> dict[str, Any]:
    config = kind.__struct_config__
    data: dict[str, Any] = {config.tag_field: config.tag} if config.tag_field else {}
    for field in msgspec.structs.fields(kind):
        data[field.encode_name] = _value(field.encode_name, field.type)
    if kind.__name__ == "Action":  # exactly one of its actions
        return {"forward": data["forward"], "for_s": 20, "confirm": "key", "carrier": "hikari", "present": "0312345678"}
    return data


def _value(name: str, kind: Any) -> Any:
    if name in VALUES and _fits(VALUES[name], kind):
        return VALUES[name]
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        low = max((meta.ge for meta in args[1:] if getattr(meta, "ge", None) is not None), default=None)
        if args[0] is int:
            return AT_US if name.endswith("_at_us") else max(low or 0, 7)
        inner = _value(name, args[0])
        return inner if _fits(inner, kind) else next(v for v in ("sales", "9:00-18:00", "3") if _fits(v, kind))
    if origin in (Union, types.UnionType):
        kinds = [arg for arg in args if arg is not type(None)]
        return _value(name, kinds[0])
    if origin is Literal:
        return args[-1]
    if origin is tuple:
        inner = args[0]
        if get_origin(inner) in (Union, types.UnionType):
            return [_value(name, each) for each in get_args(inner)]
        return [_value(name.removesuffix("s"), inner)]
    if origin is dict:
        return {"main": _value(name, args[1])}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _data(kind)
    return {str: "text", int: 7, bool: True, Decimal: "9.35"}[kind]


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def path_of(kind: type[Message]) -> Path:
    """Where the bytes of this message's current version stand."""
    return FOLDER / file_of(kind)


def guide_with_table(guide: str) -> str:
    """docs/messages.md with its table as the messages say now."""
    before, _, rest = guide.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{messages_table()}\n{END}{after}"


def main() -> None:
    """Write what is missing; refuse to touch what stands."""
    FOLDER.mkdir(exist_ok=True)
    for _, kind in sorted(MESSAGES.items()):
        path = path_of(kind)
        if path.exists():
            sys.stdout.write(f"{path.name} stands and is left alone\n")
            continue
        path.write_bytes(encode(sample(kind)) + b"\n")
        sys.stdout.write(f"{path.name} written\n")
    GUIDE.write_text(guide_with_table(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
