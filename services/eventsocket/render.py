"""A command -> Event Socket text. Pure; with `plan_text.py` the only writer of FreeSWITCH text in the house.

Enters: the envelope of a command and the settings of one switch. Leaves: the commands to write, in order. Whatever
could end an argument, open a variable or expand is refused, not escaped (`words.py`). What happens after writing
belongs to `commander.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from proto import commands as c
from proto.envelope import Envelope
from services.eventsocket.plan_text import plan_text
from services.eventsocket.words import (
    Refused,
    RenderSettings,
    argument,
    leg,
    phone_address,
    plain_identity,
    recording_path,
    tags,
    token,
    voice_of_phones,
)

MAX_COMMAND_BYTES = 32 * 1024
"""The switch reads a command's line byte by byte: 10 KB take 5.6 ms."""


@dataclass(frozen=True, slots=True)
class Written:
    """One command as it goes on the wire, without the empty line that ends it. `job` is set for a bgapi."""

    text: str
    job: str = ""


def render(envelope: Envelope, settings: RenderSettings) -> list[Written]:
    """The commands for one request, in order; the reply to the last one decides. Raises Refused."""
    token(envelope.id)  # stands in the command's mark
    written = _render(envelope, settings)
    for one in written:
        head, _, rest = one.text.partition("\n")
        if len(one.text.encode()) > MAX_COMMAND_BYTES:
            raise Refused(f"more than {MAX_COMMAND_BYTES} bytes")
        if "\r" in one.text or "$" in one.text or "\0" in one.text or (rest and rest != f"Job-UUID: {one.job}"):
            raise Refused("text that could end or expand an argument")
        if not head:
            raise Refused("an empty command")
    return written


def _render(envelope: Envelope, settings: RenderSettings) -> list[Written]:
    body = envelope.body
    if isinstance(body, c.RouteCall):
        return [Written(f"api uuid_transfer {leg(body.leg)} {plan_text(envelope, body, settings)} inline")]
    if isinstance(body, c.OriginateCall):
        return [_originate(envelope, body, settings)]
    if isinstance(body, c.BridgeLegs):
        return [Written(f"api uuid_bridge {leg(body.leg)} {leg(body.other)}")]
    if isinstance(body, c.StartRecording):
        file = recording_path(envelope.tenant, body.recording, settings)
        # Two channels, caller and far end apart, must be asked for before the recording begins.
        return [
            Written(f"api uuid_setvar {leg(body.leg)} RECORD_STEREO true"),
            Written(f"api uuid_record {leg(body.leg)} start {file} {body.max_s} {{tt_rec={token(body.recording)}}}"),
        ]
    if isinstance(body, c.StopRecording):
        file = recording_path(envelope.tenant, body.recording, settings)
        return [Written(f"api uuid_record {leg(body.leg)} stop {file}")]
    if isinstance(body, c.HangUp):
        return [Written(f"api uuid_kill {leg(body.leg)} {token(body.cause)}")]
    raise Refused(f"{body.NAME} is no command to a switch")


def _originate(envelope: Envelope, body: c.OriginateCall, settings: RenderSettings) -> Written:
    job = token(envelope.id)
    # Foreign text never stands between braces, so of the caller only digits are shown here.
    shown, label = plain_identity(body.caller)
    variables = {
        "origination_uuid": job,
        "tt_leg": token(body.kind),
        "tt_decision": job,
        **tags(envelope, body.payer),
        "originate_timeout": str(body.for_s),
        "ignore_early_media": "true",
        "hangup_after_bridge": "true",
        "park_timeout": "30:NORMAL_CLEARING",
        "origination_caller_id_number": shown,
        "origination_caller_id_name": label,
        **voice_of_phones(settings),
    }
    if body.caller.presentation != "shown":
        variables["sip_cid_type"] = "none"
    listed = ",".join(f"{name}={argument(value)}" for name, value in variables.items())
    return Written(f"bgapi originate {{{listed}}}{phone_address(body.phone, settings)} &park()\nJob-UUID: {job}", job)


def verdict(reply: str) -> tuple[bool, str]:
    """Whether the switch took it, and its word: success is `+OK…`; anything else, `-ERR` or not, is a refusal."""
    first = (reply.strip().splitlines() or ["no reply"])[0][:200]
    if first.startswith("+OK"):
        return True, first.removeprefix("+OK").strip()
    return False, first.removeprefix("-ERR").strip() or first


__all__ = ["Refused", "RenderSettings", "Written", "render", "verdict"]
