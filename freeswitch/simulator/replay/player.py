"""Plays a captured trace to whatever agent connects, as if the real switch were there once more.

Enters: a trace, which of its commands are awaited, faults of the line. Leaves: its events on the wire, one after
another without the gaps, with our ids in the place of the recorder's; replies as the switch words them, in trace time.
Where events and commands belong in time is score.py's business; frames and subscriptions are esl/server.py's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

import gevent
from gevent.event import Event as Signal

from freeswitch.simulator.esl import wire
from freeswitch.simulator.esl.server import Client, EslServer, UnknownCommand
from freeswitch.simulator.kept import hash_reply
from freeswitch.simulator.replay.cast import Cast
from freeswitch.simulator.replay.score import Captured, Cue, Line, Request, arrange, read_command

_GONE = "-ERR No such channel!\n"
_CORE_HEADERS = ("Core-UUID", "FreeSWITCH-Hostname", "FreeSWITCH-Switchname", "Event-Date-Timestamp", "Event-Sequence")


class NothingCame(Exception):
    """An awaited command did not come from the agent."""


@dataclass(frozen=True)
class Faults:
    """What the line does to the connection for events."""

    byte_by_byte: bool = False
    cut_after_each: bool = False
    """Cut behind every event (and what was awaited there); the next one comes after the reconnect."""
    cut_inside: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Number of an event -> offsets within its frame; the whole frame comes again after each cut."""
    before_cut: Callable[[], None] | None = None
    """Runs before each cut: what must not be under way when the line goes."""


@dataclass(frozen=True)
class Heard:
    """A command of the agent that the player understood."""

    text: str
    request: Request


