"""PURE: first lines of SIP messages out of the log stream of a switch that traces SIP.

Enters: the text of one `log/data` frame while `sofia global siptrace on` holds. Leaves: direction, far address, first
line, the few headers that tell calls apart; nothing else of a message is kept. Who an address is belongs to names.py.
Source: mod_sofia sofia.c (logger), sofia-sip tport_logging.c (tport_log_msg, tport_stamp).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DAY_US = 86_400_000_000
QUARTER_US = 900_000_000
"""Time zones differ by quarters of an hour."""

_STAMP = re.compile(
    r"(?P<way>recv|send) \d+ bytes (?:from|to) (?P<transport>\w+)/\[(?P<host>[^\]\s]*)\]:(?P<port>\d+)\S* "
    r"at (?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d)\.(?P<us>\d{6}):\n-+\n"
)
_CSEQ = re.compile(r"\d{1,10} [A-Z]{1,32}")
_USER = re.compile(r"<?sips?:([^@;>\s]{1,128})@")
_NAMES = {"i": "call-id", "f": "from", "t": "to", "r": "refer-to"}
_LONGEST = 300


@dataclass(frozen=True)
class Message:
    """One SIP message, seen from the far end. `to_far`: the switch sent it."""

    t_us: int
    to_far: bool
    host: str
    port: int
    first_line: str
    call: str
    """Call-ID: the same for all messages of one dialog."""
    cseq: str
    user: str
    """Whom a request is from (To of a REGISTER is the same)."""

    @property
    def method(self) -> str:
        """`INVITE`, also of its answers."""
        return self.cseq.partition(" ")[2] if self.first_line.startswith("SIP/") else self.first_line.split(" ")[0]

    @property
    def text(self) -> str:
        """`INVITE sip:… SIP/2.0`, or `SIP/2.0 180 Ringing (1 INVITE)`."""
        return f"{self.first_line} ({self.cseq})" if self.first_line.startswith("SIP/") else self.first_line


def message_of(log_text: str, now_us: int) -> Message | None:
    """The message in this log entry, or None. `now_us`: epoch of its receipt; the entry has a local time of day."""
    stamp = _STAMP.search(log_text)
    if stamp is None:
        return None
    head = log_text[stamp.end() :].partition("\n\n")[0].replace("\r", "")
    lines = head.split("\n")
    headers = _headers(lines[1:])
    cseq = headers.get("cseq", "")
    user = _USER.search(headers.get("from", ""))
    day_us = ((int(stamp["h"]) * 60 + int(stamp["m"])) * 60 + int(stamp["s"])) * 1_000_000 + int(stamp["us"])
    return Message(
        t_us=on_day(day_us, now_us),
        to_far=stamp["way"] == "send",
        host=stamp["host"],
        port=int(stamp["port"]),
        first_line=_shown(lines[0]),
        call=headers.get("call-id", ""),
        cseq=cseq if _CSEQ.fullmatch(cseq) else "",
        user=user[1] if user else "",
    )


def on_day(day_us: int, now_us: int) -> int:
    """Epoch of a local time of day in an unknown zone, at most some minutes before `now_us`."""
    ahead_us = (day_us - now_us % DAY_US) % DAY_US
    zone_us = round(ahead_us / QUARTER_US) * QUARTER_US
    return now_us + ahead_us - zone_us


def _headers(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            name = name.strip().lower()
            found.setdefault(_NAMES.get(name, name), value.strip())
    return found


def _shown(line: str) -> str:
    """What a far end sent, on one line and not longer than anybody reads."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)[:_LONGEST]
