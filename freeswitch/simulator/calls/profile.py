"""The data of a leg that events show: states, times, the caller profile, and the other leg as it was met.

Enters: nothing. Leaves: types. How they become headers belongs to events.py. Source: switch_caller.c, switch_types.h.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from freeswitch.simulator.esl.wire import Value

Headers = dict[str, Value]

STATES = {
    "CS_NEW": 0,
    "CS_INIT": 1,
    "CS_ROUTING": 2,
    "CS_SOFT_EXECUTE": 3,
    "CS_EXECUTE": 4,
    "CS_EXCHANGE_MEDIA": 5,
    "CS_PARK": 6,
    "CS_CONSUME_MEDIA": 7,
    "CS_HIBERNATE": 8,
    "CS_RESET": 9,
    "CS_HANGUP": 10,
    "CS_REPORTING": 11,
    "CS_DESTROY": 12,
    "CS_NONE": 13,
}

CALL_STATES = ("DOWN", "DIALING", "RINGING", "EARLY", "ACTIVE", "HELD", "RING_WAIT", "HANGUP", "UNHELD")
"""In the order of their numbers."""


@dataclass
class Times:
    """Microseconds since 1970; 0 is never."""

    profile_created: int = 0
    created: int = 0
    answered: int = 0
    progress: int = 0
    progress_media: int = 0
    hangup: int = 0
    bridged: int = 0
    last_hold: int = 0
    hold_accum: int = 0
    """Microseconds on hold, all holds together."""
    holds: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Profile:
    """The caller profile of a leg; what changes is a new one, so that its headers are made once (events.py)."""

    channel_name: str
    destination: str
    caller_name: str = ""
    caller_number: str = ""
    original_name: str = ""
    original_number: str = ""
    callee_name: str = ""
    callee_number: str = ""
    username: str = ""
    dialplan: str = "XML"
    context: str = "public"
    network_addr: str = "127.0.0.1"
    source: str = "mod_sofia"
    rdnis: str = ""
    transfer_source: str = ""
    index: int = 1
    screen: bool = True
    hide_name: bool = False
    hide_number: bool = False


FIELDS = {
    "ani": "original_number",
    "callee_id_name": "callee_name",
    "callee_id_number": "callee_number",
    "caller_id_name": "caller_name",
    "caller_id_number": "caller_number",
    "chan_name": "channel_name",
    "context": "context",
    "destination_number": "destination",
    "dialplan": "dialplan",
    "network_addr": "network_addr",
    "orig_caller_id_name": "original_name",
    "orig_caller_id_number": "original_number",
    "profile_index": "index",
    "rdnis": "rdnis",
    "source": "source",
    "username": "username",
}
"""What asks for a variable finds under these names in the profile (switch_caller_get_field_by_name)."""


@dataclass(frozen=True, eq=False)
class OtherLeg:
    """The other leg as it was when the two met."""

    kind: str
    uuid: str
    direction: str
    logical_direction: str
    profile: Profile
    times: Times = field(default_factory=Times)
