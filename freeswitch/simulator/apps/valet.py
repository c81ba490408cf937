"""`valet_park`: a call waits on a numbered slot of a lot until anybody takes it from there.

Enters: a leg, lot, slot. Leaves: CUSTOM valet_parking::info with Action hold, bridge, exit; music; the bridge. Source:
mod_valet_parking.c.
"""

from __future__ import annotations

import html

from freeswitch.simulator import plan
from freeswitch.simulator.calls import sounds
from freeswitch.simulator.calls.channel import Channel
from freeswitch.simulator.calls.joining import join
from freeswitch.simulator.switch import Switch

_KEPT = (
    "valet_parking_timeout",
    "valet_parking_orbit_exten",
    "valet_parking_orbit_dialplan",
    "valet_parking_orbit_context",
    "valet_parking_orbit_exit_key",
)
"""Variables that go with the call when it is parked for somebody else."""
ANNOUNCES_AFTER_S = 1.5
ORBIT_S = 60
"""How long a call waits before it goes to valet_parking_orbit_exten where no timeout is set."""


def valet_park(switch: Switch, channel: Channel, data: str) -> None:
    """`<lot> <slot>`, or `<lot> auto in|out <min> <max>`: parks, or fetches who waits there."""
    lot, slot, way, low, high, *_rest = [*plan.words(data), "", "", "", "", ""]
    if not slot:
        return
    fetches, announces = True, False
    if slot == "auto":
        fetches = way == "out"
        found = _slot(switch, lot, fetches, low, high)
        if way not in ("in", "out") or found is None:
            return
        slot = found
        announces = not fetches and channel.get("valet_announce_slot") in (None, "true")
    slots = switch.valet.setdefault(lot, {})
    waiting = switch.channels.get(slots.get(slot, ""))
    if fetches and waiting is not None and waiting is not channel and not waiting.hangup_cause:
        del slots[slot]
        _tell(waiting, lot, slot, "bridge", {"Bridge-To-UUID": channel.uuid})
        join(waiting, channel)
        channel.check()
        return
    _hold(switch, channel, lot, slot, ANNOUNCES_AFTER_S if announces else 0.0)


def _hold(switch: Switch, channel: Channel, lot: str, slot: str, announces_after_s: float) -> None:
    """Who leaves, or is fetched, before the slot is announced has been parked all the same."""
    slots = switch.valet[lot]
    slots[slot] = channel.uuid
    music = channel.get("valet_hold_music") or channel.hold_music
    music = "silence_stream://-1" if music.lower() == "silence" else music
    kept = (f"set:{name}={value}," for name in _KEPT if (value := channel.get(name)))
    channel.variables["inline_destination"] = (
        f"{''.join(kept)}set:valet_ticket={channel.uuid},set:valet_hold_music='{music}',"
        f"sleep:1000,valet_park:{lot} {slot}"
    )
    try:
        try:
            channel.pause(announces_after_s)
        finally:
            _tell(channel, lot, slot, "hold", {})
            channel.variables["valet_lot_extension"] = slot
        orbit = channel.get("valet_parking_orbit_exten")
        seconds = plan.whole(channel.get("valet_parking_timeout") or "") or (ORBIT_S if orbit else None)
        channel.digits.clear()
        if _wait(switch, channel, music, seconds) and orbit:
            dialplan, context = (channel.get(f"valet_parking_orbit_{name}") or "" for name in ("dialplan", "context"))
            channel.transfer(orbit, dialplan, context)
    finally:
        # Whoever has put itself there meanwhile uses the same entry, and is forgotten with it (valet_token_t).
        slots.pop(slot, None)
        _tell(channel, lot, slot, "exit", {})


def _wait(switch: Switch, channel: Channel, music: str, seconds: float | None) -> bool:
    """Plays until `#`, or until time is up: then True."""
    end_us = None if seconds is None else channel.clock.now_us() + int(seconds * 1_000_000)

    def taken_back() -> bool:
        return "#" in channel.digits

    while not taken_back():
        left_s = None if end_us is None else (end_us - channel.clock.now_us()) / 1_000_000
        if left_s is not None and left_s <= 0:
            return True
        if sounds.play(switch.sounds, channel, music, until=taken_back, limit_s=left_s) != "FILE PLAYED":
            channel.pause(left_s, until=taken_back)
    return False


def _slot(switch: Switch, lot: str, fetches: bool, low: str, high: str) -> str | None:
    """The first free slot to park on, or the one to fetch from."""
    if not (low.isdecimal() and high.isdecimal()) or len(low) > 9 or len(high) > 9:
        return None
    taken = set(switch.valet.get(lot, {}))
    if fetches:
        return next((slot for slot in sorted(taken) if int(low) <= plan.whole(slot, -1) <= int(high)), None)
    return next((str(n) for n in range(int(low), min(int(high), int(low) + 10_000) + 1) if str(n) not in taken), None)


def _tell(channel: Channel, lot: str, slot: str, action: str, more: dict[str, str]) -> None:
    about = {"Valet-Lot-Name": lot, "Valet-Extension": slot, "Action": action, **more}
    channel.fire("CUSTOM", before={**about}, subclass="valet_parking::info")


def info(switch: Switch, lot: str) -> str:
    """The command `valet_info [<lot>]`: who waits where, as XML."""
    lines = ["<lots>\n"]
    for name, slots in switch.valet.items():
        if lot and lot.lower() != name.lower():
            continue
        lines.append(f'  <lot name="{html.escape(name)}">\n')
        lines += [f'    <extension uuid="{leg}">{html.escape(slot)}</extension>\n' for slot, leg in slots.items()]
        lines.append("  </lot>\n")
    return "".join([*lines, "</lots>\n"])
