"""The scalar shapes that tenant files are made of, each with its allowed form.

Enters: nothing. Leaves: annotated types; `proto/schemas.py` turns the annotations into marshmallow and JSON Schema.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec

from proto.values import Number

_CLOCK = r"([0-9]|[01][0-9]|2[0-9]):[0-5][0-9]"

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$(?!\n)", description="a-z 0-9 - _, at most 64")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
DialledNumber = Annotated[
    Number,
    msgspec.Meta(min_length=1, description="digits; hyphens and full-width are accepted", extra={"reading": "number"}),
]
"""A number as people write it in a file; hyphens and full-width digits are taken out on reading."""
NumberOrName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([a-z0-9][a-z0-9_-]{0,63}|\+?[0-9*#]{1,32})$(?!\n)",
        description="a name (a-z 0-9 - _) or digits; hyphens and full-width digits are accepted",
        extra={"reading": "number"},
    ),
]
"""Where a call may go on to: the name of a line or group, or a number as people write it."""
TimeRange = Annotated[
    str, msgspec.Meta(pattern=rf"^{_CLOCK}-{_CLOCK}$(?!\n)", description="9:00-18:00; over midnight 22:00-6:00")
]
Date = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$(?!\n)", description="2026-12-29")]
DateRange = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(/[0-9]{4}-[0-9]{2}-[0-9]{2})?$(?!\n)",
        description="2026-12-29 or 2026-12-29/2027-01-03",
    ),
]
Moment = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2} ([01]?[0-9]|2[0-3]):[0-5][0-9]$(?!\n)",
        description="2026-11-22 10:00, tenant's zone",
    ),
]
Price = Annotated[Decimal, msgspec.Meta(description="an amount, not negative, for example 9.35")]
"""Its sign is checked by the struct that holds it: msgspec knows no bounds of Decimal."""
KeepDays = Annotated[int, msgspec.Meta(ge=30, le=3660, description="30 to 3660 days")]
"""How long something that must not be kept for ever is kept."""
