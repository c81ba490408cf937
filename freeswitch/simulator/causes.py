"""PURE: why a call ended: cause names, their Q.850 numbers, SIP codes and DIALSTATUS words, as FreeSWITCH maps them.

Enters: names and codes. Leaves: names and codes. Source: switch_channel.c, mod_sofia (hangup_cause_to_sip).
"""

from __future__ import annotations

import re

Q850 = {
    "UNALLOCATED_NUMBER": 1,
    "NO_ROUTE_TRANSIT_NET": 2,
    "NO_ROUTE_DESTINATION": 3,
    "CHANNEL_UNACCEPTABLE": 6,
    "CALL_AWARDED_DELIVERED": 7,
    "NORMAL_CLEARING": 16,
    "USER_BUSY": 17,
    "NO_USER_RESPONSE": 18,
    "NO_ANSWER": 19,
    "SUBSCRIBER_ABSENT": 20,
    "CALL_REJECTED": 21,
    "NUMBER_CHANGED": 22,
    "REDIRECTION_TO_NEW_DESTINATION": 23,
    "EXCHANGE_ROUTING_ERROR": 25,
    "DESTINATION_OUT_OF_ORDER": 27,
    "INVALID_NUMBER_FORMAT": 28,
    "FACILITY_REJECTED": 29,
    "RESPONSE_TO_STATUS_ENQUIRY": 30,
    "NORMAL_UNSPECIFIED": 31,
    "NORMAL_CIRCUIT_CONGESTION": 34,
    "NETWORK_OUT_OF_ORDER": 38,
    "NORMAL_TEMPORARY_FAILURE": 41,
    "SWITCH_CONGESTION": 42,
    "ACCESS_INFO_DISCARDED": 43,
    "REQUESTED_CHAN_UNAVAIL": 44,
    "PRE_EMPTED": 45,
    "FACILITY_NOT_SUBSCRIBED": 50,
    "OUTGOING_CALL_BARRED": 52,
    "INCOMING_CALL_BARRED": 54,
    "BEARERCAPABILITY_NOTAUTH": 57,
    "BEARERCAPABILITY_NOTAVAIL": 58,
    "SERVICE_UNAVAILABLE": 63,
    "BEARERCAPABILITY_NOTIMPL": 65,
    "CHAN_NOT_IMPLEMENTED": 66,
    "FACILITY_NOT_IMPLEMENTED": 69,
    "SERVICE_NOT_IMPLEMENTED": 79,
    "INVALID_CALL_REFERENCE": 81,
    "INCOMPATIBLE_DESTINATION": 88,
    "INVALID_MSG_UNSPECIFIED": 95,
    "MANDATORY_IE_MISSING": 96,
    "MESSAGE_TYPE_NONEXIST": 97,
    "WRONG_MESSAGE": 98,
    "IE_NONEXIST": 99,
    "INVALID_IE_CONTENTS": 100,
    "WRONG_CALL_STATE": 101,
    "RECOVERY_ON_TIMER_EXPIRE": 102,
    "MANDATORY_IE_LENGTH_ERROR": 103,
    "PROTOCOL_ERROR": 111,
    "INTERWORKING": 127,
    "SUCCESS": 142,
    "ORIGINATOR_CANCEL": 487,
    "CRASH": 700,
    "SYSTEM_SHUTDOWN": 701,
    "LOSE_RACE": 702,
    "MANAGER_REQUEST": 703,
    "BLIND_TRANSFER": 800,
    "ATTENDED_TRANSFER": 801,
    "ALLOTTED_TIMEOUT": 802,
    "USER_CHALLENGE": 803,
    "MEDIA_TIMEOUT": 804,
    "PICKED_OFF": 805,
    "USER_NOT_REGISTERED": 806,
    "PROGRESS_TIMEOUT": 807,
    "INVALID_GATEWAY": 808,
    "GATEWAY_DOWN": 809,
    "INVALID_URL": 810,
    "INVALID_PROFILE": 811,
    "NO_PICKUP": 812,
    "SRTP_READ_ERROR": 813,
    "BOWOUT": 814,
    "BUSY_EVERYWHERE": 815,
    "DECLINE": 816,
    "DOES_NOT_EXIST_ANYWHERE": 817,
    "NOT_ACCEPTABLE": 818,
    "UNWANTED": 819,
    "NO_IDENTITY": 820,
    "BAD_IDENTITY_INFO": 821,
    "UNSUPPORTED_CERTIFICATE": 822,
    "INVALID_IDENTITY": 823,
    "STALE_DATE": 824,
    "REJECT_ALL": 825,
}
"""Every cause with its number; beyond 127 they are FreeSWITCH's own."""
_BY_NUMBER = {number: name for name, number in Q850.items()}

