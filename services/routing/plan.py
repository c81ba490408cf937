"""PURE. How plans are built and closed, whoever asks for them.

Enters: a draft, or the reason for which dialling ended. Leaves: plans that are never open: each ends with a message,
a wait, a hand-over or a rejection. Which numbers and phones stand in them belongs to `inbound.py` and `outbound.py`.
"""

from __future__ import annotations

from typing import Literal

from proto.plan import Forward, HandOver, Phone, Plan, Play, Reject, Ring
from services.routing.scene import Draft

Cause = Literal["NORMAL_CLEARING", "USER_BUSY", "NO_ANSWER", "CALL_REJECTED", "UNALLOCATED_NUMBER"]

RING_S = 30
"""How long phones ring where nothing else is said."""
OUTSIDE_RING_S = 120
"""How long a called outside number rings: the caller, not we, gives up."""

NOT_IN_USE: Plan = (Play("not_in_use", early=True), Reject("UNALLOCATED_NUMBER"))
"""「おかけになった電話番号は現在使われておりません」, before the answer, so that the caller pays nothing."""

_CLOSING: dict[str, Cause] = {
    "USER_BUSY": "USER_BUSY",
    "CALL_REJECTED": "CALL_REJECTED",
    "UNALLOCATED_NUMBER": "UNALLOCATED_NUMBER",
    "NO_ANSWER": "NO_ANSWER",
    "ALLOTTED_TIMEOUT": "NO_ANSWER",  # the same thing where leg_timeout ended it (FREESWITCH.md, corrections)
    "NO_USER_RESPONSE": "NO_ANSWER",
    "USER_NOT_REGISTERED": "NO_ANSWER",
    "SUBSCRIBER_ABSENT": "NO_ANSWER",
    "NORMAL_TEMPORARY_FAILURE": "USER_BUSY",  # the carrier's trunk is full or ill: the caller may try again
    "NORMAL_CIRCUIT_CONGESTION": "USER_BUSY",
    "GATEWAY_DOWN": "USER_BUSY",
}


def ring(phones: tuple[Phone, ...], for_s: int) -> Ring:
    """These phones at once; a device that stands in two lines rings once, at its earliest."""
    earliest: dict[str, Phone] = {}
    for phone in phones:
        known = earliest.get(phone.id)
        if known is None or phone.after_s < known.after_s:
            earliest[phone.id] = phone
    return Ring(tuple(earliest.values()), for_s)


def in_turn(sets: list[tuple[Phone, ...]], for_s: int) -> tuple[Ring, ...]:
    """One line after the other, `for_s` each: one step if every line has one phone, else a step per line."""
    if all(len(phones) == 1 for phones in sets):
        return (Ring(tuple(phones[0] for phones in sets), for_s, order="in_turn"),)
    return tuple(ring(phones, for_s) for phones in sets)


def close(draft: Draft) -> None:
    """Give the plan its end: nobody there, guidance said, or dialling that may come to nothing."""
    if draft.ended:
        return
    if not draft.steps:
        _nobody(draft)
    elif isinstance(draft.steps[-1], Ring | Forward):
        draft.add("応答がなければ取次（routing）が理由を見て終話する", HandOver("routing"))
    else:
        draft.add("案内の後に終話する", Reject("NORMAL_CLEARING"))


def _nobody(draft: Draft) -> None:
    if draft.out_of_hours:
        draft.add("呼び出せる相手がいない：時間外の案内をして終話する", Play("closed"), Reject("NORMAL_CLEARING"))
    else:
        draft.add("呼び出せる相手がいない：応答なしとして終話する", Reject("NO_ANSWER"))


def closing_cause(disposition: str) -> Cause:
    """What the caller is told after dialling came to nothing; originate_disposition as FreeSWITCH names it."""
    return _CLOSING.get(disposition, "NORMAL_CLEARING" if disposition in ("", "SUCCESS") else "NO_ANSWER")
