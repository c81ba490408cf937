"""PURE: events and replies as bytes, and commands out of bytes, exactly as mod_event_socket writes and reads them.

Enters: header values as text (undecodable bytes as surrogates), command bytes. Leaves: frames, commands. Sockets and
subscriptions belong to esl/server.py.
Source: mod_event_socket.c (read_packet, parse_command), switch_event.c (serialize), switch_utils.c (url_encode_opt).
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import msgspec

Value = str | Sequence[str]
Event = Mapping[str, Value] | Sequence[tuple[str, Value]]
"""Headers in wire order; a sequence of pairs may repeat a name, as the switch itself now and then does.
`_body` holds the body, without its Content-Length."""
Format = Literal["plain", "json", "xml"]

_EVENT_NAMES = """
CUSTOM CLONE CHANNEL_CREATE CHANNEL_DESTROY CHANNEL_STATE CHANNEL_CALLSTATE CHANNEL_ANSWER CHANNEL_HANGUP
CHANNEL_HANGUP_COMPLETE CHANNEL_EXECUTE CHANNEL_EXECUTE_COMPLETE CHANNEL_HOLD CHANNEL_UNHOLD CHANNEL_BRIDGE
CHANNEL_UNBRIDGE CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_OUTGOING CHANNEL_PARK CHANNEL_UNPARK
CHANNEL_APPLICATION CHANNEL_ORIGINATE CHANNEL_UUID API LOG INBOUND_CHAN OUTBOUND_CHAN STARTUP SHUTDOWN PUBLISH
UNPUBLISH TALK NOTALK SESSION_CRASH MODULE_LOAD MODULE_UNLOAD DTMF MESSAGE PRESENCE_IN NOTIFY_IN PRESENCE_OUT
PRESENCE_PROBE MESSAGE_WAITING MESSAGE_QUERY ROSTER CODEC BACKGROUND_JOB DETECTED_SPEECH DETECTED_TONE
PRIVATE_COMMAND HEARTBEAT TRAP ADD_SCHEDULE DEL_SCHEDULE EXE_SCHEDULE RE_SCHEDULE RELOADXML NOTIFY PHONE_FEATURE
PHONE_FEATURE_SUBSCRIBE SEND_MESSAGE RECV_MESSAGE REQUEST_PARAMS CHANNEL_DATA GENERAL COMMAND SESSION_HEARTBEAT
CLIENT_DISCONNECTED SERVER_DISCONNECTED SEND_INFO RECV_INFO RECV_RTCP_MESSAGE SEND_RTCP_MESSAGE CALL_SECURE NAT
RECORD_START RECORD_STOP PLAYBACK_START PLAYBACK_STOP CALL_UPDATE FAILURE SOCKET_DATA MEDIA_BUG_START MEDIA_BUG_STOP
CONFERENCE_DATA_QUERY CONFERENCE_DATA CALL_SETUP_REQ CALL_SETUP_RESULT CALL_DETAIL DEVICE_STATE TEXT
SHUTDOWN_REQUESTED CERT_RELOAD ALL
"""
EVENT_NAMES = frozenset(_EVENT_NAMES.split())
"""Every type of event; ALL stands for all of them."""

_UNSAFE = re.compile(rb"[\x00-\x20\"#&+:;<=>?@\[\\\]^`{|}\x7f-\xff]|%(?![0-9A-F]{2})")
_HARMLESS = re.compile(r"[!$'()*,\-./0-9A-Z_a-z~]+")
_MAX_HEADERS = 10_485_760
_MAX_BODY = 16 * 1024 * 1024
_NUMBER = re.compile(r"\s*([+-]?\d{1,12})")


def to_bytes(text: str) -> bytes:
    """UTF-8; a surrogate stands for the undecodable byte that a phone sent."""
    return text.encode("utf-8", "surrogateescape")


def url_encode(text: str) -> bytes:
    """A value as `event plain` shows it: an upper-case %XX that is there already is not encoded again."""
    return _UNSAFE.sub(lambda found: b"%%%02X" % ord(found[0]), to_bytes(text))


def _plain_value(text: str) -> str:
    return text if _HARMLESS.fullmatch(text) else _encoded(text)


@lru_cache(16_384)
def _encoded(text: str) -> str:
    """Such a value of a leg stands in each of its events: it is encoded once."""
    return url_encode(text).decode("ascii") or "_undef_"


def _pairs(event: Event) -> Iterable[tuple[str, Value]]:
    return event.items() if isinstance(event, Mapping) else event


def _as_plain(event: Event) -> bytes:
    lines = [f"{name}: {_plain_value(_as_text(value))}\n" for name, value in _pairs(event) if name != "_body"]
    head = to_bytes("".join(lines))
    body = next((to_bytes(str(value)) for name, value in _pairs(event) if name == "_body"), b"")
    if body:
        return head + b"Content-Length: %d\n\n" % len(body) + body
    return head + b"\n"


def _as_text(value: Value) -> str:
    return value if isinstance(value, str) else "ARRAY::" + "|:".join(value)


def _as_json(event: Event) -> bytes:
    if isinstance(event, dict) and "_body" not in event:
        with suppress(UnicodeEncodeError):  # a surrogate: a byte that is no UTF-8, and goes out as it came
            return msgspec.json.encode(event)
    members: list[tuple[str, str | list[str]]] = []
    for name, value in _pairs(event):
        if name == "_body":
            members.append(("Content-Length", str(len(to_bytes(str(value))))))
        members.append((name, value if isinstance(value, str) else list(value)))
    texts = (f"{_quoted(name)}:{_quoted(value)}" for name, value in members)
    return to_bytes("{" + ",".join(texts) + "}")


def _quoted(value: str | list[str]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _as_xml(event: Event) -> bytes:
    lines, body = bytearray(b"<event>\n  <headers>\n"), b""
    for name, value in _pairs(event):
        if name == "_body":
            body = to_bytes(str(value))
            continue
        tag = to_bytes(name)
        for one in [value] if isinstance(value, str) else value:
            lines += b"    <%s>%s</%s>\n" % (tag, url_encode(one), tag)
    lines += b"  </headers>\n"
    if body:
        text = to_bytes(html.escape(body.decode("utf-8", "surrogateescape"), quote=True))
        lines += b"  <Content-Length>%d</Content-Length>\n  <body>%s</body>\n" % (len(body), text)
    return bytes(lines) + b"</event>\n"


def event_body(event: Event, fmt: Format) -> bytes:
    """An event in one of the three forms, without the frame."""
    return _WRITERS[fmt](event)


_WRITERS: dict[Format, Callable[[Event], bytes]] = {"plain": _as_plain, "json": _as_json, "xml": _as_xml}


def event_frame(event: Event, fmt: Format) -> bytes:
    """One event as it goes over the wire, its length counted in bytes."""
    body = event_body(event, fmt)
    return b"Content-Length: %d\nContent-Type: text/event-%s\n\n" % (len(body), fmt.encode()) + body


def api_response(reply: str) -> bytes:
    """The answer to `api`; an empty one reads as the switch words it."""
    body = to_bytes(reply or "-ERR no reply\n")
    return b"Content-Type: api/response\nContent-Length: %d\n\n" % len(body) + body


def command_reply(text: str) -> bytes:
    """The answer to every other command; `~` begins a reply with headers of its own."""
    if text.startswith("~"):
        return b"Content-Type: command/reply\n" + to_bytes(text[1:])
    return b"Content-Type: command/reply\nReply-Text: " + to_bytes(text) + b"\n\n"


AUTH_REQUEST = b"Content-Type: auth/request\n\n"
GOODBYE = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
SHUT_DOWN = "The system is being shut down.\n"
_RUDE = b"Access Denied, go away.\n"


def disconnect_notice(message: str, leg: str = "") -> bytes:
    """The last frame of a connection; `leg`: the one it was about, after `myevents`."""
    text, about = to_bytes(message), ""
    if leg:
        about = f"Controlled-Session-UUID: {leg}\nContent-Disposition: disconnect\n"
    return b"Content-Type: text/disconnect-notice\n%sContent-Length: %d\n\n" % (to_bytes(about), len(text)) + text


DISCONNECT_NOTICE = disconnect_notice(GOODBYE)
RUDE_REJECTION = b"Content-Type: text/rude-rejection\nContent-Length: %d\n\n" % len(_RUDE) + _RUDE
"""For an address that apply-inbound-acl does not let in; the disconnect notice follows."""


def linger_notice(leg: str, name: str, seconds: int) -> bytes:
    """The leg is down, the connection stays: for so long, or (-1) until the client leaves."""
    return to_bytes(
        "Content-Type: text/disconnect-notice\n"
        f"Controlled-Session-UUID: {leg}\nContent-Disposition: linger\nChannel-Name: {name}\n"
        f"Linger-Time: {seconds}\nContent-Length: 0\n\n"
    )


def log_frame(level: int, text: str) -> bytes:
    """One line of the switch's log."""
    body = to_bytes(text)
    head = f"Content-Type: log/data\nContent-Length: {len(body)}\nLog-Level: {level}\nText-Channel: 0\n"
    return to_bytes(f"{head}Log-File: simulator\nLog-Func: simulator\nLog-Line: 1\nUser-Data: \n\n") + body


