"""The numbers a client has, and what each is for.

Enters: nothing. Leaves: frozen structs. The stock of numbers and their lives belong to directory's store; how many a
client may have is checked in `services/directory/tenants/check.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from proto.tenant.fields import DialledNumber, Name

Kind = Literal["representative", "direct", "leased"]


class NumberEntry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A number (DID): 代表番号, 直通番号 or 貸出番号. A direct one names its id, the others their route."""

    number: DialledNumber
    kind: Kind = "representative"
    """representative 代表番号, direct 直通番号, leased 貸出番号."""
    route: Name = ""
    """経路 / a route of this file."""
    id: str = ""
    """端末 / the device that a direct number rings."""
    channels: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    """同時通話数 / calls at once."""
    mode: Literal["", "published", "forward_target"] = ""
    """貸出番号の使い方 / published: printed and called; forward_target: the client's own number is forwarded to it."""
