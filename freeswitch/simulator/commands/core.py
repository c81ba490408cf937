"""Commands about the switch itself: status, fsctl, hupall, modules, time, reloading.

Enters: argument. Leaves: the real one's words, and the change. What this switch has not (modules that come and go, a
clock to set, memory to reclaim) answers as the real one does that cannot. Source: mod_commands.c.
"""

from __future__ import annotations

import calendar
import time
import uuid
from collections.abc import Callable
from xml.etree.ElementTree import ParseError

from freeswitch.simulator import causes, plan
from freeswitch.simulator.commands.console import OK, Console, Table, usage
from freeswitch.simulator.vitals import VERSION

_FSCTL = (
    "[api_expansion [on|off]|recover|send_sighup|hupall|pause [inbound|outbound]|resume [inbound|outbound]|"
    "shutdown [cancel|elegant|asap|now|restart]|uuid_version [4|7]|sps|sps_peak_reset|sync_clock|"
    "sync_clock_when_idle|reclaim_mem|max_sessions|min_dtmf_duration [num]|max_dtmf_duration [num]|"
    "default_dtmf_duration [num]|min_idle_cpu|loglevel [level]|debug_level [level]|mdns_resolve [enable|disable]]"
)
MODULES = frozenset(
    {
        "mod_commands",
        "mod_console",
        "mod_db",
        "mod_dialplan_xml",
        "mod_dptools",
        "mod_event_socket",
        "mod_hash",
        "mod_json_cdr",
        "mod_local_stream",
        "mod_logfile",
        "mod_loopback",
        "mod_native_file",
        "mod_sndfile",
        "mod_sofia",
        "mod_tone_stream",
        "mod_valet_parking",
    }
)
"""What the shipped modules.conf loads and this switch plays."""
_NO_FILE = "-ERR [module load file routine returned an error]\n"


def status(console: Console, _argument: str) -> str:
    """`status`."""
    return console.switch.vitals.status()


def uptime(console: Console, argument: str) -> str:
    """`uptime [s|m|h|d|ms|us]`."""
    sizes = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1000, "us": 1}
    return f"{console.switch.vitals.up_us // sizes.get(argument or 's', 1_000_000)}\n"


def version(_console: Console, argument: str) -> str:
    """`version [short]`."""
    return f"{VERSION}\n" if argument == "short" else f"FreeSWITCH Version {VERSION}~64bit ( 64bit)\n"


def hupall(console: Console, argument: str) -> str:
    """`hupall [cause] [variable value]…`."""
    words = plan.words(argument)
    cause = causes.named(words[0]) if words else "MANAGER_REQUEST"
    wanted = list(zip(words[1::2], words[2::2], strict=False))
    for channel in console.switch.legs_to_end():
        if all(channel.get(name) == value for name, value in wanted):
            channel.hangup(cause)
    if not wanted:
        return f"+OK hangup all channels with cause {cause}\n"
    more = "..." if len(wanted) > 1 else ""
    return f"+OK hangup all channels matching [{wanted[0][0]}]=[{wanted[0][1]}]{more} with cause: {cause}\n"


def fsctl(console: Console, argument: str) -> str:
    """`fsctl …`."""
    words = plan.words(argument)
    if not words:
        return usage(_FSCTL)
    act = _CONTROLS.get(words[0].lower())
    return act(console, words[1:]) if act else f"-ERR Invalid command\nUSAGE: fsctl {_FSCTL}\n"


Control = Callable[[Console, list[str]], str]


def _pause(takes: bool) -> Control:
    def set_(console: Console, words: list[str]) -> str:
        which = words[0].lower() if words else ""
        if which != "outbound":
            console.switch.vitals.takes_inbound = takes
        if which != "inbound":
            console.switch.vitals.takes_outbound = takes
        return OK

    return set_


def _pause_check(console: Console, words: list[str]) -> str:
    vitals, which = console.switch.vitals, words[0].lower() if words else ""
    paused = {"inbound": not vitals.takes_inbound, "outbound": not vitals.takes_outbound}
    return "true" if paused.get(which, all(paused.values())) else "false"


def _ready_check(console: Console, _words: list[str]) -> str:
    """With calls of one direction alone it is ready (switch_core_ready)."""
    return "true" if console.switch.vitals.takes_inbound or console.switch.vitals.takes_outbound else "false"


def _shutdown(console: Console, words: list[str]) -> str:
    """Patient ones (asap, elegant) answer only when all calls are over, or somebody has cancelled them. Source:
    switch_core_session_ctl."""
    vitals, wanted = console.switch.vitals, [word.lower() for word in words[:4]]
    if "cancel" in wanted:
        vitals.closes = False
        return OK
    how = next((one for one in reversed(wanted) if one in _ENDS), "")
    if how in ("elegant", "asap") and not _waits_for_calls(console, how):
        return OK
    console.power(" ".join([how] * (how == "now") + ["restart"] * ("restart" in wanted)))
    return OK


_ENDS = ("now", "elegant", "asap")
LOOKS_S = 0.5
"""How often a patient shutdown looks whether all calls are over."""


def _waits_for_calls(console: Console, how: str) -> bool:
    """Until no leg is left; False if it was cancelled meanwhile. Who waits elegantly goes on taking calls."""
    switch, vitals = console.switch, console.switch.vitals
    switch.core.fire("SHUTDOWN_REQUESTED", {"Event-Info": "ASAP" if how == "asap" else "elegant"})
    vitals.closes = True
    if how == "asap":
        vitals.takes_inbound = vitals.takes_outbound = False
    while switch.channels and vitals.closes:
        switch.clock.sleep(LOOKS_S)
    vitals.takes_inbound = vitals.takes_outbound = not vitals.closes
    return vitals.closes


