"""The numbers a client has, and what each is for.

Enters: nothing. Leaves: frozen structs. The stock of numbers and their lives belong to directory's store; how many a
client may have is checked in `services/directory/check.py`.
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
    route: Name = ""
    id: str = ""
    channels: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    mode: Literal["", "published", "forward_target"] = ""
