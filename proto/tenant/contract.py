"""Who the client is and on what terms.

Enters: nothing. Leaves: frozen structs of contract, address, recording, answering and webhooks. Prices stand in
`platform.py`; secrets and proofs are rows of the services that own them.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from proto.tenant.fields import Date, Name, Text


class Address(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The registered address that a number's area must fit."""

    prefecture: Text
    municipality: Text = ""
    street: str = ""


class Contract(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Start, closing day (締め日), plan, and the price table by which calls are charged."""

    from_: Date
    closing_day: Annotated[int, msgspec.Meta(ge=1, le=31)] = 31
    """31 means the end of the month."""
    plan: Name = ""
    prices: Name = ""
    until: Date | None = None
    purpose: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Why more than three representative numbers are needed; declared, not checked."""


class Recording(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """全通話録音: which conversations are recorded."""

    calls: Literal["none", "all"] = "none"


class Answering(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How operators answer in the client's name."""

    greeting: str = ""


class Webhook(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where ended calls are posted (Standard Webhooks); its secret is a row of connectors, never here."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s]{1,500}$(?!\n)")]