_NO_LEVEL = 64
LOG_LEVELS = ("console", "alert", "crit", "err", "warning", "notice", "info", "debug")


def log_level(text: str) -> int | None:
    """`7` or `debug`; nothing at all is debug too. None: no such level. Source: switch_log_str2level."""
    if text and re.fullmatch(r"[+-]?[0-9.]*", text):
        found = _NUMBER.match(text)
        level = int(found[1]) if found else 0
        return None if level == _NO_LEVEL else max(0, min(level, _NO_LEVEL - 1))
    name = text.lower() or "debug"
    return LOG_LEVELS.index(name) if name in LOG_LEVELS else None


def log_in(text: str) -> tuple[str, str]:
    """`user@domain:password`, or `user:password@domain`: the address (empty unless whole), the password."""
    name, _, domain = text.partition("@")
    domain, _, password = domain.partition(":")
    if ":" in name:
        name, _, password = name.partition(":")
    return (f"{name}@{domain}" if name and domain else ""), password


def cut(text: str, limit: int) -> str:
    """The first so many bytes of a text, as a C buffer keeps them."""
    return to_bytes(text)[:limit].decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Command:
    """One command: its first line, its headers (names in lower case, first wins), its body."""

    line: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    original: Sequence[tuple[str, str]] = ()
    """The headers as they were written, those too that come twice."""


