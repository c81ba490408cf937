"""PURE: who is at the far ends: phones that are registered, carriers, callers, and how they behave.

Enters: nothing. Leaves: data that tests and traffic make and change at run time. Who acts on it belongs to acting.py,
who calls whom how often to traffic.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from freeswitch.simulator.calls.codecs import OURS, Codecs


@dataclass(frozen=True)
class Deed:
    """What somebody does in a call, so many seconds after the deed before it, or after the answer."""

    after_s: float
    what: Literal["presses", "holds", "takes up", "transfers", "hangs up"]
    value: str = ""
    """`presses`: the keys; `transfers`: the number (REFER)."""


@dataclass(frozen=True)
class Behaviour:
    """How whoever is called behaves. Times in seconds."""

    refuses: int = 0
    """A SIP code such as 486; 0 does not refuse."""
    answers: bool = True
    after_s: float = 0.8
    """From the INVITE to the answer or the refusal."""
    rings_after_s: float | None = 0.05
    """None: neither 180 nor 183 before the end."""
    early_media: bool = False
    talks_s: float | None = None
    """Hangs up so long after its answer; None leaves that to the other side."""
    presses: str = ""
    presses_after_s: float = 1.0
    """After the answer."""
    does: tuple[Deed, ...] = ()
    """Further deeds after the answer, ahead of talks_s."""


ANSWERS = Behaviour()
RINGS_OUT = Behaviour(answers=False)
BUSY = Behaviour(refuses=486, after_s=0.1, rings_after_s=None)
REJECTS = Behaviour(refuses=603, after_s=0.4)
NO_SUCH_NUMBER = Behaviour(refuses=404, after_s=0.1, rings_after_s=None)
OUT_OF_SERVICE = Behaviour(refuses=503, after_s=0.1, rings_after_s=None)
SILENT = Behaviour(refuses=408, after_s=32.0, rings_after_s=None)
"""Nothing answers an INVITE: the switch gives up after 64 times T1 (RFC 3261, timer B) as if 408 had come."""
ELSEWHERE = Behaviour(refuses=302, after_s=0.1, rings_after_s=None)
"""Says that the person is to be found at another address."""


@dataclass
class Phone:
    """A device of ours; its behaviour may change while the switch runs."""

    id: str
    behaviour: Behaviour = ANSWERS
    registered: bool = True
    tenant: str = ""
    domain: str = ""
    """Empty: the simulator's own."""
    port: int = 5161
    user_agent: str = "Simulated/1.0"
    call_id: str = ""
    """Of its REGISTER; empty draws one each time."""
    variables: dict[str, str] = field(default_factory=dict)
    """What its entry in the directory adds to its registrations and calls."""

    @property
    def address(self) -> str:
        """`1001@pbx.example`: what the switch knows it by, since the same id may stand in several domains."""
        return f"{self.id}@{self.domain}"


@dataclass
class Carrier:
    """A trunk: by gateway name, or by profile and host. It knows how some numbers behave, and the rest."""

    name: str
    gateway: str = ""
    host: str = ""
    profile: str = "external"
    numbers: dict[str, Behaviour] = field(default_factory=dict)
    otherwise: Behaviour = ANSWERS
    username: str = ""
    """Of the switch, there; empty repeats the gateway's name."""
    registers: bool = False
    """Whether the switch registers with it, as its gateway."""
    ping_s: int = 0
    """How often the switch asks it with OPTIONS whether it is there; 0 never."""
    responds: tuple[int, str] = (200, "OK")
    """To REGISTER and OPTIONS, of now."""

    def behaviour_of(self, number: str) -> Behaviour:
        """How whoever has this number behaves."""
        return self.numbers.get(number, self.otherwise)


@dataclass(frozen=True)
class Caller:
    """Somebody who calls in. Times in seconds; None is without end."""

    number: str
    name: str | None = ""
    """What the phone sends as display name; empty repeats the number, None sends none."""
    withheld: bool = False
    """Privacy: id; the network still tells us the number in P-Asserted-Identity."""
    patience_s: float | None = None
    """Cancels after so long without an answer."""
    waits_s: float | None = None
    """Hangs up after so long with a machine (music, greeting) and no person."""
    talks_s: float | None = None
    """Hangs up after so long with a person."""
    message_s: float = 3.0
    """How long the message is that this caller leaves."""
    does: tuple[Deed, ...] = ()
    """Deeds after the answer, by whoever or whatever."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further SIP headers: name -> value, seen as variable_sip_h_<name>."""
    shown: str = ""
    """The user in its From, where that is not the number."""
    identities: dict[str, str] = field(default_factory=dict)
    """P-Asserted-Identity (its user only), P-Preferred-Identity, Remote-Party-ID, Privacy, as sofia keeps them; without
    them withheld callers have those that it takes."""
    asserted_name: str = ""
    """The display name in the last of these."""
    speaks: Codecs = OURS[:1]
    """The codecs in its INVITE, the best first; none if that describes no sound."""
    wrong_password: bool = False
    """Of a phone of ours: its INVITE is refused with 403."""
    replaces: str = ""
    """The leg whose place it wants (header Replaces), as whoever picks up a colleague's call."""
    early_only: bool = False
    """Only as long as that one still rings."""
