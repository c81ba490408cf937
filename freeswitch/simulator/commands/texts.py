"""PURE: commands that only turn a text into another: echo, md5, url_encode, regex, toupper and their kin.

Enters: argument. Leaves: the real one's words. Source: mod_commands.c.
"""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from collections.abc import Callable, Mapping

from freeswitch.simulator.esl.wire import to_bytes, url_encode


def _regex(argument: str) -> str:
    """`regex data|pattern[|subst]`."""
    text, _, rest = argument.partition("|")
    pattern, bar, found = rest.partition("|")
    if not rest:
        return "-ERR"
    try:
        match = re.search(pattern, text)
    except re.error:
        return "-ERR"
    if not bar:
        return "true" if match else "false"
    if match is None:
        return text
    return re.sub(r"\$(\d)", lambda m: match[int(m[1])] or "" if int(m[1]) <= (match.re.groups) else "", found)


def _upper(argument: str) -> str:
    return "".join(char.upper() if char.isascii() else char for char in argument)


def _lower(argument: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in argument)


TABLE: Mapping[str, Callable[[str], str]] = {
    "echo": lambda argument: argument,
    "escape": lambda argument: argument,
    "md5": lambda argument: hashlib.md5(to_bytes(argument), usedforsecurity=False).hexdigest() if argument else "!err!",
    "quote_shell_arg": lambda argument: "'" + argument.replace("'", "'\\''") + "'",
    "regex": _regex,
    "sql_escape": lambda argument: argument.replace("'", "''"),
    "tolower": _lower,
    "toupper": _upper,
    "url_decode": lambda argument: urllib.parse.unquote(argument, errors="surrogateescape"),
    "url_encode": lambda argument: url_encode(argument).decode("ascii"),
}
