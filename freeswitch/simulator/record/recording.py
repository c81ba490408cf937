"""One recording: the loop over all connections from the first moment to the last, and what it has gathered.

Enters: where the switch is, which types of events. Leaves: Gathered. SIP is traced through the switch's log stream
(`log 0`, `sofia global siptrace on`), because the Event Socket has no events of SIP messages; the setting cannot be
asked, so it is off afterwards. Names and files belong to names.py and folder.py.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from freeswitch.simulator.record.errors import CannotRecord
from freeswitch.simulator.record.names import Address, Noted
from freeswitch.simulator.record.relay import Passage
from freeswitch.simulator.record.sip import Message, message_of
from freeswitch.simulator.record.taps import Tap
from services.eventsocket.frames import Event, Frame, decode_json

EVENTS = (
    "CHANNEL_CREATE CHANNEL_OUTGOING CHANNEL_ANSWER CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_BRIDGE "
    "CHANNEL_UNBRIDGE CHANNEL_HOLD CHANNEL_UNHOLD CHANNEL_PARK CHANNEL_UNPARK CHANNEL_EXECUTE CHANNEL_HANGUP "
    "CHANNEL_HANGUP_COMPLETE DTMF PLAYBACK_START PLAYBACK_STOP RECORD_START RECORD_STOP MEDIA_BUG_START "
    "MEDIA_BUG_STOP BACKGROUND_JOB SESSION_HEARTBEAT HEARTBEAT SHUTDOWN "
    "CUSTOM sofia::register sofia::register_attempt sofia::register_failure sofia::unregister sofia::expire "
    "sofia::gateway_state sofia::gateway_add sofia::gateway_delete limit::usage valet_parking::info"
)
MORE_EVENTS = "CHANNEL_EXECUTE_COMPLETE CHANNEL_DESTROY CHANNEL_ORIGINATE CALL_UPDATE"
ALL_EVENTS = f"{MORE_EVENTS} CHANNEL_STATE CHANNEL_CALLSTATE"
WIDTHS = {"few": EVENTS, "more": f"{MORE_EVENTS} {EVENTS}", "all": f"{ALL_EVENTS} {EVENTS}"}
"""Names for what a recording subscribes to; `few` is what most of the captured traces hold."""
TURN_S = 0.2
LAST_S = 0.5
"""The switch delivers events every 20 ms."""


@dataclass
class Gathered:
    """What came, in order, before it is brought together."""

    plain: list[Frame] = field(default_factory=list)
    json: list[Frame] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    commands: list[Noted] = field(default_factory=list)
    phones: dict[Address, str] = field(default_factory=dict)
    early_end: str = ""
    """Why it ended by itself; empty if somebody ended it."""

    @property
    def events(self) -> list[Event]:
        """What the json connection said, as far as it can be read."""
        found = []
        for frame in self.json:
            try:
                found.append(decode_json(frame.body))
            except ValueError:
                continue
        return found


class Recorder:
    """Use: `start()`, then `run()` until its condition or its time ends it, then `stop()`."""

    def __init__(self, switch: tuple[str, int], password: str, events: str = EVENTS, sip: bool = True) -> None:
        self.gathered = Gathered()
        self._switch, self._password, self._events, self._sip = switch, password, events, sip
        self._selector = selectors.DefaultSelector()
        self._taps: list[Tap] = []
        self._passages: list[Passage] = []
        self._listener: socket.socket | None = None

    def start(self, listen: tuple[str, int] = ("127.0.0.1", 0)) -> int:
        """Connects and listens; the port for commands. Raises CannotRecord."""
        asking = self._tap(lambda frame: None)
        self.gathered.phones = _registered(asking.ask("api show registrations as json"))
        for form, frames in (("plain", self.gathered.plain), ("json", self.gathered.json)):
            self._watched(self._tap(frames.append), f"event {form} {self._events}")
        if self._sip:
            self._watched(self._tap(self._logged), "log 0")
            said = asking.ask("api sofia global siptrace on")
            if not said.startswith("+OK"):
                raise CannotRecord(f"the switch does not trace SIP: {said[:80]}")
        try:
            self._listener = socket.create_server(listen)
        except OSError as error:
            raise CannotRecord(f"port {listen[1]} for commands: {error.strerror}") from None
        self._selector.register(self._listener, selectors.EVENT_READ, self._arrived)
        return int(self._listener.getsockname()[1])

    def run(self, goes_on: Callable[[], bool], for_s: float | None = None) -> None:
        """Takes in what comes while `goes_on`, at most `for_s` seconds, or until the switch goes."""
        end = time.monotonic() + for_s if for_s is not None else None
        try:
            while goes_on() and (end is None or time.monotonic() < end):
                self._turn(TURN_S if end is None else max(0.0, min(TURN_S, end - time.monotonic())))
        except CannotRecord as error:
            self.gathered.early_end = str(error)

    def stop(self) -> Gathered:
        """Puts the switch back, takes in what is still on its way, closes everything."""
        if not self.gathered.early_end:
            self.run(lambda: True, LAST_S)
        try:
            if self._sip and self._taps:
                self._taps[0].ask("api sofia global siptrace off")
        except (CannotRecord, OSError) as error:
            self.gathered.early_end = self.gathered.early_end or f"SIP tracing may still be on: {error}"
        for tap in self._taps:
            tap.close()
        for passage in self._passages:
            passage.close()
        if self._listener is not None:
            self._listener.close()
        self._selector.close()
        return self.gathered

    def _tap(self, hear: Callable[[Frame], None]) -> Tap:
        tap = Tap(*self._switch, self._password, hear)
        self._taps.append(tap)
        return tap

    def _watched(self, tap: Tap, command: str) -> None:
        reply = tap.ask(command)
        if not reply.startswith("+OK"):
            raise CannotRecord(f"{command[:20]}: {reply[:80]}")
        self._selector.register(tap.socket, selectors.EVENT_READ, tap.read)

    def _turn(self, within_s: float) -> None:
        for key, _ in self._selector.select(within_s):
            key.data()

    def _logged(self, frame: Frame) -> None:
        text = frame.body.decode("utf-8", "replace")
        message = message_of(text, time.time_ns() // 1000) if frame.content_type == "log/data" else None
        if message is not None:
            self.gathered.messages.append(message)

    def _arrived(self) -> None:
        if self._listener is None:
            return
        client, _ = self._listener.accept()
        passage = Passage(client, self._switch, self.gathered.commands)
        self._passages.append(passage)
        for end, work in ((passage.client, passage.from_client), (passage.switch, passage.from_switch)):
            self._selector.register(end, selectors.EVENT_READ, partial(self._passed, passage, work))

    def _passed(self, passage: Passage, work: Callable[[], bool]) -> None:
        if passage not in self._passages or work():
            return
        for end in (passage.client, passage.switch):
            self._selector.unregister(end)
        self._passages.remove(passage)
        passage.close()


def _registered(shown: str) -> dict[Address, str]:
    """Address -> user of every registered phone, from `show registrations as json`."""
    try:
        rows = json.loads(shown).get("rows", [])
        return {(row["network_ip"], int(row["network_port"])): row["reg_user"] for row in rows}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
