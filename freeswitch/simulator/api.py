"""The API commands that the product sends, each with the reply that the real switch gives.

Enters: a command and its argument. Leaves: the reply's text, and what it changed on the switch. Success is not always
`+OK`, and failure not always `-ERR`: the words are those of mod_commands.c, seen on a real one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from freeswitch.simulator import causes, dial, joining, plan, show
from freeswitch.simulator.channel import Channel
from freeswitch.simulator.esl_server import UnknownCommand
from freeswitch.simulator.events import channel_headers
from freeswitch.simulator.plan import App
from freeswitch.simulator.switch import Switch
from freeswitch.simulator.waiting import Waiter

OK = "+OK\n"
NO_CHANNEL = "-ERR No such channel!\n"
NO_SESSION = "-ERR Cannot locate session!\n"


class Commands:
    """The backend of the ESL server."""

    def __init__(self, switch: Switch, shut_down: Callable[[str], None]) -> None:
        self.switch = switch
        self._shut_down = shut_down
        self._table: dict[str, Callable[[str], str]] = {
            "echo": lambda argument: argument,
            "expand": self._expand,
            "fsctl": self._fsctl,
            "global_getvar": self._global_getvar,
            "hupall": self._hupall,
            "limit_usage": self._limit_usage,
            "originate": self._originate,
            "sched_del": self._sched_del,
            "sched_transfer": self._sched_transfer,
            "show": lambda argument: show.answer(self.switch, argument),
            "sofia": self._sofia,
            "status": self._status,
            "strmicroepoch": lambda _argument: f"{self.switch.clock.now_us()}\n",
            "uuid_break": self._uuid_break,
            "uuid_bridge": self._uuid_bridge,
            "uuid_broadcast": self._uuid_broadcast,
            "uuid_dump": self._uuid_dump,
            "uuid_exists": lambda argument: "true" if argument.strip() in self.switch.channels else "false",
            "uuid_getvar": self._uuid_getvar,
            "uuid_kill": self._uuid_kill,
            "uuid_record": self._uuid_record,
            "uuid_setvar": self._uuid_setvar,
            "uuid_setvar_multi": self._uuid_setvar_multi,
            "uuid_transfer": self._uuid_transfer,
            "version": lambda _argument: "FreeSWITCH Version 1.11.3-simulated (simulated 64bit)\n",
        }

    def api(self, command: str, argument: str) -> str:
        """The reply of one command. Raises UnknownCommand."""
        run = self._table.get(command)
        if run is None:
            raise UnknownCommand
        return run(argument)

    def sendmsg(self, leg: str, headers: Mapping[str, str]) -> str:
        """`execute` runs within what the leg does; `hangup` ends it; whatever else is +OK without effect."""
        channel = self._find(leg)
        if channel is None:
            return f"-ERR invalid session id [{leg}]"
        command = headers.get("call-command", "")
        if command == "execute":
            data = headers.get("execute-app-arg", headers.get("_body", ""))
            channel.broadcast(App(headers.get("execute-app-name", ""), data))
        elif command == "hangup":
            channel.hangup(causes.named(headers.get("hangup-cause", "")))
        return "+OK"

    def _find(self, leg: str) -> Channel | None:
        channel = self.switch.channels.get(leg)
        return channel if channel is not None and not channel.hangup_cause else None

    # --- one leg -----------------------------------------------------------------------------------------------------

    def _uuid_transfer(self, argument: str) -> str:
        leg, *where = plan.words(argument)[:5] or [""]
        if not where:
            return "-USAGE: <uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]\n"
        channel = self._find(leg)
        if channel is None:
            return NO_CHANNEL
        legs = [channel]
        if where[0] in ("-bleg", "-both"):
            other = channel.partner
            legs = ([channel] if where[0] == "-both" else []) + ([other] if other else [])
            where = where[1:]
        destination, dialplan, context, *_rest = [*where, "", "", ""]
        for one in legs:
            one.transfer(destination, dialplan, context)
        return OK

    def _uuid_kill(self, argument: str) -> str:
        leg, cause, *_rest = [*plan.words(argument), "", ""]
        channel = self._find(leg)
        if channel is None:
            return NO_CHANNEL
        channel.hangup(causes.named(cause))
        return OK

    def _uuid_bridge(self, argument: str) -> str:
        one, other, *_rest = [*plan.words(argument), "", ""]
        caller, leg = self._find(one), self._find(other)
        if caller is None or leg is None or caller is leg:
            return "-ERR Invalid uuid\n"
        joining.join(caller, leg)
        return f"+OK {leg.uuid}\n"

    def _uuid_record(self, argument: str) -> str:
        leg, action, path, limit, *_rest = [*plan.words(argument), "", "", "", ""]
        channel = self._find(leg)
        if channel is None:
            return NO_SESSION
        if action == "start":
            variables = m[0] if (m := re.search(r"\{.*\}\s*$", argument)) else ""
            limit_s = int(limit) if limit.isdecimal() and len(limit) < 7 else 0
            self.switch.recorder.start(channel, path, variables, limit_s)
        elif action == "stop":
            paths = list(channel.recordings) if path == "all" else [path]
            if not all(one in channel.recordings for one in paths):
                return "-ERR Cannot stop record session!\n"
            for one in paths:
                self.switch.recorder.stop(channel, one)
        elif action in ("pause", "resume"):
            if not self.switch.recorder.pause(channel, path, action == "pause"):
                return f"-ERR Cannot {action} recording session!\n"
        elif action in ("mask", "unmask"):
            if not self.switch.recorder.mask(channel, path, action == "mask"):
                return f"-ERR Cannot {action} recording session!\n"
        else:
            return "-USAGE: <uuid> [start|stop|mask|unmask] <path> [<limit>] [<recording_vars>]\n"
        return "+OK Success\n"

    def _limit_usage(self, argument: str) -> str:
        backend, realm, key, rate, *_rest = [*plan.words(argument), "", "", "", ""]
        if not key:
            return "USAGE: limit_usage <backend> <realm> <id> [rate]\n"
        legs, recent = self.switch.limits.usage(realm, key) if backend == "hash" else (0, 0)
        return f"{legs}/{recent}" if rate.lower() == "rate" else str(legs)

    def _uuid_setvar(self, argument: str) -> str:
        leg, name, value, *_rest = [*argument.split(" ", 2), "", "", ""]
        channel = self._find(leg)
        if channel is None:
            return NO_CHANNEL
        channel.set(name, value)
        return OK

    def _uuid_setvar_multi(self, argument: str) -> str:
        """`a=b;c=d`; a value with `${` is refused."""
        leg, _, pairs = argument.partition(" ")
        channel = self._find(leg)
        if channel is None:
            return NO_CHANNEL
        for pair in pairs.split(";"):
            name, equals, value = pair.partition("=")
            if equals and "${" not in value:
                channel.set(name.strip(), value)
        return OK

    def _uuid_getvar(self, argument: str) -> str:
        leg, name, *_rest = [*plan.words(argument), "", ""]
        channel = self._find(leg)
        if channel is None:
            return NO_CHANNEL
        value = channel.get(name)
        return "_undef_" if value is None else value[:512]

    def _uuid_dump(self, argument: str) -> str:
        leg, *_rest = [*plan.words(argument), ""]
        channel = self._find(leg)
        if channel is None:
            return NO_CHANNEL
        headers = self.switch.core.stamp("CHANNEL_DATA") | channel_headers(channel)
        return msgspec.json.encode(headers).decode()

    def _uuid_break(self, argument: str) -> str:
        channel = self._find((plan.words(argument) or [""])[0])
        if channel is None:
            return NO_CHANNEL
        channel.break_off()
        return OK

    def _uuid_broadcast(self, argument: str) -> str:
        """`<uuid> <path or app::data> [aleg|bleg|both]`."""
        leg, what, side, *_rest = [*plan.words(argument), "", "", ""]
        channel = self._find(leg)
        if channel is None:
            return "-ERR invalid uuid\n"
        channel.broadcast_to(what, side)
        return "+OK Message sent\n"

    def _sched_del(self, argument: str) -> str:
        channel = self._find(argument.strip())
        deleted = self.switch.cancel_scheduled(channel) if channel else 0
        return f"+OK Deleted: {deleted}\n"

    def _sched_transfer(self, argument: str) -> str:
        after, leg, destination, dialplan, context, *_rest = [*plan.words(argument), "", "", "", "", ""]
        channel = self._find(leg)
        if channel is None:
            return NO_CHANNEL
        number = self.switch.schedule(channel, after, lambda: channel.transfer(destination, dialplan, context))
        return f"+OK Added: {number}\n"

    # --- new legs ----------------------------------------------------------------------------------------------------

    def _originate(self, argument: str) -> str:
        try:
            asked = plan.originate(argument)
        except plan.Malformed:
            return "-USAGE: <call url> <exten>|&<application_name>(<app_args>) [<dialplan>] [<context>]\n"
        waiter = Waiter(self.switch.clock)
        outcome = dial.Dialling(self.switch, waiter, asked.dial, None).run()
        leg = outcome.leg
        if leg is None:
            return f"-ERR {outcome.cause}\n"
        seen = leg.profile.index
        waiter.pause(dial.LOOKS_EVERY_S, until=lambda: bool(leg.hangup_cause) or leg.profile.index != seen)
        if leg.hangup_cause:
            return f"-ERR {leg.hangup_cause}\n"
        if leg.profile.index != seen:
            # uuid_bridge or uuid_transfer took the leg away meanwhile: it lives on, but the originate has failed.
            return "-ERR ORIGINATOR_CANCEL\n"
        leg.watcher = None

        def go_on() -> None:
            if asked.then is not None:
                leg.story.found(asked.then.name, "")
                leg.run_apps((asked.then,))
            else:
                leg.transfer(asked.extension, asked.dialplan, asked.context)
                leg.check()

        leg.divert(go_on)
        return f"+OK {leg.uuid}\n"

    # --- the switch --------------------------------------------------------------------------------------------------

    def _expand(self, argument: str) -> str:
        """A command after expansion of globals; `${api(…)}` in it is denied."""
        command, _, rest = argument.partition(" ")
        return self.api(command, plan.expand(rest, lambda name: self._global_getvar(name) or None))

    def _hupall(self, argument: str) -> str:
        cause = causes.named((plan.words(argument) or ["MANAGER_REQUEST"])[0])
        for channel in list(self.switch.channels.values()):
            channel.hangup(cause)
        return f"+OK hangup all channels with cause {cause}\n"

    def _global_getvar(self, argument: str) -> str:
        core = self.switch.core
        known = self.switch.global_variables | {
            "core_uuid": core.uuid,
            "hostname": core.hostname,
            "switchname": core.hostname,
            "domain": self.switch.domain,
            "api_expansion": "false",
        }
        return known.get(argument.strip(), "")

    def _status(self, _argument: str) -> str:
        up_s = (self.switch.clock.now_us() - self.switch.core.started_us) // 1_000_000
        return (
            f"UP 0 years, 0 days, {up_s // 3600} hours, {up_s // 60 % 60} minutes, {up_s % 60} seconds, "
            "0 milliseconds, 0 microseconds\nFreeSWITCH (Version 1.11.3-simulated) is ready\n"
            f"{self.switch.core.sessions} session(s) since startup\n"
            f"{len(self.switch.channels)} session(s) - peak {len(self.switch.channels)}, last 5min 0\n"
            "0 session(s) per Sec out of max 30, peak 0, last 5min 0\n1000 session(s) max\n"
        )

    def _fsctl(self, argument: str) -> str:
        """`shutdown`, and `api_expansion`, which is off and stays so."""
        if argument.startswith("shutdown"):
            self._shut_down(argument.partition(" ")[2])
            return OK
        if argument.startswith("api_expansion"):
            return "+OK api_expansion is false\n"
        return "-USAGE: [shutdown [cancel|elegant|asap|now|restart]|api_expansion [on|off]]\n"

    def _sofia(self, argument: str) -> str:
        words = plan.words(argument)
        if words[:2] == ["status", "gateway"] and len(words) == 3:
            if any(one.gateway == words[2] for one in self.switch.carriers):
                return f"Name    \t{words[2]}\nProfile \texternal\nState   \tNOREG\nStatus  \tUP\n"
            return "Invalid Gateway!\n"
        if words[:1] == ["profile"]:
            return "+OK scan complete\n"
        return "-USAGE: status|profile\n"
