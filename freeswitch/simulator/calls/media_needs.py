"""PURE: which applications need sound on a leg before they run.

Enters: nothing. Leaves: their names. What the applications do belongs to apps/. Source: mod_dptools.c (SAF_… flags),
switch_core_session.c (switch_core_session_execute_application_get_flags).
"""

from __future__ import annotations

NEEDS_MEDIA = frozenset(
    {
        "att_xfer",
        "eavesdrop",
        "echo",
        "endless_playback",
        "gentones",
        "intercept",
        "loop_playback",
        "play_and_get_digits",
        "playback",
        "read",
        "record",
        "record_session",
        "record_session_mask",
        "record_session_pause",
        "record_session_resume",
        "record_session_unmask",
        "soft_hold",
        "stop_record_session",
        "three_way",
        "valet_park",
    }
)
"""Those for which a leg gets early media before they are told as executed (without SAF_SUPPORT_NOMEDIA)."""
