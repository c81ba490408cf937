"""PURE: why a call ended: cause names, their Q.850 numbers, SIP codes and DIALSTATUS words, as FreeSWITCH maps them.

Enters: names and codes. Leaves: names and codes. Source: switch_channel.c, mod_sofia (hangup_cause_to_sip).
"""

from __future__ import annotations

Q850 = {
    "UNALLOCATED_NUMBER": 1,
    "NO_ROUTE_DESTINATION": 3,
    "NORMAL_CLEARING": 16,
    "USER_BUSY": 17,
    "NO_USER_RESPONSE": 18,
    "NO_ANSWER": 19,
    "SUBSCRIBER_ABSENT": 20,
    "CALL_REJECTED": 21,
    "NUMBER_CHANGED": 22,
    "DESTINATION_OUT_OF_ORDER": 27,
    "INVALID_NUMBER_FORMAT": 28,
    "NORMAL_UNSPECIFIED": 31,
    "NORMAL_CIRCUIT_CONGESTION": 34,
    "NORMAL_TEMPORARY_FAILURE": 41,
    "OUTGOING_CALL_BARRED": 52,
    "CHAN_NOT_IMPLEMENTED": 66,
    "MANDATORY_IE_MISSING": 96,
    "RECOVERY_ON_TIMER_EXPIRE": 102,
    "INTERWORKING": 127,
    "ORIGINATOR_CANCEL": 487,
    "SYSTEM_SHUTDOWN": 701,
    "LOSE_RACE": 702,
    "MANAGER_REQUEST": 703,
    "ALLOTTED_TIMEOUT": 802,
    "MEDIA_TIMEOUT": 804,
    "PICKED_OFF": 805,
    "USER_NOT_REGISTERED": 806,
    "PROGRESS_TIMEOUT": 807,
    "INVALID_GATEWAY": 808,
    "GATEWAY_DOWN": 809,
}
_BY_NUMBER = {number: name for name, number in Q850.items()}

SIP = {
    404: ("UNALLOCATED_NUMBER", "Not Found"),
    480: ("NO_USER_RESPONSE", "Temporarily Unavailable"),
    486: ("USER_BUSY", "Busy Here"),
    487: ("ORIGINATOR_CANCEL", "CANCEL"),
    503: ("NORMAL_TEMPORARY_FAILURE", "Service Unavailable"),
    603: ("CALL_REJECTED", "Decline"),
}

_DIALSTATUS = {
    "USER_BUSY": "BUSY",
    "NO_ANSWER": "NOANSWER",
    "CALL_REJECTED": "DONTCALL",
    "ORIGINATOR_CANCEL": "CANCEL",
}


def q850(cause: str) -> int:
    """As `hangup_cause_q850` has it: FreeSWITCH's own causes count as 16."""
    number = Q850.get(cause, 16)
    return number if number < 128 else 16


def named(text: str) -> str:
    """A name or number given to `uuid_kill` or `hangup`; what is unknown becomes NORMAL_CLEARING."""
    if text.isdecimal():
        return _BY_NUMBER.get(int(text), "NORMAL_CLEARING")
    return text.upper() if text.upper() in Q850 else "NORMAL_CLEARING"


def dialstatus(cause: str) -> str:
    """The word in variable DIALSTATUS."""
    return _DIALSTATUS.get(cause, cause)


def goes_on(continue_on_fail: str, cause: str) -> bool:
    """Whether a plan goes on after a dial that failed so: `true`, or a list of names and numbers."""
    if continue_on_fail.lower() in ("true", "yes", "on", "1"):
        return True
    wanted = {part.strip().upper() for part in continue_on_fail.split(",")}
    return cause in wanted or str(Q850.get(cause, "")) in wanted