class Player:
    """The switch of one trace; listens on a port of its own."""

    def __init__(
        self,
        trace: Captured,
        awaited: Collection[int],
        password: str,
        *,
        faults: Faults | None = None,
        patience_s: float = 20.0,
    ) -> None:
        """`awaited`: numbers of those commands of the trace that must come from the agent; others go on at once."""
        self._news = Signal()
        self.server = EslServer(self, password)
        self.server.on_command = lambda _client, _command: self._news.set()
        self.heard: list[Heard] = []
        self.replies: list[tuple[str, str]] = []
        self._marks: dict[tuple[str, str], str] = {}
        """What mod_hash keeps."""
        """Every api command with its reply, in order: what this switch was asked to do."""
        self.sent = 0
        """Events that left for a subscriber, repeats after a cut not counted."""
        self._score = arrange(trace)
        self._awaited = frozenset(awaited)
        self._faults = faults or Faults()
        self._patience_s = patience_s
        self._cast = Cast(tuple(cue for cue in self._score if isinstance(cue, Cue)))
        self._last = next(line for line in self._score if isinstance(line, Line))

    # -- playing --

    def start(self) -> int:
        """Listens; the port."""
        return self.server.start()

    def stop(self) -> None:
        """Ends every connection."""
        self.server.stop()

    @property
    def now_us(self) -> int:
        """Trace time: the stamp of the event that was sent last."""
        return self._last.us

    def play(self) -> None:
        """Sends all events; returns when the last is with the network. Raises NothingCame."""
        self._listener()
        number = 0
        for one in self._score:
            if isinstance(one, Cue):
                self._await(one)
                continue
            if one.get("Core-UUID") != self._last.get("Core-UUID"):
                self._restart()
            self._last = one
            self._cast.notice(one)
            if self._send(one, number):
                number += 1
        self.sent = number
        for client in self._cut(self._listeners()) if self._faults.cut_after_each else self._listeners():
            client.flush(self._patience_s)

    def ours(self, leg: str) -> str:
        """A leg of the trace by the id under which the agent knows it: an originated one has the id we gave it."""
        return self._cast.ours(leg)

    def in_place_of(self, index: int) -> str:
        """Our command that stood for the `index`-th of the trace. Raises KeyError if none did."""
        return self.heard[self._cast.stands_for[index]].text

    def _await(self, cue: Cue) -> None:
        if cue.index not in self._awaited:
            self._cast.skip(cue)
            return

        def came() -> bool:
            return self._cast.match(cue, self.heard)

        self._until(came, f"command {cue.index} of the trace: {cue.request.kind} {' '.join(cue.request.legs)}")

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        with gevent.Timeout(self._patience_s, NothingCame(f"{what}; heard: {[one.text for one in self.heard]}")):
            while True:
                self._news.clear()
                if holds():
                    return
                self._news.wait()

    def _listeners(self) -> list[Client]:
        return [client for client in self.server.clients if client.subscribed.is_set() and not client.gone.is_set()]

    def _listener(self) -> list[Client]:
        self._until(lambda: bool(self._listeners()), "a connection that asks for events")
        return self._listeners()

    def _send(self, line: Line, number: int) -> bool:
        """Whether anybody had asked for such an event."""
        event = self._cast.rewrite(line.pairs)
        listeners = [client for client in self._listener() if client.wants(event)]
        if not listeners:
            return False
        if self._faults.cut_after_each and number:
            listeners = self._cut(listeners)
        for offset in self._faults.cut_inside.get(number, ()):
            if self._faults.before_cut is not None:
                self._faults.before_cut()
            for client in listeners:
                frame = wire.event_frame(event, client.format)
                client.send(frame[: max(1, min(offset, len(frame) - 1))])
                client.cut()
            listeners = self._listener()
        for client in listeners:
            frame = wire.event_frame(event, client.format)
            for piece in _bytes(frame) if self._faults.byte_by_byte else (frame,):
                client.send(piece)
            if self._faults.byte_by_byte:
                client.flush(self._patience_s)
        return True

    def _cut(self, listeners: list[Client]) -> list[Client]:
        """Ends these connections; the ones that come in their place."""
        if self._faults.before_cut is not None:
            self._faults.before_cut()
        for client in listeners:
            client.cut()
        return self._listener()

    def _restart(self) -> None:
        """The switch went down after its last event and came up as a new core."""
        for client in list(self.server.clients):
            client.send(wire.DISCONNECT_NOTICE)
            client.cut()
        self._cast.clear_legs()

    # -- answering (the backend of the ESL server) --

    def api(self, command: str, argument: str) -> str:
        """The reply of one API command in trace time."""
        text = f"{command} {argument}"
        reply = self._reply(command, argument)
        self.replies.append((text, reply))
        request = read_command(text)
        if request.kind != "other":
            self.heard.append(Heard(text, request))
            self._news.set()
        return reply

    def sendmsg(self, leg: str, _headers: Mapping[str, str]) -> str:
        """Nothing of ours sends it; a leg that is gone is refused as the switch does."""
        return "+OK" if self._cast.is_up(leg) else f"-ERR invalid session id [{leg}]"

    def bgapi(self, job: str, command: str, argument: str) -> None:
        """An originate: its BACKGROUND_JOB is the captured one, or a phone that is not registered."""
        text = f"{command} {argument}"
        request = read_command(f"{text}\nJob-UUID: {job}")
        self.replies.append((text, f"+OK Job-UUID: {job}\n"))
        if request.kind == "other":
            self.server.publish(self._job(job, self._reply(command, argument)))
            return
        if not self._cast.awaits_originate(self._awaited):
            self.server.publish(self._job(job, "-ERR USER_NOT_REGISTERED\n"))
        else:
            self._cast.expect_originate(request)
        self.heard.append(Heard(text, request))
        self._news.set()

    def _job(self, job: str, body: str) -> dict[str, str]:
        core = {name: self._last.get(name) for name in _CORE_HEADERS}
        core["Event-Sequence"] += f"0{len(self.replies)}"
        return {"Event-Name": "BACKGROUND_JOB", **core, "Job-UUID": job, "Job-Command": "originate", "_body": body}

    def _reply(self, command: str, argument: str) -> str:
        words = argument.split()
        if command.startswith("uuid_"):
            return self._leg_reply(command, words)
        if command == "show":
            return self._show(words)
        fixed = {
            "strmicroepoch": str(self.now_us),
            "global_getvar": self._global(argument),
            "expand": "<API execute Permission Denied>" if "(" in argument else argument.partition(" ")[2],
            "hostname": "fs1",
            "switchname": "fs1",
            "version": "FreeSWITCH Version 1.11.3-dev (captured)\n",
            "status": "UP 0 years, 0 days, 0 hours, 1 minute\n",
            "sched_del": "+OK Deleted: 0\n",
        }
        if command == "hash":
            return hash_reply(self._marks, argument)
        if command not in fixed:
            raise UnknownCommand(command)
        return fixed[command]

    def _global(self, name: str) -> str:
        known = {"core_uuid": self._last.get("Core-UUID"), "switchname": "fs1", "hostname": "fs1"}
        return known.get(name.strip(), "")

    def _leg_reply(self, command: str, words: list[str]) -> str:
        leg = words[0] if words else ""
        up = self._cast.is_up(leg)
        if command == "uuid_exists":
            return "true" if up else "false"
        if command == "uuid_record":
            return "+OK Success\n" if up else "-ERR Cannot locate session!\n"
        if command == "uuid_bridge":
            return f"+OK {words[1]}\n" if up and self._cast.is_up(words[1]) else "-ERR Invalid uuid\n"
        if command == "uuid_broadcast":
            return "+OK Message sent\n" if up else "-ERR invalid uuid\n"
        if not up:
            return _GONE
        if command == "uuid_getvar":
            return self._cast.header(leg, f"variable_{words[1]}") or "_undef_"
        if command == "uuid_dump":
            return json.dumps({**self._cast.headers(leg), "Event-Name": "CHANNEL_DATA"}) + "\n"
        return "+OK\n"

    def _show(self, words: list[str]) -> str:
        rows = [_row(self._cast.headers(leg)) for leg in self._cast.up()] if words[:1] == ["channels"] else []
        return json.dumps({"row_count": len(rows), "rows": rows} if rows else {"row_count": 0})


def _bytes(frame: bytes) -> Iterator[bytes]:
    return (frame[at : at + 1] for at in range(len(frame)))


def _row(headers: Mapping[str, object]) -> dict[str, object]:
    """A line of `show channels`, as far as the captured ones have values that anybody reads."""
    created_us = str(headers.get("Caller-Channel-Created-Time", "0"))
    return {
        "uuid": headers.get("Unique-ID", ""),
        "direction": headers.get("Call-Direction", ""),
        "created": "",
        "created_epoch": created_us[:-6],
        "name": headers.get("Channel-Name", ""),
        "state": headers.get("Channel-State", ""),
        "cid_name": headers.get("Caller-Caller-ID-Name", ""),
        "cid_num": headers.get("Caller-Caller-ID-Number", ""),
        "dest": headers.get("Caller-Destination-Number", ""),
        "context": headers.get("Caller-Context", ""),
        "callstate": headers.get("Channel-Call-State", ""),
        "hostname": headers.get("FreeSWITCH-Hostname", ""),
        "call_uuid": headers.get("Channel-Call-UUID", ""),
    }
