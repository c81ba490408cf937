"""PURE: what one listener of the Event Socket hears: types, subclasses, filters, one leg, and what it may ask for.

Enters: words of `event`, `nixevent`, `filter`, `myevents`, and the rights of `userauth`. Leaves: yes or no per event,
and the reply's words. Source: mod_event_socket.c (event_handler, parse_command).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from freeswitch.simulator.esl.wire import EVENT_NAMES, Format, Value

DENIED = "-ERR permission denied"
_FORMATS: dict[str, Format] = {"plain": "plain", "json": "json", "xml": "xml"}
_OF_ONE_LEG = """
CHANNEL_ANSWER CHANNEL_APPLICATION CHANNEL_BRIDGE CHANNEL_CREATE CHANNEL_DATA CHANNEL_DESTROY CHANNEL_EXECUTE
CHANNEL_EXECUTE_COMPLETE CHANNEL_HANGUP CHANNEL_HANGUP_COMPLETE CHANNEL_ORIGINATE CHANNEL_UUID CHANNEL_OUTGOING
CHANNEL_PARK CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_STATE CHANNEL_UNBRIDGE CHANNEL_UNPARK DETECTED_SPEECH DTMF
NOTALK TALK
"""
_RESERVED = """
filestring::close filestring::fail filestring::open limit::usage loopback::bowout loopback::direct sofia::bye_response
sofia::error sofia::expire sofia::gateway_add sofia::gateway_delete sofia::gateway_state sofia::intercepted
sofia::notify_refer sofia::notify_watched_header sofia::pre_register sofia::profile_start sofia::register
sofia::register_attempt sofia::register_failure sofia::reinvite sofia::replaced sofia::sip_user_state sofia::transferee
sofia::transferor sofia::unregister valet_parking::info
"""
"""Subclasses that modules have reserved: those that `event ALL` names, should ALL itself be taken back."""
_SNEAKY = ("bgapi", "sched_api", "eval", "expand", "xml_wrap")
"""Commands that run another one: that one must be allowed too."""


@dataclass(frozen=True)
class EslUser:
    """Somebody of the directory who may log in with `userauth`. Rights that are None are not limited."""

    password: str
    allowed_events: str | None = None
    """`CHANNEL_PARK CUSTOM sofia::register`, cut at blanks, else at commas; after CUSTOM come subclasses."""
    allowed_api: str | None = None
    allowed_log: bool = True

    def greeting(self) -> str:
        """The reply to `userauth` that succeeds, with headers of its own."""
        events = self.allowed_events if self.allowed_events is not None else "all"
        api = self.allowed_api if self.allowed_api is not None else "all"
        log = "true" if self.allowed_log else "false"
        return f"~Reply-Text: +OK accepted\nAllowed-Events: {events}\nAllowed-API: {api}\nAllowed-LOG: {log}\n\n"

    def may_run(self, command: str, argument: str) -> bool:
        """Whether this API command is allowed, and whatever it would run in its turn."""
        if self.allowed_api is None:
            return True
        allowed = _words(self.allowed_api)
        while True:
            if command not in allowed:
                return False
            if command.lower() not in _SNEAKY or not argument:
                return True
            command, _, argument = argument.partition(" ")


def _words(text: str) -> list[str]:
    return text.split(" " if " " in text else ",")


def _named(word: str) -> str | None:
    name = word.upper().removeprefix("SWITCH_EVENT_")
    return name if name in EVENT_NAMES else None


class Subscription:
    """Of one listener."""

    def __init__(self) -> None:
        self.format: Format = "plain"
        self.listens = False
        """Between the first `event` and `noevents`."""
        self.leg: str | None = None
        """Of `myevents`: the only one of which it hears; empty: of any leg, but of legs only."""
        self._names: set[str] = set()
        self._subclasses: set[str] = set()
        self._filters: list[tuple[str, str]] = []
        self._user: EslUser | None = None

    def limit(self, user: EslUser) -> None:
        """From now on with this user's rights."""
        self._user = user

    # --- commands ----------------------------------------------------------------------------------------------------

    def event(self, words: list[str]) -> str:
        """`event [plain|json|xml] TYPE… [CUSTOM subclass…]`."""
        words = [word for word in words if word]
        if words and words[0].lower() in _FORMATS:
            self.format = _FORMATS[words.pop(0).lower()]
        found = custom = False
        for word in words:
            name = _named(word)
            if custom:
                if not self._may_hear(word, subclass=True):
                    return DENIED
                self._subclasses.add(word)
            elif name is not None:
                if not self._may_hear(name):
                    return DENIED
                found = True
                self._add(name)
                custom = name == "CUSTOM"
        if not found:
            return "-ERR no keywords supplied"
        self.listens = True
        return f"+OK event listener enabled {self.format}"

    def _add(self, name: str) -> None:
        self._names.add(name)
        if name == "ALL":
            self._names |= EVENT_NAMES
            allowed = self._user.allowed_events if self._user else None
            self._subclasses |= set(_RESERVED.split() if allowed is None else _after_custom(allowed))

    def _may_hear(self, word: str, *, subclass: bool = False) -> bool:
        if self._user is None or self._user.allowed_events is None:
            return True
        allowed = self._user.allowed_events
        if subclass:
            return word in _after_custom(allowed)
        return bool({word, "ALL"} & {_named(one) for one in _words(allowed)})

    def nixevent(self, words: list[str]) -> str:
        """`nixevent TYPE… [CUSTOM subclass…]`."""
        found = custom = False
        for word in (word for word in words if word):
            name = _named(word)
            if custom:
                self._subclasses.discard(word)
            elif name == "CUSTOM":
                found = custom = True
            elif name == "ALL":
                found = True
                self._names.clear()
            elif name is not None:
                found = True
                self._names -= {name, "ALL"}
        if not found:
            return "-ERR no keywords supplied"
        self.listens = True
        return "+OK events nixed"

    def noevents(self) -> str:
        """Hears nothing any more."""
        if not self.listens:
            return "-ERR not listening for events"
        self.listens = False
        self._names.clear()
        self._subclasses.clear()
        return "+OK no longer listening for events"

    def filter(self, text: str) -> str:
        """`filter NAME VALUE`, `filter delete NAME [VALUE]`, `filter delete all`."""
        name, _, value = text.lstrip(" ").partition(" ")
        if name.lower() == "delete" and value:
            name, _, value = value.partition(" ")
            if name.lower() == "all":
                self._filters.clear()
            self._filters = [
                one for one in self._filters if one[0].lower() != name.lower() or (value and one[1] != value)
            ]
            return f"+OK filter deleted. [{name}][{value}]"
        if not value:
            return "-ERR invalid syntax"
        if name.lower() == "add":
            name, _, value = value.partition(" ")
        self._filters.append((name, value))
        return f"+OK filter added. [{name}]=[{value}]"

    def myevents(self, leg: str) -> str:
        """Only what this leg does; a form that is named behind the leg is not read (parse_command cuts it off)."""
        if self.leg is not None:
            return "-ERR aready enabled."
        self.leg = leg
        self._names |= set(_OF_ONE_LEG.split())
        self.listens = True
        return "+OK Events Enabled"

    # --- events ------------------------------------------------------------------------------------------------------

    def wants(self, headers: Mapping[str, Value]) -> bool:
        """Whether an event gets through."""
        name, subclass = headers.get("Event-Name"), headers.get("Event-Subclass")
        if not self.listens or not self._wants_type(str(name), subclass if isinstance(subclass, str) else None):
            return False
        if self._filters and not self._passes_filters(headers):
            return False
        if self.leg is None:
            return True
        return headers.get("Job-Owner-UUID", "") == self.leg or (
            "Unique-ID" in headers and self.leg in ("", headers["Unique-ID"])
        )

    def names(self, name: str) -> bool:
        """Whether events of this type may get through."""
        return self.listens and (name in self._names or "ALL" in self._names)

    def _wants_type(self, name: str, subclass: str | None) -> bool:
        if "ALL" in self._names:
            return True
        if name not in self._names:
            return False
        if name != "CUSTOM" or subclass is None:
            return True
        return subclass in self._subclasses

    def _passes_filters(self, headers: Mapping[str, Value]) -> bool:
        passed, by_name = False, {name.lower(): value for name, value in headers.items()}
        for name, wanted in self._filters:
            value = by_name.get(name.lower())
            if value is None:
                continue
            text = value if isinstance(value, str) else "ARRAY::" + "|:".join(value)
            pattern = wanted.lstrip("+- ")
            refuses = "-" in wanted[: len(wanted) - len(pattern)].replace(" ", "")[-1:]
            if passed and not refuses:
                continue
            if _hits(wanted, pattern, text):
                if refuses:
                    return False
                passed = True
        return passed


def _after_custom(allowed: str) -> list[str]:
    words = _words(allowed)
    at = next((position for position, word in enumerate(words) if _named(word) == "CUSTOM"), len(words))
    return words[at + 1 :]


def _hits(wanted: str, pattern: str, text: str) -> bool:
    """A value that begins with `/` is a regular expression, `/x/i` with its options; anything else must be equal."""
    if not wanted.startswith("/"):
        return text.lower() == pattern.lower()
    body, _, options = pattern[1:].rpartition("/") if pattern.count("/") > 1 else (pattern[1:], "", "")
    try:
        return re.search(body, text, re.IGNORECASE if "i" in options else 0) is not None
    except re.error:
        return False
