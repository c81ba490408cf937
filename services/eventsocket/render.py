"""A command -> Event Socket text. Pure, and the only writer of FreeSWITCH text in the house.

Enters: the envelope of a command and the settings of one switch. Leaves: the commands to write, in order. Whatever
could end an argument, open a variable or expand is refused, not escaped; callers' names pass one whitelist
(FreeSWITCH: switch_utils.c, switch_core_variables; verified by calls). What happens after writing belongs to `agent.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from proto import commands as c
from proto.envelope import Envelope
from proto.values import Party

MAX_COMMAND_BYTES = 32 * 1024
"""The switch reads a command's line byte by byte: 10 KB take 5.6 ms."""
NAME_LENGTH = 60

NO_NAME = "_undef_"
_ARGUMENT = re.compile(r"[A-Za-z0-9._:%@/+*#-]{1,512}")
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_LEG = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_NAME_MARKS = frozenset("-_.,&()+#!?*=")
_SOUND = re.compile(r"[A-Za-z0-9_./:%(),;=+-]{1,300}")
_FOLDER = re.compile(r"/[A-Za-z0-9._/-]{0,200}")


class Refused(Exception):
    """The command holds something that must not become FreeSWITCH text. The message never repeats what it was."""


@dataclass(frozen=True)
class RenderSettings:
    """Where things are on one switch. Checked when a command uses them."""

    phone_profile: str = "internal"
    recordings_dir: str = "/var/lib/freeswitch/recordings"
    sounds_dir: str = "/usr/share/freeswitch/sounds/toritsugi"
    prompts: Mapping[str, str] = field(default_factory=dict)
    """Prompt -> file or tone_stream, where it is not `<sounds_dir>/<prompt>.wav`."""
    message_tone: str = "tone_stream://%(300,100,800)"
    confirm_prompt: str = "confirm"
    fallback: str = "fallback XML fallback"
    """Extension, dialplan and context of the static plan that catches a leg nobody answers for."""


@dataclass(frozen=True, slots=True)
class Written:
    """One command as it goes on the wire, without the empty line that ends it. `job` is set for a bgapi."""

    text: str
    job: str = ""


def render(envelope: Envelope, settings: RenderSettings) -> list[Written]:
    """The commands for one request, in order; the reply to the last one decides. Raises Refused."""
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
        from services.eventsocket.plan_text import plan_text

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
    }
    if body.caller.presentation != "shown":
        variables["sip_cid_type"] = "none"
    listed = ",".join(f"{name}={argument(value)}" for name, value in variables.items())
    return Written(f"bgapi originate {{{listed}}}{phone_address(body.phone, settings)} &park()\nJob-UUID: {job}", job)


def tags(envelope: Envelope, payer: str) -> dict[str, str]:
    """Whose leg it is: on every leg we touch or dial."""
    if not envelope.call:
        raise Refused("a command for no call")
    return {
        "tt_call": token(envelope.call),
        "tt_tenant": token_of_tenant(envelope.tenant),
        "tt_payer": token_of_tenant(payer),
    }


def phone_address(phone: c.Phone, settings: RenderSettings) -> str:
    """`sofia/internal/1001%127.0.0.1`: looked up by the profile itself, so no dial-string of a directory runs."""
    return argument(f"sofia/{token(settings.phone_profile)}/{token(phone.id)}%{token(phone.domain)}")


def plain_identity(caller: Party) -> tuple[str, str]:
    """Number and name for between brackets: digits, or the words for a withheld caller."""
    if caller.presentation == "shown" and _NUMBER.fullmatch(caller.number):
        return caller.number, caller.number
    return "anonymous", "Anonymous"


def effective_identity(caller: Party) -> dict[str, str]:
    """What the dialled legs show of the caller: always set, because the profile carries attacks through by itself."""
    if caller.presentation != "shown":
        return {
            "effective_caller_id_name": "Anonymous",
            "effective_caller_id_number": "anonymous",
            "sip_cid_type": "none",
        }
    return {
        "effective_caller_id_name": shown_name(caller.name),
        "effective_caller_id_number": caller.number if _NUMBER.fullmatch(caller.number) else "anonymous",
    }


def shown_name(raw: str) -> str:
    """A caller's name through the whitelist that survived every way into a SIP header; `_undef_` if nothing is left.

    Letters, digits, inner blanks, printable non-ASCII and `- _ . , & ( ) + # ! ? * =`; all else becomes a blank.
    """
    kept = "".join(char if _may_show(char) else " " for char in raw[:2000])
    return " ".join(kept.split())[:NAME_LENGTH].strip() or NO_NAME


def _may_show(char: str) -> bool:
    if char.isascii():
        return char.isalnum() or char in _NAME_MARKS
    return unicodedata.category(char)[0] not in "CZ"


def recording_path(tenant: str, recording: str, settings: RenderSettings) -> str:
    """`<recordings>/<tenant>/<recording>.wav`; neither part can leave the folder."""
    return f"{folder(settings.recordings_dir)}/{token_of_tenant(tenant)}/{token(recording)}.wav"


def sound(prompt: str, settings: RenderSettings) -> str:
    """Where a prompt is: as the settings name it, else a file of that name."""
    named = settings.prompts.get(prompt)
    if named is None:
        return f"{folder(settings.sounds_dir)}/{token(prompt)}.wav"
    if not _SOUND.fullmatch(named) or ".." in named:
        raise Refused("a prompt whose place is no path or stream")
    return named


def leg(raw: str) -> str:
    """The uuid of a leg."""
    return _checked(_LEG, raw, "a leg that is no id")


def token(raw: str) -> str:
    """An id or keyword: letters, digits, `. _ : -`."""
    return _checked(_TOKEN, raw, "an id with characters of its own")


def token_of_tenant(raw: str) -> str:
    """A tenant's id; `_unknown` has a leading underline."""
    return raw if raw == "_unknown" else token(raw)


def dialled_number(raw: str) -> str:
    """Digits to dial."""
    return _checked(_NUMBER, raw, "a number that is none")


def folder(raw: str) -> str:
    """An absolute folder on the switch."""
    if ".." in raw:
        raise Refused("a folder that climbs")
    return _checked(_FOLDER, raw, "a folder that is none").rstrip("/")


def argument(raw: str) -> str:
    """A whole word of a dial string."""
    return _checked(_ARGUMENT, raw, "a dial string with characters of its own")


def _checked(pattern: re.Pattern[str], raw: str, why: str) -> str:
    if not pattern.fullmatch(raw):
        raise Refused(why)
    return raw


def verdict(reply: str) -> tuple[bool, str]:
    """Whether the switch took it, and its word: success is `+OK…`; anything else, `-ERR` or not, is a refusal."""
    first = (reply.strip().splitlines() or ["no reply"])[0][:200]
    if first.startswith("+OK"):
        return True, first.removeprefix("+OK").strip()
    return False, first.removeprefix("-ERR").strip() or first
