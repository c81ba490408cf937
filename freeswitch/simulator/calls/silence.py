"""PURE: how long a far end may send no sound before its leg is ended.

Enters: the variables of a leg. Leaves: milliseconds. Source: switch_core_media.c (check_media_timeout_params).
"""

from __future__ import annotations

from collections.abc import Callable

from freeswitch.simulator.plan import whole

PROFILE_S = 300
"""rtp-timeout-sec of the profiles."""


def allowed_silence_ms(variable: Callable[[str], str | None]) -> int:
    """Of a leg that nobody holds: media_timeout in milliseconds, else rtp_timeout_sec."""
    asked_ms = whole(variable("media_timeout") or "")
    return asked_ms or 1000 * (whole(variable("rtp_timeout_sec") or "") or PROFILE_S)


__all__ = ["allowed_silence_ms"]
