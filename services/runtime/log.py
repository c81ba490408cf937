"""Log lines: one JSON object each, to stderr; telephone numbers masked, line breaks harmless.

Enters: events with fields. Leaves: JSON lines. Everything that looks like a number of eight digits or more keeps its
first two and last two digits, wherever it stands (JAPAN: 通信の秘密).
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

_NUMBER = re.compile(r"(?<![0-9A-Za-z-])(\+?\d{2})[\d-]{4,}(\d{2})(?![0-9A-Za-z-])")
_UNMASKED = {"timestamp", "message", "call", "leg", "cause", "command", "core"}
"""Ids: derived from UUIDs, never numbers."""


def mask(text: str) -> str:
    """`09012345678` -> `09*******78`; ids with letters or many dashes are left alone."""
    return _NUMBER.sub(lambda m: m.group(1) + "*" * (len(m.group(0)) - len(m.group(1)) - 2) + m.group(2), text)


def _mask_all(_logger: Any, _name: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return {k: v if k in _UNMASKED else mask(v) if isinstance(v, str) else v for k, v in fields.items()}


def configure(level: str = "INFO") -> None:
    """Once per process. Levels: DEBUG, INFO, WARNING, ERROR."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _mask_all,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("pika").setLevel(logging.CRITICAL)


def get_logger(part: str) -> Any:
    """A logger that names its part of the house."""
    return structlog.get_logger(part=part)
