"""A plan -> one inline dialplan, `m:~:…`. Pure.

Enters: RouteCall with its envelope. Leaves: the quoted argument of one uuid_transfer. First the safety net is cancelled
and everything about the call is set in one multiset; a step that waits or hands over arms the net again before it
parks; a plan without an end hangs up. Only words that `words.py` has checked stand in it.
"""

from __future__ import annotations

from collections.abc import Mapping

from proto import commands as c
from proto import plan as p
from proto.envelope import Envelope
from services.eventsocket.words import (
    CONFIRM_PROMPT,
    FALLBACK,
    MESSAGE_TONE,
    Refused,
    RenderSettings,
    argument,
    dialled_number,
    effective_identity,
    folder,
    phone_address,
    plain_identity,
    sound,
    tags,
    token,
    token_of_tenant,
    voice_of_phones,
)

MAX_APPLICATIONS = 128
"""switch_core_session / mod_dialplan_inline: more are cut off."""
REARM_S = 4

GOES_ON = (
    "USER_BUSY",
    "NO_ANSWER",
    "ALLOTTED_TIMEOUT",
    "NO_USER_RESPONSE",
    "USER_NOT_REGISTERED",
    "SUBSCRIBER_ABSENT",
    "CALL_REJECTED",
    "UNALLOCATED_NUMBER",
    "NUMBER_CHANGED",
    "INVALID_NUMBER_FORMAT",
    "NO_ROUTE_DESTINATION",
    "NO_ROUTE_TRANSIT_NET",
    "DESTINATION_OUT_OF_ORDER",
    "NETWORK_OUT_OF_ORDER",
    "NORMAL_TEMPORARY_FAILURE",
    "NORMAL_CIRCUIT_CONGESTION",
    "SWITCH_CONGESTION",
    "REQUESTED_CHAN_UNAVAIL",
    "CHAN_NOT_IMPLEMENTED",
    "GATEWAY_DOWN",
    "INVALID_GATEWAY",
    "INVALID_PROFILE",
    "INCOMPATIBLE_DESTINATION",
    "BEARERCAPABILITY_NOTAVAIL",
    "BEARERCAPABILITY_NOTAUTH",
    "OUTGOING_CALL_BARRED",
    "FACILITY_REJECTED",
    "SERVICE_UNAVAILABLE",
    "NORMAL_UNSPECIFIED",
    "RECOVERY_ON_TIMER_EXPIRE",
    "PROGRESS_TIMEOUT",
    "INTERWORKING",
    "SERVICE_NOT_IMPLEMENTED",
    "EXCHANGE_ROUTING_ERROR",
    "NORMAL_CLEARING",
    "ORIGINATOR_CANCEL",
)
"""Causes after which the next step is tried: both names of no answer, and all that mod_sofia makes of an answer.

NORMAL_CLEARING is whoever took the call and hung up without the key that confirms; ORIGINATOR_CANCEL a called switch
that says 487 by itself: either would end the caller's own call. A talk that ended never comes here
(hangup_after_bridge), nor does a caller who hung up (switch_channel.c, switch_channel_handle_cause).
"""


def plan_text(envelope: Envelope, body: c.RouteCall, settings: RenderSettings) -> str:
    """`'m:~:sched_cancel~multiset:^^|…~…'`. Raises Refused."""
    steps = body.plan
    if not steps:
        raise Refused("a plan without steps")
    if any(isinstance(step, p.ENDS) for step in steps[:-1]):
        raise Refused("a step after the end of the plan")
    applications = ["sched_cancel", multiset(_first_variables(envelope, body))]
    for position, step in enumerate(steps):
        applications += _step(step, envelope, body, settings)
        if isinstance(step, p.Forward) and step.confirm and position + 1 < len(steps):
            applications.append(multiset({"group_confirm_file": "", "group_confirm_key": ""}))
    if not isinstance(steps[-1], p.ENDS):
        applications.append(f"hangup:{_cause_after(steps[-1])}")
    if len(applications) > MAX_APPLICATIONS:
        raise Refused(f"more than {MAX_APPLICATIONS} applications")
    return f"'m:~:{'~'.join(applications)}'"


def multiset(variables: Mapping[str, str]) -> str:
    """Several variables in one application; an empty value clears."""
    listed = [f"{name}={value}" for name, value in variables.items()]
    if any(mark in item for item in listed for mark in "|~'\"\\${}[]<>\n\r\0;"):
        raise Refused("a value that could end an argument")
    return "multiset:^^|" + "|".join(listed)


def _first_variables(envelope: Envelope, body: c.RouteCall) -> dict[str, str]:
    return {
        "tt_decision": token(envelope.id),
        **tags(envelope, body.payer),
        "tt_stage": "routed",
        "tt_next": "",
        "tt_queue": "",
        "playback_timeout_sec": "",  # an earlier wait's limit would cut this plan's announcements
        "hangup_after_bridge": "true",
        **_dialling_variables(body.plan),
        "sip_copy_custom_headers": "false",
        # Else the code of the last leg (404, 482, 503) reaches the caller in the place of the cause decided on.
        "sip_ignore_remote_cause": "true",
        **effective_identity(body.caller),
    }


def _dialling_variables(steps: p.Plan) -> dict[str, str]:
    spans = [
        step.for_s * (len(step.phones) if isinstance(step, p.Ring) and step.order == "in_turn" else 1)
        for step in steps
        if isinstance(step, p.Ring | p.Forward)
    ]
    if not spans:
        return {}
    # call_timeout: the switch's own limit (60 s where none is set) would end a long dialling early.
    return {"continue_on_fail": ",".join(GOES_ON), "call_timeout": str(max(55, *spans) + 5)}


