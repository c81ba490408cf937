"""Log lines: one JSON object each, to stderr; telephone numbers masked, line breaks harmless.

Enters: events with fields, what libraries log by Python's own `logging`, whatever else would print a traceback.
Leaves: JSON lines. Eight digits or more, also with the separators that people and URLs put between them, keep their
first two and last two, wherever they stand (JAPAN: 通信の秘密). UUIDs, long hexadecimal ids, dates and IP addresses
are no numbers.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog
from gevent.hub import Hub

_KEPT = (
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-z])"  # UUID
    r"|(?<![0-9a-z])(?=\d*[a-f])[0-9a-f]{32,}(?![0-9a-z])"  # digits alone may be numbers, one after another
    r"|(?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d(?![\d-])"
    r"|(?<!\d)\d\d:\d\d:\d\d(?:\.\d{1,6})?(?!\d)"  # a time
    r"|(?<![\d.])(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})(?![\d.])"  # IPv4: a number begins with 0, or is longer
)
_BETWEEN = r"[\s.()/_~\-‐-―−ー－・·〜～\xad\u200b-\u200f\u2060\ufeff]"
"""What people, URLs and those who hide a number put between its digits."""
_NUMBER = re.compile(rf"({_KEPT})|\d(?:(?:%[0-9a-f]{{2}}|{_BETWEEN}){{0,3}}\d){{7,}}", re.IGNORECASE)
_TOKEN = re.compile(r"%[0-9a-f]{2}|\d", re.IGNORECASE)
_HARMFUL = re.compile(r"[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON allows raw and a terminal or a reader of lines obeys: C1 controls, line separators, directions."""
_IDS = {"timestamp", "message", "call", "leg", "cause", "command", "core"}
_ID = re.compile(
    r"(?:[A-Za-z_.]{1,40}/)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:-\d{1,20})?"  # of a switch: with its sequence
    r"|20\d\d-\d\d-\d\dT[0-9:.]{8,15}Z"
)
"""Fields of those names stay whole if they look like that: a switch may be set to name a leg as a caller likes."""
_UNITS = ("_us", "_ms", "_s", "_bytes")
"""Fields of these names are measured, not dialled."""


def mask(text: str) -> str:
    """`090-1234-5678` -> `09*-****-**78`; ids, dates and addresses are left alone."""
    return _NUMBER.sub(lambda m: m.group(0) if m.group(1) else _starred(m.group(0)), text)


def _starred(number: str) -> str:
    tokens = list(_TOKEN.finditer(number))
    digits = [token.start() for token in tokens if len(token.group(0)) == 1]
    hidden = set(digits[2:-2])
    return "".join("*" if place in hidden else letter for place, letter in enumerate(number))


def _masked(value: Any) -> Any:
    """The same value with every number in it masked, however deep; what is not data is written as its text."""
    if isinstance(value, str):
        return mask(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 10**7 else mask(str(value))
    if isinstance(value, Mapping):
        return {mask(str(name)): item if str(name).endswith(_UNITS) else _masked(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item) for item in value]
    return mask(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))


def _mask_all(_logger: Any, _name: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    kept = {name: value for name, value in fields.items() if name in _IDS and _is_id(value)}
    masked: dict[str, Any] = _masked({name: value for name, value in fields.items() if name not in kept})
    return masked | kept


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _render(logger: Any, name: str, fields: MutableMapping[str, Any]) -> str:
    line = str(structlog.processors.JSONRenderer(ensure_ascii=False)(logger, name, fields))
    return _HARMFUL.sub(lambda m: f"\\u{ord(m.group(0)):04x}", line)


class _Libraries(logging.Handler):
    """What a library logs becomes a line like ours."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "warning"
        try:
            text = record.getMessage()
        except Exception:  # a library's own mistake in a log line must not become ours
            text = str(record.msg)
        # Masked before it is cut: what is left of a number must not look like none.
        getattr(structlog.get_logger(part=record.name), level)(mask(text)[:2000], exc_info=record.exc_info)


class _Stderr:
    """Where lines go. One that cannot be written (its file lies on a full disk) is lost: no part may end by saying that
    the disk is full."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> None:
        with suppress(OSError):
            self._file.write(line)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


def configure(level: str = "INFO") -> None:
    """Once per process. Levels: DEBUG, INFO, WARNING, ERROR. Libraries are heard from WARNING on."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _mask_all,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Stderr(sys.stderr))),
    )
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, _Libraries)]
    root.addHandler(_Libraries(logging.WARNING))
    logging.getLogger("pika").setLevel(logging.CRITICAL)


def take_over() -> None:
    """Once per process, after `configure`: tracebacks and warnings, else printed as they are, become lines too."""
    logging.captureWarnings(True)
    sys.excepthook = lambda kind, error, trace: _died("the process", (kind, error, trace))
    threading.excepthook = lambda died: _died("a thread", (died.exc_type, died.exc_value, died.exc_traceback))
    sys.unraisablehook = lambda lost: _died("a finaliser", (lost.exc_type, lost.exc_value, lost.exc_traceback))

    def print_exception(_hub: Hub, context: object, *error: Any) -> None:
        # Of the context its kind alone: a greenlet shows its arguments, a request its cookies.
        _died(context if isinstance(context, str) else type(context).__name__, error)

    setattr(Hub, "print_exception", print_exception)  # noqa: B010  (where every greenlet's error ends)


def _died(what: str, error: Any) -> None:
    structlog.get_logger(part="process").error(f"{what} ended with an error", exc_info=error)


def get_logger(part: str) -> Any:
    """A logger that names its part of the house."""
    return structlog.get_logger(part=part)
