"""The scalar shapes that tenant files are made of, each with its allowed form.

Enters: nothing. Leaves: annotated types; `proto/schemas.py` turns the annotations into marshmallow and JSON Schema.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec

from proto.values import Number

_CLOCK = r"([0-9]|[01][0-9]|2[0-9]):[0-5][0-9]"

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="a-z 0-9 - _, at most 64")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
DialledNumber = Annotated[Number, msgspec.Meta(min_length=1, description="digits; hyphens and full-width are accepted")]
"""A number as people write it in a file; hyphens and full-width digits are taken out on reading."""
TimeRange = Annotated[
    str, msgspec.Meta(pattern=rf"^{_CLOCK}-{_CLOCK}$", description="9:00-18:00; over midnight 22:00-6:00")
]
Date = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$", description="2026-12-29")]
DateRange = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^\d{4}-\d{2}-\d{2}(/\d{4}-\d{2}-\d{2})?$", description="2026-12-29 or 2026-12-29/2027-01-03"
    ),
]
Moment = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^\d{4}-\d{2}-\d{2} ([01]?\d|2[0-3]):[0-5]\d$", description="2026-11-22 10:00, tenant's zone"
    ),
]
Price = Annotated[Decimal, msgspec.Meta(ge=0)]
