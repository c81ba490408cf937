"""An ended call as a client's own system is told of it. PURE.

Enters: the envelope of CallEnded. Leaves: a JSON page and the id by which it is known for ever. A caller who withheld
the number is nobody in it. Signing belongs to `sign.py`, sending to `courier.py`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from proto.envelope import Envelope
from proto.events import CallEnded
from proto.values import Party, command_id, to_datetime


def message_id(tenant: str, call: str, estimated: bool = False) -> str:
    """`webhook-id` of an ended call: the same for every endpoint, attempt and redelivery.

    An end that was estimated and is then known exactly is a second message.
    """
    return "msg_" + command_id(f"webhook/{tenant}/{call}", int(estimated)).replace("-", "")


def page(envelope: Envelope) -> dict[str, Any]:
    """The body as a value; times in UTC, RFC 3339 (standard-webhooks: payload structure)."""
    call = envelope.body
    assert isinstance(call, CallEnded)
    return {
        "type": "call.ended",
        "timestamp": _time(call.ended_at_us),
        "data": {
            "tenant": envelope.tenant,
            "call": envelope.call,
            "direction": call.direction,
            "dialled": call.dialled,
            "caller": _caller(call.caller),
            "result": call.result,
            "answered_by": call.answered_by,
            "started_at": _time(call.started_at_us),
            "answered_at": None if call.answered_at_us is None else _time(call.answered_at_us),
            "ended_at": _time(call.ended_at_us),
            "talk_ms": call.talk_ms,
            "legs": call.legs,
            "estimated": envelope.estimated,
        },
    }


def body(envelope: Envelope) -> str:
    """The page as the bytes that are signed, in UTF-8."""
    return msgspec.json.encode(page(envelope)).decode()


def _caller(caller: Party) -> dict[str, str]:
    if caller.presentation != "shown":
        return {"number": "", "name": "", "presentation": caller.presentation}
    return {"number": caller.number, "name": caller.name, "presentation": "shown"}


def _time(at_us: int) -> str:
    return to_datetime(at_us).isoformat(timespec="milliseconds").replace("+00:00", "Z")
