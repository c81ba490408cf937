"""PURE: which codec two ends agree on.

Enters: names of codecs, the best first. Leaves: the one that is spoken, or none. Source: switch_core_media.c
(switch_core_media_negotiate_sdp with `generous`, which goes by what the far end prefers).
"""

from __future__ import annotations

from collections.abc import Sequence

Codecs = tuple[str, ...]
OURS: Codecs = ("PCMU", "PCMA")
"""What the profiles speak (global_codec_prefs, outbound_codec_prefs)."""


def agreed(ours: Sequence[str], theirs: Sequence[str]) -> str:
    """Empty if they have none in common."""
    return next((name for name in theirs if name in ours), "")


def listed(text: str) -> Codecs:
    """`PCMU@8000h@20i,PCMA` -> names."""
    return tuple(one.partition("@")[0].strip().upper() for one in text.split(",") if one.strip())


__all__ = ["OURS", "Codecs", "agreed", "listed"]
