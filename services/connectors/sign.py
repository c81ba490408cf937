"""The three headers of Standard Webhooks (standardwebhooks.com, specification 1.0). PURE.

Enters: an endpoint's secret, a message and the time of the attempt. Leaves: headers. Each attempt is signed anew, since
receivers refuse what is older than five minutes; the id stays.
"""

from __future__ import annotations

import base64

from standardwebhooks.webhooks import Webhook

from proto.values import to_datetime

SECRET_BYTES = 32
"""The specification allows 24 to 64."""


def secret_text(random_bytes: bytes) -> str:
    """`whsec_…` as shown to the client."""
    return "whsec_" + base64.b64encode(random_bytes).decode()


def headers(secret: str, message: str, at_us: int, body: str) -> dict[str, str]:
    """`webhook-id`, `webhook-timestamp` (seconds since 1970) and `webhook-signature` (v1, HMAC-SHA256)."""
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at_us // 1_000_000),
        "webhook-signature": Webhook(secret).sign(msg_id=message, timestamp=to_datetime(at_us), data=body),
    }
