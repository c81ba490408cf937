"""PURE. A charged leg -> the same leg without whom it was with, priced as before (D14, B17).

Enters: the fact that a leg ended, the version of prices by which it was charged. Leaves: the fact with as much of a
number dialled as its price rests on: the area that a rule names, never more than a few figures of a person's number.
"""

from __future__ import annotations

import msgspec

from proto.events import LegEnded
from proto.tenant.platform import PriceVersion
from proto.values import Party
from services.billing.numbers import EMERGENCY, national, normalise
from services.billing.rate import AREA


def erased(fact: LegEnded, version: PriceVersion | None) -> LegEnded:
    """The leg without the other side. 110, 118 and 119 name nobody and stay."""
    fact = msgspec.structs.replace(fact, caller=Party(presentation="erased"))
    dialled_outside = fact.via == "trunk" if fact.direction == "outbound" else fact.via == "phone"
    if not dialled_outside or fact.destination.endswith("*"):
        return fact
    return msgspec.structs.replace(fact, destination=shortened(fact.destination, version))


def shortened(dialled: str, version: PriceVersion | None) -> str:
    """`09012345678` -> `09012*`: the longest prefix with a price, or AREA figures, and a mark that there was more."""
    number = normalise(dialled)
    if number in EMERGENCY:
        return dialled
    prefixes = [national(prefix) for rule in (version.rules if version else ()) for prefix in rule.prefixes]
    length = max((len(prefix) for prefix in prefixes if number.startswith(prefix)), default=0)
    kept = number[: max(length, AREA)]
    return f"{kept}*" if len(kept) < len(number) else number
