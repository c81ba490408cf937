"""The simulated switch for a scenario, and ears on its Event Socket.

Enters: phones, carriers, callers; plans to send. Leaves: events as they were told, and legs once they talk.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent

from freeswitch.simulator import Behaviour, Caller, Carrier, Channel, Phone, Simulator
from freeswitch.simulator.calls.sip_leg import SipLeg
from tests import traces

DOMAIN = "127.0.0.1"
PASSWORD = "scenario"  # noqa: S105
DEADLINE_S = 30.0

Event = dict[str, Any]


class Listener:
    """One Event Socket connection that gathers events, and one that sends commands."""

    def __init__(self, port: int, *, names: str = "ALL") -> None:
        self.events: list[Event] = []
        self.came = gevent.event.Event()
        self._events, self._commands = connect(port), connect(port)
        ask(self._events, f"event json {names}")
        # What it asks itself is no news.
        ask(self._events, "nixevent API")
        gevent.spawn(self._read)

    def _read(self) -> None:
        try:
            while True:
                headers, body = _frame(self._events)
                if headers.get("Content-Type") == "text/event-json":
                    self.events.append(json.loads(body))
                    self.came.set()
        except (EOFError, OSError):
            self.came.set()

    def send(self, command: str) -> str:
        """The reply to one command; `\\n` in it separates header lines."""
        headers, body = ask(self._commands, command)
        return body if headers["Content-Type"] == "api/response" else headers["Reply-Text"]

    def until(self, found: Callable[[Event], bool], after: int = 0) -> Event:
        """The first event that is so; fails after a deadline."""
        with gevent.Timeout(DEADLINE_S, AssertionError("the event did not come")):
            while True:
                for event in self.events[after:]:
                    if found(event):
                        return event
                self.came.clear()
                self.came.wait()

    def rows(self, what: str, count: int) -> list[dict[str, str]]:
        """`show <what> as json`, once it has so many rows: the core writes its tables a little later."""
        with gevent.Timeout(DEADLINE_S, AssertionError(f"show {what} never has {count} rows")):
            while True:
                shown = json.loads(self.send(f"api show {what} as json"))
                if shown["row_count"] == count:
                    return list(shown.get("rows", []))

    def name(self, name: str, leg: str = "", nth: int = 1) -> Event:
        """The nth event of this name (of this leg)."""
        seen: list[int] = []

        def is_it(event: Event) -> bool:
            if event["Event-Name"] == name and leg in ("", event.get("Unique-ID")) and id(event) not in seen:
                seen.append(id(event))
            return len(seen) >= nth and id(event) == seen[nth - 1]

        return self.until(is_it)


def connect(port: int) -> Any:
    file = socket.create_connection(("127.0.0.1", port), timeout=20).makefile("rwb")
    _frame(file)
    assert ask(file, f"auth {PASSWORD}")[0]["Reply-Text"] == "+OK accepted"
    return file


def ask(file: Any, command: str) -> tuple[dict[str, str], str]:
    file.write(command.encode() + b"\n\n")
    file.flush()
    return _frame(file)


def _frame(file: Any) -> tuple[dict[str, str], str]:
    headers: dict[str, str] = {}
    while line := file.readline().strip():
        name, _, value = line.decode().partition(": ")
        headers[name] = value
    if not headers:
        raise EOFError
    return headers, file.read(int(headers.get("Content-Length", "0"))).decode("utf-8", "surrogateescape")


@contextmanager
def switch(
    phones: list[Phone] | None = None,
    carriers: list[Carrier] | None = None,
    arrivals_per_second: int = -1,
    calls_at_once: int = -1,
) -> Iterator[Simulator]:
    """A running simulator with carriers as in the captures."""
    known = [Carrier("trunk1", gateway="trunk1", host="127.0.0.1:5090"), *(carriers or [])]
    one = Simulator(
        password=PASSWORD,
        domain=DOMAIN,
        carriers=known,
        phones=phones if phones is not None else [Phone(f"100{n}") for n in (1, 2, 3)],
        numbers=["0312345678"],
        arrivals_per_second=arrivals_per_second,
        calls_at_once=calls_at_once,
    )
    one.start()
    try:
        yield one
    finally:
        one.stop()


def legs(events: list[Event]) -> list[str]:
    """Leg uuids in order of their first event."""
    return list(dict.fromkeys(event["Unique-ID"] for event in events if "Unique-ID" in event))


def plan_of(number: int, nth: int = 0) -> str:
    """The nth plan that was sent in the capture, from the quote on."""
    plans = [one.command for one in traces.load(number).commands if one.command.startswith("api uuid_transfer")]
    return plans[nth].split(" ", 3)[3]


def arrive(simulator: Simulator, listener: Listener, caller: Caller, number: str = "0312345678") -> Channel:
    """Somebody calls; returns when the call is parked."""
    leg = simulator.call(caller, number, carrier=simulator.switch.carriers[0])
    listener.name("CHANNEL_PARK", leg.uuid)
    return leg


def finish(listener: Listener, *legs_up: str) -> None:
    for leg in legs_up:
        listener.until(lambda e, leg=leg: e["Event-Name"] == "CHANNEL_DESTROY" and e["Unique-ID"] == leg)


CALLER = Caller("09012345678")
PLAN = "'m:~:sched_cancel~multiset:^^|tt_call=c-1{}' inline"
EXT = "bridge:[tt_leg=ext]sofia/internal/100{}%127.0.0.1"
QUICK = Behaviour(after_s=0.1)


def send(listener: Listener, leg: Channel, plan: str) -> None:
    """A plan that must be taken: `|variables~applications`."""
    assert listener.send(f"api uuid_transfer {leg.uuid} {PLAN.format(plan)}") == "+OK\n"


def dialled(simulator: Simulator, listener: Listener, nth: int = 0) -> SipLeg:
    """The nth leg that the switch has dialled, once it talks."""
    listener.until(lambda _e: len([e for e in listener.events if _is_new_callee(e)]) > nth)
    created = [e for e in listener.events if _is_new_callee(e)]
    leg = simulator.switch.channels[created[nth]["Unique-ID"]]
    listener.until(lambda _e: leg.bridged.is_set())
    return leg


def _is_new_callee(event: dict[str, Any]) -> bool:
    return event["Event-Name"] == "CHANNEL_CREATE" and event["Call-Direction"] == "outbound"


def told(listener: Listener, leg: str, *, but: tuple[str, ...] = ()) -> list[str]:
    """What was told of a leg, in order: names with the application, the cause or the action that matters."""
    found = []
    for event in listener.events:
        name = event["Event-Name"].removeprefix("CHANNEL_")
        if event.get("Unique-ID") != leg or name in ("STATE", "CALLSTATE", "EXECUTE_COMPLETE", "CALL_UPDATE", *but):
            continue
        if detail := event.get("Application") or (event.get("Hangup-Cause") if "HANGUP" in name else ""):
            name += f" {detail}"
        found.append(f"{name} {event['Action']}" if "Action" in event else name)
    return found


def after(story: list[str], first: str) -> list[str]:
    return story[story.index(first) :]


def callee_of(event: dict[str, Any]) -> str:
    return str(event.get("Caller-Destination-Number", "")).partition("%")[0]
