"""Notes one delivery for each ended call and endpoint of its client.

Enters: CallEnded and TenantRevised. Leaves: rows in `deliveries` and, for each new endpoint, its secret. The sending is
the work of `courier.py`, so that a slow receiver holds up no message.
"""

from __future__ import annotations

from typing import Any

from proto.envelope import Envelope, decode, encode
from proto.events import CallEnded, PlatformRevised, TenantRevised
from proto.tenant import Tenant
from proto.values import UNKNOWN_TENANT
from services.connectors.courier import Courier
from services.connectors.deliveries import add, add_tables, keep_early, keep_endpoint, take_early
from services.connectors.pages import body, message_id
from services.runtime import clock
from services.runtime.projections import keep_platform, keep_tenant, tenant
from services.runtime.store import Tx, of_room
from services.runtime.worker import Cause, Emit, Handler, Service


def tenant_revised(tx: Tx, envelope: Envelope, cause: Cause) -> list[Emit]:
    """Keep the client, make secrets for endpoints that have none, and send what ended before we knew the client."""
    fact = envelope.body
    assert isinstance(fact, TenantRevised)
    keep_tenant(tx, envelope, cause)
    client = tenant(tx, envelope.tenant)
    if client is not None:
        for url in _urls(client):
            keep_endpoint(tx, client.tenant, url, clock.now_us())
        for early in take_early(tx, client.tenant):
            _deliver(tx, decode(early), client)
    return []


def call_ended(tx: Tx, envelope: Envelope, _cause: Cause) -> list[Emit]:
    """A row per endpoint, due at once."""
    client = tenant(tx, envelope.tenant)
    if client is not None:
        _deliver(tx, envelope, client)
    elif envelope.tenant != UNKNOWN_TENANT:
        keep_early(tx, envelope.tenant, envelope.call, envelope.estimated, encode(envelope))
    return []


def _deliver(tx: Tx, envelope: Envelope, client: Tenant) -> None:
    for url in _urls(client):
        message = message_id(client.tenant, envelope.call, envelope.estimated)
        add(tx, client.tenant, envelope.call, url, message, body(envelope), clock.now_us())


def _urls(client: Tenant) -> tuple[str, ...]:
    return tuple(dict.fromkeys(webhook.url for webhook in client.webhooks))


def build() -> Service:
    """Connectors as the shell sees them; `Courier` must run beside it."""
    metadata = of_room(__package__)
    add_tables(metadata)
    handlers: dict[Any, Handler] = {
        TenantRevised: tenant_revised,
        PlatformRevised: keep_platform,
        CallEnded: call_ended,
    }
    return Service("connectors", handlers, metadata, unhurried=True)


__all__ = ["Courier", "build"]
