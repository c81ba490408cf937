"""PURE: commands that only turn a text into another: echo, md5, url_encode, regex, toupper and their kin.

Enters: argument. Leaves: the real one's words. Source: mod_commands.c.
"""

from __future__ import annotations

import hashlib
import operator
import re
import urllib.parse
from collections.abc import Callable, Mapping

from freeswitch.simulator.esl.wire import to_bytes, url_encode

_NUMBER = re.compile(r"[+-]?\d{1,12}(\.\d{1,12})?")


_LAN = re.compile(r"(0|1|2|10|127|255|169\.254|172\.(1[6-9]|2\d|3[01])|192\.0\.2|192\.168)\.")
"""As switch_is_lan_addr lists them."""


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


_COMPARED = re.compile(r"('(?:[^'\\]|\\.)*'|[^' ]\S*) +([!<>=]=|[<>]) *('(?:[^'\\]|\\.)*'|[^' ]\S*) +\?(.*)")
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def _cond(argument: str) -> str:
    """`cond <a> <operator> <b> ? <if so>[ : <if not>]`: numbers by size, texts equal or not, else by length."""
    found = _COMPARED.fullmatch(argument)
    answers = [one.strip(" ") for one in found[4].split(":")] if found else []
    if found is None or len(answers) > 2:
        return "-ERR"
    a, sign, b = found[1], found[2], found[3]
    numbers = [bool(_NUMBER.fullmatch(one)) for one in (a, b)]
    if not any(numbers) and sign in ("==", "!="):
        is_so = (a.strip("'") == b.strip("'")) is (sign == "==")
    else:
        is_so = _COMPARE[sign](*(float(one) if _NUMBER.fullmatch(one) else len(one.strip("'")) for one in (a, b)))
    return answers[0] if is_so else (answers[1] if len(answers) > 1 else "")


def _coalesce(argument: str) -> str:
    """`coalesce [^^<delimiter>]<value>,<value>…`: the first that is not empty."""
    between = ","
    if argument.startswith("^^"):
        between, argument = argument[2:3], argument[3:]
    values = argument.split(between) if between else []
    return next((one for one in values if one), "") if argument else "-USAGE: [^^<delim>]<value1>,<value2>,...\n"


TABLE: Mapping[str, Callable[[str], str]] = {
    "coalesce": _coalesce,
    "cond": _cond,
    "is_lan_addr": lambda argument: "true" if _LAN.match(argument) else "false",
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
