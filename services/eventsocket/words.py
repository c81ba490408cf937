"""The words of which FreeSWITCH text is made, each checked before it may stand there. Pure.

Enters: values of commands and settings, hostile or not. Leaves: the same value, or Refused; callers' names through one
whitelist (verified by calls on a real switch). Putting words together belongs to `render.py` and `plan_text.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from proto.envelope import Envelope
from proto.plan import Phone
from proto.values import Party

NAME_LENGTH = 60
NO_NAME = "_undef_"
_ARGUMENT = re.compile(r"[A-Za-z0-9._:%@/+*#-]{1,512}")
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_LEG = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_NAME_MARKS = frozenset("-_.,&()+#!?*=")
_FOLDER = re.compile(r"/[A-Za-z0-9._/-]{0,200}")


FALLBACK = "fallback XML fallback"
"""Extension, dialplan and context of the static plan that catches a leg nobody answers for."""
CONFIRM_PROMPT = "confirm"
MESSAGE_TONE = "tone_stream://%(300,100,800)"
ANY_PROMPT = "tone_stream://%(300,200,880);loops=2"
BUILT_IN: Mapping[str, str] = {
    "confirm": "tone_stream://%(250,750,880);loops=3",
    "voicemail": "tone_stream://%(500,200,660)",
    "closed": "tone_stream://%(300,200,500);loops=3",
    "not_in_use": "tone_stream://%(330,15,950);%(330,15,1400);%(330,1000,1800);loops=2",
}
"""Heard where no prompts are installed; not_in_use is the special information tone (ITU-T E.180)."""


class Refused(Exception):
    """The command holds something that must not become FreeSWITCH text. The message never repeats what it was."""


@dataclass(frozen=True)
class RenderSettings:
    """Where things are on one switch. Checked when a command uses them."""

    phone_profile: str = "internal"
    recordings_dir: str = "/var/lib/freeswitch/recordings"
    sounds_dir: str = ""
    """Folder of the switch with `<prompt>.wav`; empty: tones are heard in place of words, so that no call fails."""
    srtp: str = ""
    """`optional` or `mandatory`: phones are dialled with encrypted voice (RFC 4568); empty: without."""


def tags(envelope: Envelope, payer: str) -> dict[str, str]:
    """Whose leg it is: on every leg we touch or dial."""
    if not envelope.call:
        raise Refused("a command for no call")
    return {
        "tt_call": token(envelope.call),
        "tt_tenant": token_of_tenant(envelope.tenant),
        "tt_payer": token_of_tenant(payer),
    }


def phone_address(phone: Phone, settings: RenderSettings) -> str:
    """`sofia/internal/1001%127.0.0.1`: looked up by the profile itself, so no dial-string of a directory runs."""
    return argument(f"sofia/{token(settings.phone_profile)}/{token(phone.id)}%{token(phone.domain)}")


def voice_of_phones(settings: RenderSettings) -> dict[str, str]:
    """For a leg to a phone; a phone that calls with SRTP is taken anyway (switch_core_media.c, parse_crypto_prefs)."""
    return {"rtp_secure_media": token(settings.srtp)} if settings.srtp else {}


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
    """Where a prompt is: a file of that name where prompts are installed, else a tone."""
    if settings.sounds_dir:
        return f"{folder(settings.sounds_dir)}/{token(prompt)}.wav"
    return BUILT_IN.get(prompt, ANY_PROMPT)


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


def no_instruction(text: str) -> str:
    """The switch drops every line with this word in it, wherever it stands (switch_xml.c, preprocess)."""
    if "x-pre-process" in text.lower():
        raise Refused("a word that no file of the switch may hold")
    return text