def _number(words: list[str]) -> int:
    return int(words[0]) if words and words[0].isdecimal() and len(words[0]) < 10 else 0


def _max_sessions(console: Console, words: list[str]) -> str:
    vitals = console.switch.vitals
    vitals.max_sessions = _number(words) or vitals.max_sessions
    return f"+OK max sessions: {vitals.max_sessions}\n"


def _sps(console: Console, words: list[str]) -> str:
    vitals = console.switch.vitals
    vitals.sessions_per_s = _number(words) or vitals.sessions_per_s
    return f"+OK sessions per second: {vitals.sessions_per_s}\n"


def _hup(console: Console, _words: list[str]) -> str:
    hupall(console, "")
    return OK


def _says(text: str) -> Control:
    return lambda _console, _words: text


_CONTROLS: dict[str, Control] = {
    "api_expansion": _says("+OK api_expansion is off \n"),
    "debug_level": _says("+OK DEBUG level: 0\n"),
    "flush_db_handles": _says(OK),
    "hupall": _hup,
    "last_sps": _says("+OK last sessions per second: 0\n"),
    "loglevel": _says("+OK log level: DEBUG [7]\n"),
    "max_sessions": _max_sessions,
    "min_idle_cpu": _says("+OK min idle cpu: DISABLED\n"),
    "pause": _pause(False),
    "pause_check": _pause_check,
    "ready_check": _ready_check,
    "recover": _says("+OK 0 session(s) recovered in total\n"),
    "resume": _pause(True),
    "send_sighup": _says(OK),
    "shutdown": _shutdown,
    "shutdown_check": lambda console, _words: "true" if console.switch.vitals.closes else "false",
    "sps": _sps,
    "sync_clock": _says("+OK clock synchronized\n"),
    "sync_clock_when_idle": _says("+OK clock synchronized\n"),
    "verbose_events": _says("+OK verbose_events is off \n"),
}
"""Those that set what this switch has not are missing: an invalid command, rather than an OK that did nothing."""


def reloadxml(console: Console, _argument: str) -> str:
    """`reloadxml`: the files are read again (RELOADXML)."""
    try:
        console.switch.read_conf_dir()
    except ParseError as error:
        return f"+OK [{error}]\n"
    console.switch.reload()
    return "+OK [Success]\n"


def xml_flush_cache(_console: Console, _argument: str) -> str:
    """`xml_flush_cache`: this switch remembers no entry of the directory by itself."""
    return "+OK cleared 0 entries\n"


def reloadacl(console: Console, _argument: str) -> str:
    """`reloadacl`."""
    console.switch.reload()
    return "+OK acl reloaded\n"


def module_exists(_console: Console, argument: str) -> str:
    """`module_exists <module>`."""
    return ("true" if argument in MODULES else "false") if argument else ""


def load(console: Console, argument: str) -> str:
    """`load <module>`: all there are, are loaded."""
    if not argument:
        return usage("<mod_name>")
    console.switch.reload()
    known = "-ERR [Module already loaded]\n" if argument in MODULES else _NO_FILE
    return f"+OK Reloading XML\n{known}"


def unload(_console: Console, argument: str) -> str:
    """`unload [-f] <module>`: this switch keeps its modules."""
    if not argument:
        return usage("[-f] <mod_name>")
    module = argument.removeprefix("-f ")
    return "-ERR [Module is not unloadable]\n" if module in MODULES else "-ERR [No such module!]\n"


def reload(console: Console, argument: str) -> str:
    """`reload [-f] <module>`: its configuration is read again."""
    if not argument:
        return usage("[-f] <mod_name>")
    console.switch.reload()
    if argument.removeprefix("-f ") in MODULES:
        return "+OK Reloading XML\n+OK module unloaded\n+OK module loaded\n"
    return "+OK Reloading XML\n-ERR unloading module [No such module!]\n-ERR loading module " + _NO_FILE[5:]


def _epoch(text: str) -> int:
    try:
        return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))
    except ValueError:
        return 0


def strepoch(console: Console, argument: str) -> str:
    """`strepoch [YYYY-MM-DD hh:mm:ss]`, read as UTC; now without it."""
    return str(_epoch(argument) if argument else console.switch.clock.now_us() // 1_000_000)


def strmicroepoch(console: Console, argument: str) -> str:
    """`strmicroepoch [YYYY-MM-DD hh:mm:ss]`."""
    return str(_epoch(argument) * 1_000_000 if argument else console.switch.clock.now_us())


def strftime(console: Console, argument: str) -> str:
    """`strftime [format]`."""
    at = time.localtime(console.switch.clock.now_us() / 1e6)
    return time.strftime(argument or "%Y-%m-%d %H:%M:%S", at)


def hostname(console: Console, _argument: str) -> str:
    """`hostname`, `switchname`."""
    return console.switch.core.hostname


def create_uuid(_console: Console, _argument: str) -> str:
    """`create_uuid`."""
    return str(uuid.uuid4())


TABLE: Table = {
    "create_uuid": create_uuid,
    "fsctl": fsctl,
    "hostname": hostname,
    "hupall": hupall,
    "load": load,
    "module_exists": module_exists,
    "reload": reload,
    "reloadacl": reloadacl,
    "reloadxml": reloadxml,
    "xml_flush_cache": xml_flush_cache,
    "status": status,
    "strepoch": strepoch,
    "strftime": strftime,
    "strmicroepoch": strmicroepoch,
    "switchname": hostname,
    "unload": unload,
    "uptime": uptime,
    "version": version,
}
