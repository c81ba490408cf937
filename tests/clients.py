"""Sample clients, platform and facts for the tests of routing, recording and answering."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from proto.envelope import Envelope
from proto.events import CallArrived, PlatformRevised, TenantRevised
from proto.message import Message
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.values import Party, to_epoch_us

OUTSIDE = Party(number="09012345678", name="客")
WITHHELD = Party(presentation="withheld")

ACME: dict[str, Any] = {
    "tenant": "acme",
    "name": "株式会社アクメ",
    "contract": {"from": "2026-04-01"},
    "domain": "pbx.example",
    "numbers": [
        {"number": "0312345678", "route": "main", "channels": 2},
        {"number": "0312345601", "kind": "direct", "id": "1001"},
        {"number": "05012345678", "kind": "leased", "mode": "published", "route": "secretary"},
    ],
    "ids": [
        {"id": "1001", "name": "佐藤 花子", "device": "desk"},
        {"id": "1101", "name": "佐藤 花子", "device": "app"},
        {"id": "1002", "name": "鈴木 一郎", "device": "desk"},
        {"id": "1003", "name": "高橋 健", "device": "desk"},
    ],
    "lines": [
        {"line": "sato", "ids": ["1001", "1101"], "ring": "desk_first", "app_after_s": 6},
        {"line": "suzuki", "ids": ["1002"], "no_answer": {"after_s": 15, "to": "takahashi"}},
        {"line": "takahashi", "ids": ["1003"], "no_answer": {"after_s": 10, "to": "voicemail"}},
    ],
    "groups": [{"group": "sales", "lines": ["sato", "suzuki"]}],
    "hours": {"office": {"mon-fri": ["9:00-18:00"], "closed": ["2026-12-29/2027-01-03"]}},
    "routes": {
        "main": [
            {
                "when": {"hours": "office"},
                "do": [
                    {"ring": "sales", "for_s": 20},
                    {"forward": "09087654321", "for_s": 30, "confirm": "key"},
                    {"voicemail": "sales"},
                ],
            },
            {"do": [{"play": "closed"}, {"voicemail": "sales"}]},
        ],
        "secretary": [{"do": [{"queue": "tokyo-pool"}]}],
    },
}

PLATFORM = msgspec.convert(
    {
        "switches": [{"switch": "fs1", "domain": "fs1.example"}],
        "carriers": [{"name": "trunk1", "gateway": "trunk1"}, {"name": "trunk2", "gateway": "trunk2"}],
        "pools": [
            {
                "pool": "tokyo-pool",
                "phones": [{"id": "2001", "domain": "ops.example"}, {"id": "2002", "domain": "ops.example"}],
                "ring_s": 10,
            }
        ],
    },
    Platform,
)


def client(**changes: Any) -> Tenant:
    """The sample client with parts of its file replaced."""
    return msgspec.convert({**ACME, **changes}, Tenant)


def at(text: str, zone: str = "Asia/Tokyo") -> int:
    """`2026-11-20 10:00` on the client's clock -> epoch microseconds. That Friday is an ordinary working day."""
    return to_epoch_us(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


WORKDAY = at("2026-11-20 10:00")


def envelope(body: Message, tenant: str = "acme", call: str = "c1", at_us: int = WORKDAY, **rest: Any) -> Envelope:
    """A message as it comes from the bus; its id follows from its key unless given."""
    message_id = rest.pop("id", f"{type(body).NAME}/{body.key() or call}")
    return Envelope(
        body=body, id=message_id, source="switch/fs1", tenant=tenant, call=call, occurred_at_us=at_us, **rest
    )


def arrival(dialled: str = "0312345678", at_us: int = WORKDAY, tenant: str = "acme", **fields: Any) -> Envelope:
    """A call waits in our dialplan."""
    fact: dict[str, Any] = {"leg": "leg-a", "origin": "trunk", "caller": OUTSIDE, "received_at_us": at_us, **fields}
    return envelope(CallArrived(switch="fs1", dialled=dialled, **fact), tenant, at_us=at_us)


def revisions(*tenants: Tenant, platform: Platform = PLATFORM) -> list[Envelope]:
    """What directory tells at the start."""
    facts: list[Envelope] = [
        envelope(TenantRevised(revision="r1", body=t), t.tenant, "", id=f"revised/{t.tenant}") for t in tenants
    ]
    return [*facts, envelope(PlatformRevised(revision="r1", body=platform), "_platform", "", id="revised/platform")]
