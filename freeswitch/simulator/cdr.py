"""The call records that a switch leaves behind: one JSON file per leg, as mod_json_cdr writes it without a URL.

Enters: a leg that reports its end, a folder. Leaves: `<uuid>.cdr.json` (`a_` before it, if so set, for a leg that
nobody dialled), written in place, its values not encoded. A switch that is killed writes none.
Source: mod_json_cdr.c, switch_ivr.c (switch_ivr_generate_json_cdr), switch_core_state_machine.c (process_cdr).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.profile import STATES, OtherLeg, Profile
from freeswitch.simulator.calls.story import Chapter
from freeswitch.simulator.esl.wire import Value, to_bytes

Json = dict[str, Any]

PACKETS_PER_S = 50
PACKET_BYTES = 172
"""PCMU at 20 ms, with the RTP header."""


@dataclass(frozen=True)
class CdrFolder:
    """Where the files go."""

    folder: Path
    prefix_a: bool = False
    """`prefix-a-leg`: the name of a leg that was not dialled begins with `a_`."""

    def write(self, core_uuid: str, switchname: str, channel: Channel) -> None:
        """One leg; nothing where its variables say so. A folder that is missing or full loses the record, as there."""
        if _left_out(channel):
            return
        dialled = channel.other is not None and channel.other.kind == "originator"
        prefix = "a_" if self.prefix_a and not dialled else ""
        path = self.folder / f"{prefix}{channel.uuid}.cdr.json"
        text = json.dumps(record(core_uuid, switchname, channel), ensure_ascii=False, separators=(",", ":"))
        try:
            with path.open("wb") as file:
                file.write(to_bytes(text))
                file.write(b"\n")
        except OSError:
            path.unlink(missing_ok=True)


def _left_out(channel: Channel) -> bool:
    """Variables process_cdr (`a_only`, `b_only`, false) and skip_cdr_causes (cut at `|`)."""
    wanted, kind = _text(channel.variables.get("process_cdr", "")), channel.other.kind if channel.other else ""
    if wanted == "a_only":
        refused = kind == "originator"
    elif wanted == "b_only":
        refused = kind == "originatee"
    else:
        refused = bool(wanted) and wanted.lower() not in ("true", "yes", "on", "1", "enabled", "active", "allow")
    return refused or channel.hangup_cause in _text(channel.variables.get("skip_cdr_causes", "")).split("|")


def record(core_uuid: str, switchname: str, channel: Channel) -> Json:
    """What the file says of a leg, in the order of the real one."""
    found: Json = {
        "core-uuid": core_uuid,
        "switchname": switchname,
        "channel_data": {
            "state": channel.state,
            "direction": channel.direction,
            "state_number": str(STATES.get(channel.state, channel.state_number)),
            "flags": _flags(channel),
            "caps": "1=1;2=1;3=1;4=1;5=1;6=1;8=1;9=1;10=1",
        },
        "callStats": _call_stats(channel),
        "variables": {name: _text(value) for name, value in channel.variables.items() if value},
    }
    if channel.story.ran:
        found["app_log"] = {"applications": [_ran(one.name, one.data, one.at_us) for one in channel.story.ran]}
    chapters = channel.story.chapters(channel.profile, channel.times, channel.other, channel.apps_left)
    found["callflow"] = [_chapter(channel.uuid, one) for one in chapters]
    return found


def _flags(channel: Channel) -> str:
    """Of the channel's flags those that this switch knows: answered 1, dialled 2, ringing 22."""
    known = {0: True, 1: channel.times.answered, 2: channel.direction == "outbound", 22: channel.times.progress}
    return ";".join(f"{number}=1" for number, is_set in known.items() if is_set)


def _call_stats(channel: Channel) -> Json:
    began_us = channel.times.answered or channel.times.progress_media
    if not began_us:
        return {}
    packets = max(0, channel.times.hangup - began_us) * PACKETS_PER_S // 1_000_000
    counted = {
        "raw_bytes": packets * PACKET_BYTES,
        "media_bytes": packets * PACKET_BYTES,
        "packet_count": packets,
        "media_packet_count": packets,
        "skip_packet_count": 0,
    }
    quality = {
        "jitter_packet_count": 0,
        "dtmf_packet_count": 0,
        "cng_packet_count": 0,
        "flush_packet_count": 0,
        "largest_jb_size": 0,
        "jitter_min_variance": 0,
        "jitter_max_variance": 0,
        "jitter_loss_rate": 0,
        "jitter_burst_rate": 0,
        "mean_interval": 20,
        "flaw_total": 0,
        "quality_percentage": 100,
        "mos": 4.5,
    }
    sent = {"dtmf_packet_count": 0, "cng_packet_count": 0, "rtcp_packet_count": 0, "rtcp_octet_count": 0}
    return {"audio": {"inbound": counted | quality, "outbound": counted | sent}}


def _text(value: Value) -> str:
    return value if isinstance(value, str) else "ARRAY::" + "|:".join(value)


def _ran(name: str, data: str | None, at_us: int) -> Json:
    return {"app_name": name, **({} if data is None else {"app_data": data}), "app_stamp": str(at_us)}


def _chapter(leg: str, chapter: Chapter) -> Json:
    found: Json = {"dialplan": chapter.profile.dialplan} if chapter.profile.dialplan else {}
    found["profile_index"] = str(chapter.profile.index)
    if chapter.name is not None:
        found["extension"] = _extension(chapter)
    found["caller_profile"] = _profile(leg, chapter.profile) | _other(chapter.other)
    times = chapter.times
    moments = {
        "created": times.created,
        "profile_created": times.profile_created,
        "progress": times.progress,
        "progress_media": times.progress_media,
        "answered": times.answered,
        "bridged": times.bridged,
        "last_hold": times.last_hold,
        "hold_accum": times.hold_accum,
        "hangup": times.hangup,
        "resurrect": 0,
        "transfer": chapter.transferred_us,
    }
    found["times"] = {f"{name}_time": str(at_us) for name, at_us in moments.items()}
    return found


def _extension(chapter: Chapter) -> Json:
    apps: list[Json] = []
    for position, app in enumerate(chapter.apps):
        mark = {"last_executed": "true"} if position == chapter.current else {}
        apps.append(mark | {"app_name": app.name, "app_data": app.data})
    found: Json = {"name": chapter.name, "number": chapter.number, "applications": apps}
    if chapter.current is not None:
        found["current_app"] = chapter.apps[chapter.current].name
    return found


def _other(other: OtherLeg | None) -> Json:
    if other is None or other.kind not in ("originator", "originatee"):
        return {}
    return {other.kind: {f"{other.kind}_caller_profiles": [_profile(other.uuid, other.profile)]}}


def _profile(leg: str, profile: Profile) -> Json:
    return {
        "username": profile.username,
        "dialplan": profile.dialplan,
        "caller_id_name": profile.caller_name,
        "ani": profile.original_number,
        "aniii": "",
        "caller_id_number": profile.caller_number,
        "network_addr": profile.network_addr,
        "rdnis": profile.rdnis,
        "destination_number": profile.destination,
        "uuid": leg,
        "source": profile.source,
        "context": profile.context,
        "chan_name": profile.channel_name,
    }
