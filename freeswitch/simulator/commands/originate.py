"""The command that makes legs: originate.

Enters: a dial string and what the leg does when it has answered. Leaves: `+OK <uuid>`, or the cause why there is none;
the leg goes on by itself. Source: mod_commands.c (originate_function), switch_ivr_originate.c.
"""

from __future__ import annotations

from freeswitch.simulator import plan
from freeswitch.simulator.calls import dial
from freeswitch.simulator.calls.waiting import Waiter
from freeswitch.simulator.commands.console import Console, Table, usage

_USAGE = usage(
    "<call url> <exten>|&<application_name>(<app_args>) [<dialplan>] [<context>] [<cid_name>] [<cid_num>] "
    "[<timeout_sec>]"
)


def originate(console: Console, argument: str) -> str:
    """`originate <dial string> <extension>|&<application>(<arguments>) …`."""
    try:
        asked = plan.originate(argument)
    except plan.Unusable:
        return _USAGE
    except plan.Malformed:
        return "-ERR DESTINATION_OUT_OF_ORDER\n"
    waiter = Waiter(console.switch.clock)
    outcome = dial.Dialling(console.switch, waiter, asked.dial, None).run()
    leg = outcome.leg
    if leg is None:
        return f"-ERR {outcome.cause}\n"
    seen = leg.profile.index
    waiter.pause(
        console.switch.turns.of_originate(leg), until=lambda: bool(leg.hangup_cause) or leg.profile.index != seen
    )
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


TABLE: Table = {"originate": originate}
