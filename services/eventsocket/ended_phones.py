"""Ends what a phone had opened with a password that holds no longer: its registration, then its calls.

Enters: a link to a switch that already works without the old password, phones by `id@domain`. Leaves: nothing of them
up there, but for a call to 110, 118 or 119, which nobody cuts. Which phones those are is found by `conf_files.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

import gevent

from services.eventsocket.link import Link
from services.eventsocket.snapshot import read_channels
from services.eventsocket.words import token

AT_ONCE = 64
LOOKS = 3
AGAIN_S = 0.5
"""The switch's list of legs follows its calls by some milliseconds (switch_core_sqldb.c)."""
_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}@[A-Za-z0-9][A-Za-z0-9.-]{0,253}")
_HELP = re.compile(r"(?:18[46])?(?:110|118|119)")
_ASKED = ("sip_local_url", "user_name", "domain_name", "tt_stage", "tt_did")
"""Of a leg that was dialled: whom; of one that a phone began: as whom it logged in (mod_sofia.c, sofia_reg.c)."""


def addresses(text: str) -> set[str]:
    """Those that stand in a text, one a line; anything else is passed over."""
    return {line for line in text.split() if _ADDRESS.fullmatch(line)}


def end(link: Link, profile: str, phones: Collection[str]) -> None:
    """First the registrations, so that no phone is dialled any more. Raises LinkLost, ValueError: it is due again."""
    for phone in sorted(phones):
        said = link.send(f"api sofia profile {token(profile)} flush_inbound_reg {phone}").text
        if not said.startswith("+OK"):
            raise ValueError(f"the switch does not end a registration: {said[:80]}")
    named = {phone.lower() for phone in phones}
    for look in range(LOOKS):
        if look:
            gevent.sleep(AGAIN_S)
        for leg in [leg for leg, phone in _phones_of(link, _legs(link)) if phone in named]:
            link.send(f"api uuid_kill {leg} MANAGER_REQUEST")


def _legs(link: Link) -> list[str]:
    snapshot = read_channels(link.send("api show channels as json").body, "any", 0)
    if snapshot is None:
        raise ValueError("the switch does not say which legs are up")
    return sorted(snapshot.legs)


def _phones_of(link: Link, legs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each leg and its phone; an emergency call is nobody's. A leg that is gone meanwhile has none."""
    for start in range(0, len(legs), AT_ONCE):
        packet = legs[start : start + AT_ONCE]
        asked = [(leg, [link.post(f"api uuid_getvar {leg} {name}") for name in _ASKED]) for leg in packet]
        for leg, waiting in asked:
            dialled, user, domain, stage, called = (link.reply_to(one, link.timeout).text.strip() for one in waiting)
            if stage != "emergency" and not _HELP.fullmatch(called):  # by the dialplan, or by routing all the same
                yield leg, f"{user}@{domain}".lower() if dialled in ("", "_undef_") else dialled.lower()
