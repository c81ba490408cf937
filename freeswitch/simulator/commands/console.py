"""What an API command works on.

Enters: the switch, what ends it, how to run another command. Leaves: the leg of a name, the pieces of an argument, and
the replies that many commands share, in the words of mod_commands.c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from freeswitch.simulator.calls.sip_leg import SipLeg
from freeswitch.simulator.switch import Switch

OK = "+OK\n"
SUCCESS = "+OK Success\n"
FAILED = "-ERR Operation failed\n"
NO_CHANNEL = "-ERR No such channel!\n"
NO_SESSION = "-ERR Cannot locate session!\n"


@dataclass(frozen=True)
class Console:
    """Handed to every command."""

    switch: Switch
    power: Callable[[str], None]
    """Ends the switch: with what stands behind `fsctl shutdown`."""
    run: Callable[[str, str], str]
    """Another command, with its argument; its reply, also where there is none of this name."""

    def leg(self, name: str) -> SipLeg | None:
        """A leg that is up; one that has hung up cannot be located any more."""
        channel = self.switch.channels.get(name)
        return channel if channel is not None and not channel.hangup_cause else None


Command = Callable[[Console, str], str]
Table = dict[str, Command]


def usage(text: str) -> str:
    """What a command says that was called wrongly."""
    return f"-USAGE: {text}\n"
