"""One line per ended call, for the person at a terminal.

Enters: the fact CallEnded. Leaves: a line of text in Japanese, numbers as people write them. Pure. A caller's name
never stands in it: it is foreign text, and a terminal obeys control characters.
"""

from __future__ import annotations

from proto.events import CallEnded
from services.history.words import DIRECTIONS, RESULTS, clock_time, number, party, span, word


def line(tenant: str, ended: CallEnded, timezone: str = "Asia/Tokyo") -> str:
    """`14:05:03.250 acme 着信 090-1234-5678 → 03-1234-5678 応答 12秒`."""
    talk_us = 0 if ended.answered_at_us is None else ended.ended_at_us - ended.answered_at_us
    words = (
        clock_time(ended.ended_at_us, timezone),
        tenant,
        word(DIRECTIONS, ended.direction, "ja"),
        party(ended.caller.number, ended.caller.presentation, "ja"),
        "→",
        number(ended.dialled),
        word(RESULTS, ended.result, "ja"),
        span(talk_us, "ja") if talk_us else "",
    )
    return " ".join(part for part in words if part)