class BrokenCommand(Exception):
    """Headers without end, or a length that is no length; the switch drops such a client."""


class CommandReader:
    """Bytes of one client -> its commands, incrementally."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        """So far there is no end of the headers."""
        self._needed = 0
        """Bytes of a command whose headers are known and whose body is under way."""

    @property
    def half_sent(self) -> bool:
        """Whether a command has begun that is not complete."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Command]:
        """The commands that are complete now. Blank lines between commands count for nothing. Raises BrokenCommand."""
        self._buffer += data
        found = []
        while (command := self._next()) is not None:
            found.append(command)
        return found

    def _next(self) -> Command | None:
        if self._buffer.startswith((b"\r", b"\n")):
            self._buffer = self._buffer.lstrip(b"\r\n")
        if len(self._buffer) < self._needed:
            return None
        head, end = self._head()
        if head is None:
            self._searched = max(0, len(self._buffer) - 2)
            if len(self._buffer) > _MAX_HEADERS:
                raise BrokenCommand("headers without end")
            return None
        # Where a byte is zero, a C string ends; a carriage return ends a line like a line feed.
        lines = [line.split("\0")[0] for line in re.split("[\r\n]+", head.decode("utf-8", "surrogateescape"))]
        headers: dict[str, str] = {}
        original: list[tuple[str, str]] = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                headers.setdefault(name.lower(), value.lstrip(" "))
                original.append((name, value.lstrip(" ")))
        length = _length(headers.get("content-length", "0"))
        self._needed = end + length
        if len(self._buffer) < self._needed:
            return None
        body = bytes(self._buffer[end : end + length]).split(b"\0")[0].decode("utf-8", "surrogateescape")
        del self._buffer[: end + length]
        self._searched = self._needed = 0
        return Command(lines[0], headers, body, original)

    def _head(self) -> tuple[bytes | None, int]:
        ends = [
            (at, at + len(mark))
            for mark in (b"\n\n", b"\n\r\n")
            if (at := self._buffer.find(mark, self._searched)) >= 0
        ]
        if not ends:
            return None, 0
        at, end = min(ends)
        return bytes(self._buffer[:at]), end


def _length(text: str) -> int:
    """As atoi() reads it: what is no number is none."""
    found = _NUMBER.match(text)
    length = int(found[1]) if found else 0
    if not 0 <= length <= _MAX_BODY:
        raise BrokenCommand(f"Content-Length {text[:20]!r}")
    return length