_FROM_SIP = {
    "CALL_REJECTED": (401, 402, 403, 407, 603, 608),
    "UNWANTED": (607,),
    "UNALLOCATED_NUMBER": (404,),
    "NO_ROUTE_DESTINATION": (485, 604),
    "RECOVERY_ON_TIMER_EXPIRE": (408, 504),
    "NUMBER_CHANGED": (410,),
    "INTERWORKING": (413, 414, 416, 420, 421, 423, 505, 513),
    "NO_USER_RESPONSE": (480,),
    "NORMAL_TEMPORARY_FAILURE": (400, 481, 500, 503),
    "USER_BUSY": (486, 600),
    "INVALID_NUMBER_FORMAT": (484,),
    "INCOMPATIBLE_DESTINATION": (488, 606),
    "NETWORK_OUT_OF_ORDER": (502,),
    "SERVICE_UNAVAILABLE": (405,),
    "SERVICE_NOT_IMPLEMENTED": (406, 415, 501),
    "EXCHANGE_ROUTING_ERROR": (482, 483),
    "ORIGINATOR_CANCEL": (487,),
    "NO_IDENTITY": (428,),
    "BAD_IDENTITY_INFO": (429,),
    "UNSUPPORTED_CERTIFICATE": (437,),
    "INVALID_IDENTITY": (438,),
}
_CAUSE_OF_CODE = {code: cause for cause, codes in _FROM_SIP.items() for code in codes}
_PHRASES = {
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    415: "Unsupported Media Type",
    420: "Bad Extension",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "CANCEL",
    488: "Not Acceptable Here",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
    607: "Unwanted",
    608: "Rejected",
}


def of_sip(code: int) -> tuple[str, str]:
    """The cause of a final SIP response, and its usual phrase. Source: sofia_glue_sip_cause_to_freeswitch."""
    return _CAUSE_OF_CODE.get(code, "NORMAL_UNSPECIFIED"), _PHRASES.get(code, "")


_REASON = re.compile(r"\s*(?:q\.850|freeswitch)\s*;(?:.*;)?\s*cause\s*=\s*(\d{1,4})", re.IGNORECASE)


def of_reason(header: str) -> str:
    """The cause that a header Reason names, `Q.850;cause=31;text="…"`; empty for other protocols and numbers."""
    found = _REASON.match(header)
    return _BY_NUMBER.get(int(found[1]), "") if found else ""


_DIALSTATUS = {
    "USER_BUSY": "BUSY",
    "NO_ANSWER": "NOANSWER",
    "CALL_REJECTED": "DONTCALL",
    "ORIGINATOR_CANCEL": "CANCEL",
    "DESTINATION_OUT_OF_ORDER": "INVALIDARGS",
    "INVALID_PROFILE": "INVALIDARGS",
}


def q850(cause: str) -> int:
    """As `hangup_cause_q850` has it: FreeSWITCH's own causes count as 16."""
    number = Q850.get(cause, 16)
    return number if number < 128 else 16


def named(text: str) -> str:
    """A name or number given to `uuid_kill` or `hangup`: an unknown name becomes NORMAL_CLEARING, a number UNKNOWN."""
    if text.isdecimal():
        return _BY_NUMBER.get(int(text), "UNKNOWN") if len(text) < 10 else "UNKNOWN"
    return text.upper() if text.upper() in Q850 else "NORMAL_CLEARING"


def dialstatus(cause: str) -> str:
    """The word in variable DIALSTATUS."""
    return _DIALSTATUS.get(cause, cause)


_ALWAYS_GO_ON = ("NO_ANSWER", "NO_USER_RESPONSE", "ORIGINATOR_CANCEL")


def goes_on(continue_on_fail: str | None, failure_causes: str | None, cause: str) -> bool:
    """Whether a plan goes on after a dial that failed so, by these two variables of the caller: `true`, or lists of
    names and numbers. Without either, nobody answering is no reason to end. Source: switch_channel_handle_cause.
    """
    if cause == "ATTENDED_TRANSFER":
        return False
    if continue_on_fail is None and failure_causes is None:
        return cause in _ALWAYS_GO_ON
    if failure_causes is not None and not _listed(failure_causes, cause):
        return True
    if continue_on_fail is None:
        return False
    return continue_on_fail.lower() in ("true", "yes", "on", "1") or _listed(continue_on_fail, cause)


def _listed(causes: str, cause: str) -> bool:
    wanted = {part.strip().upper() for part in causes.split(",")}
    return cause in wanted or str(Q850.get(cause, "")) in wanted
