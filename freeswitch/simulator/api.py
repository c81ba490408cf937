"""What the Event Socket asks of the switch: API commands and messages to legs.

Enters: a command with its argument, a message with its headers. Leaves: the reply's text, and what it changed. What the
commands are stands in commands/, what `show` tells in show.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from freeswitch.simulator import causes, commands, show
from freeswitch.simulator.calls.broadcast import ENDLESS
from freeswitch.simulator.commands import Console
from freeswitch.simulator.esl.server import UnknownCommand
from freeswitch.simulator.plan import App
from freeswitch.simulator.switch import Switch


class Commands:
    """The backend of the ESL server."""

    def __init__(self, switch: Switch, power: Callable[[str], None]) -> None:
        """`power`: ends the switch as `fsctl shutdown <how>` asks for."""
        self.switch = switch
        self._console = Console(switch, power, self._run)

    def api(self, command: str, argument: str) -> str:
        """The reply of one command, which is told of once it has run (API). Raises UnknownCommand."""
        about = {"API-Command": command, "API-Command-Argument": argument}
        with self.switch.core.told_after("API", {name: value for name, value in about.items() if value}):
            return self._answer(command, argument)

    def _answer(self, command: str, argument: str) -> str:
        if command == "show":
            return show.answer(self.switch, argument)
        run = commands.TABLE.get(command)
        if run is None:
            raise UnknownCommand
        return run(self._console, argument)

    def _run(self, command: str, argument: str) -> str:
        """A command within another one."""
        try:
            return self._answer(command.lower(), argument)
        except UnknownCommand:
            return f"-ERR {command} Command not found!\n"

    def sendmsg(self, leg: str, headers: Mapping[str, str]) -> str:
        """`execute` runs within what the leg does; `hangup` ends it; whatever else is +OK without effect."""
        channel = self._console.leg(leg)
        if channel is None:
            return f"-ERR invalid session id [{leg}]"
        command = headers.get("call-command", "").lower()
        if command == "execute" and headers.get("execute-app-name"):
            data = headers.get("execute-app-arg") or headers.get("_body", "")
            app, times = (
                App(headers["execute-app-name"], data, headers.get("event-uuid", "")),
                headers.get("loops", "1"),
            )
            if times.startswith("-") and times[1:].isdecimal():
                channel.broadcast(app, times=ENDLESS)
            elif times.isdecimal() and len(times) < 6:
                channel.broadcast(app, times=int(times))
        elif command == "hangup":
            cause = headers.get("hangup-cause", "")
            channel.hangup(causes.named(cause) if cause else "NORMAL_CLEARING")
        return "+OK"

    def keep_leg(self, leg: str) -> bool:
        """Whether a leg is up, which is then not destroyed before it is let go (switch_core_session_locate)."""
        channel = self._console.leg(leg)
        if channel is not None:
            channel.read_by(1)
        return channel is not None

    def let_leg_go(self, leg: str) -> None:
        """Once less is it kept."""
        channel = self.switch.sessions.get(leg)
        if channel is not None:
            channel.read_by(-1)

    def variable(self, leg: str, name: str) -> str:
        """A variable of a leg, up to its destruction; empty where there is none."""
        channel = self.switch.sessions.get(leg)
        return (channel.get(name) or "") if channel is not None else ""