def _step(step: p.AnyStep, envelope: Envelope, body: c.RouteCall, settings: RenderSettings) -> list[str]:
    match step:
        case p.Ring():
            return [_ring(step, envelope, body, settings)]
        case p.Forward():
            return _forward(step, envelope, body, settings)
        case p.Play():
            return ["pre_answer" if step.early else "answer", f"playback:{sound(step.prompt, settings)}"]
        case p.TakeMessage():
            return _take_message(step, envelope, settings)
        case p.Wait():
            return _wait(step)
        case p.HandOver():
            return _hand_over({"tt_stage": "handed_over", "tt_queue": step.queue}, step.to)
        case p.Reject():
            return [f"hangup:{token(step.cause)}"]
    raise Refused(f"a step {type(step).__name__} that no switch knows")


def _ring(step: p.Ring, envelope: Envelope, body: c.RouteCall, settings: RenderSettings) -> str:
    """`for_s` bounds the whole step, or each phone where they ring in turn."""
    if not step.phones:
        raise Refused("a ring of no phones")
    together = step.order == "together"
    legs = []
    for phone in step.phones:
        variables = {"tt_leg": "ring", **tags(envelope, body.payer), **voice_of_phones(settings)}
        if together and phone.after_s:
            # The switch adds the delay to leg_timeout (switch_ivr_originate.c), so it is taken off before.
            variables["leg_delay_start"] = str(phone.after_s)
            variables["leg_timeout"] = str(max(1, step.for_s - phone.after_s))
        else:
            variables["leg_timeout"] = str(step.for_s)
        legs.append(f"{_brackets(variables)}{phone_address(phone, settings)}")
    return "bridge:" + ("," if together else "|").join(legs)


def _forward(step: p.Forward, envelope: Envelope, body: c.RouteCall, settings: RenderSettings) -> list[str]:
    variables = {"tt_leg": "forward", **tags(envelope, body.payer), "leg_timeout": str(step.for_s)}
    asserted = ""
    if step.withhold:
        # 184: the carrier must know whose call it is, the called person must not (RFC 3325; trace 35, part E).
        hidden = {"origination_caller_id_number": "anonymous", "origination_caller_id_name": "Anonymous"}
        variables |= {**hidden, "sip_cid_type": "none", "sip_h_Privacy": "id"}
        if step.present:
            asserted = f",sip_h_P-Asserted-Identity=<tel:{_global_number(step.present)}>"
    elif step.present:
        shown = dialled_number(step.present)
        variables |= {"origination_caller_id_number": shown, "origination_caller_id_name": shown}
    elif plain_identity(body.caller)[0] == "anonymous":
        variables |= {"sip_cid_type": "none", "sip_h_Privacy": "id"}
    carrier, called = step.carrier, dialled_number(step.number)
    if carrier.gateway:
        address = f"sofia/gateway/{token(carrier.gateway)}/{called}"
    elif carrier.host:
        address = f"sofia/{token(carrier.profile)}/{called}@{token(carrier.host)}"
    else:
        raise Refused("a carrier with neither gateway nor host")
    bridge = f"bridge:{_brackets(variables)[:-1]}{asserted}]{argument(address)}"
    if not step.confirm:
        return [bridge]
    asks = {
        "group_confirm_file": sound(CONFIRM_PROMPT, settings),
        "group_confirm_key": "1",
        "group_confirm_read_timeout": "5000",
    }
    return [_multiset_of_sounds(asks), bridge]


def _global_number(number: str) -> str:
    """`0312345678` -> `+81312345678`, as a tel URI wants it (RFC 3966)."""
    checked = dialled_number(number)
    return f"+81{checked[1:]}" if checked.startswith("0") else checked


def _multiset_of_sounds(variables: Mapping[str, str]) -> str:
    """Like `multiset`, for values that `sound` has checked: a tone_stream may hold `;`."""
    listed = [f"{name}={value}" for name, value in variables.items()]
    if any(mark in item for item in listed for mark in "|~'\"\\${}[]<>\n\r\0"):
        raise Refused("a value that could end an argument")
    return "multiset:^^|" + "|".join(listed)


def _take_message(step: p.TakeMessage, envelope: Envelope, settings: RenderSettings) -> list[str]:
    name = f"{token(envelope.call)}-message.wav"
    file = f"{folder(settings.recordings_dir)}/{token_of_tenant(envelope.tenant)}/{name}"
    return [
        multiset({"tt_stage": "voicemail"}),
        "answer",
        f"playback:{sound(step.greeting, settings)}",
        f"playback:{MESSAGE_TONE}",
        # silence below 200 for 5 s ends the message early (mod_dptools: record <path> <limit> <threshold> <hits>)
        f"record:{file} {step.max_s} 200 5",
        multiset({"tt_stage": "voicemail_done"}),
    ]


def _wait(step: p.Wait) -> list[str]:
    music = f"local_stream://{token(step.music)}"
    waiting = {
        "tt_stage": "queue",
        "tt_queue": token(step.queue),
        "tt_next": "answering",
        "playback_timeout_sec": str(max(2, step.for_s)),
    }
    return [
        multiset(waiting),
        "answer",
        f"playback:{music}",
        f"sched_transfer:+{REARM_S} {FALLBACK}",
        "park",
    ]


def _hand_over(variables: Mapping[str, str], to: str) -> list[str]:
    named = {**variables, "tt_next": token(to)}
    return [f"sched_transfer:+{REARM_S} {FALLBACK}", multiset(named), "park"]


def _cause_after(step: p.AnyStep) -> str:
    return "NO_ANSWER" if isinstance(step, p.Ring | p.Forward) else "NORMAL_CLEARING"


def _brackets(variables: Mapping[str, str]) -> str:
    return "[" + ",".join(f"{name}={argument(value)}" for name, value in variables.items()) + "]"
