"""What the lines of SIP in a trace leave open, and what the events of its legs settle (check/dialogs.py)."""

from __future__ import annotations

import pytest

from freeswitch.simulator.check.dialogs import Act, Dialog, Reader
from freeswitch.simulator.check.read import Step, Trace

START_US = 1_795_000_000_000_000
DIALLED = "0901234567"


def us(ms: int) -> str:
    return str(START_US + ms * 1000)


def event(name: str, leg: str, ms: int, **more: str) -> dict[str, str]:
    about = {"Event-Name": name, "Unique-ID": leg, "Event-Date-Timestamp": us(ms), "Call-Direction": "outbound"}
    about |= {"Caller-Destination-Number": DIALLED, "Caller-Channel-Created-Time": us(0)}
    return about | {key.replace("_", "-"): value for key, value in more.items()}


def dialogs(lines: list[tuple[int, str]], *events: dict[str, str]) -> list[Dialog]:
    steps = tuple(Step(ms * 1000, text) for ms, text in lines)
    reader = Reader(Trace("t", events, (), steps, (), {}, START_US))
    reader.read()
    return reader.dialogs


def kinds(dialog: Dialog) -> list[str]:
    return [act.kind for act in dialog.acts]


def invited(who: str, port: int, ms: int = 0) -> tuple[int, str]:
    return ms, f"{who} <- INVITE sip:{DIALLED}@127.0.0.1:{port} SIP/2.0"


ANSWERED = [
    invited("t1", 5091),
    (1, "t1 -> SIP/2.0 100 Trying (7 INVITE)"),
    (100, "t1 -> SIP/2.0 200 OK (7 INVITE)"),
]
RE_INVITES = [(ms, "t1 -> INVITE sip:mod_sofia@127.0.0.1:5080 SIP/2.0") for ms in (2000, 4000)]


def test_a_leg_that_the_transport_itself_refused_was_refused_though_no_line_tells() -> None:
    refused = {"variable_sip_hangup_disposition": "recv_refuse", "variable_sip_term_status": "503"}
    refused |= {"variable_sip_invite_failure_phrase": "Service Unavailable"}
    down = event("CHANNEL_HANGUP", "first", 20) | refused
    second = event("CHANNEL_OUTGOING", "second", 30) | {"Caller-Channel-Created-Time": us(30)}
    lines = [
        invited("t2", 5092, 31),
        (32, "t2 -> SIP/2.0 100 Trying (7 INVITE)"),
        (90, "t2 -> SIP/2.0 200 OK (7 INVITE)"),
    ]
    nobody, somebody = dialogs(lines, event("CHANNEL_OUTGOING", "first", 0), down, second)
    assert nobody.acts == [Act(20_000, "refuse", "503 Service Unavailable")]
    assert (somebody.who, kinds(somebody)) == ("t2", ["answer"])


def test_a_leg_that_was_only_cancelled_was_not_refused() -> None:
    (nobody,) = dialogs(
        [invited("t1", 5091)], event("CHANNEL_OUTGOING", "first", 0), event("CHANNEL_HANGUP", "first", 900)
    )
    assert nobody.acts == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((("CHANNEL_HOLD", 2010), ("CHANNEL_UNHOLD", 4260)), ["answer", "hold", "unhold"]),
        ((), ["answer", "refresh", "refresh"]),
        ((("CHANNEL_HOLD", 4020),), ["answer", "refresh", "hold"]),
    ],
)
def test_a_re_invite_holds_takes_up_or_changes_nothing(told: tuple[tuple[str, int], ...], expected: list[str]) -> None:
    came = event("CHANNEL_OUTGOING", "leg", 0)
    (call,) = dialogs(ANSWERED + RE_INVITES, came, *(event(name, "leg", ms) for name, ms in told))
    assert kinds(call) == expected


@pytest.mark.parametrize("code", ["180 Ringing", "183 Session Progress"])
@pytest.mark.parametrize(
    ("noted", "expected"),
    [("Caller-Channel-Progress-Time", "ring"), ("Caller-Channel-Progress-Media-Time", "early")],
)
def test_ringing_and_progress_come_with_sound_or_without(code: str, noted: str, expected: str) -> None:
    lines = [invited("t1", 5091), (1, "t1 -> SIP/2.0 100 Trying (7 INVITE)"), (50, f"t1 -> SIP/2.0 {code} (7 INVITE)")]
    (call,) = dialogs(lines, event("CHANNEL_OUTGOING", "leg", 0), event("CHANNEL_ANSWER", "leg", 900) | {noted: us(60)})
    assert kinds(call) == [expected]


def test_a_bye_takes_effect_when_it_is_answered() -> None:
    lines = [*ANSWERED, (900, "t1 -> BYE sip:mod_sofia@127.0.0.1:5080 SIP/2.0"), (918, "t1 <- SIP/2.0 200 OK (8 BYE)")]
    (call,) = dialogs(lines, event("CHANNEL_OUTGOING", "leg", 0))
    assert call.acts[-1] == Act(START_US + 918_000, "hangup", "BYE")


def test_a_call_that_comes_once_more_with_its_password_is_the_same() -> None:
    lines = [
        invited("t1", 5091, 0),
        (1, "t1 -> SIP/2.0 407 Proxy Authentication Required (8 INVITE)"),
        invited("t1", 5091, 3),
        (4, "t1 -> SIP/2.0 100 Trying (9 INVITE)"),
        (500, "t1 -> SIP/2.0 200 OK (9 INVITE)"),
    ]
    first, second = event("CHANNEL_OUTGOING", "first", 0), event("CHANNEL_OUTGOING", "second", 900)
    (call,) = dialogs(lines, first, second)
    assert [(act.kind, act.at_us) for act in call.acts] == [("answer", 500_000)]
    ended = event("CHANNEL_HANGUP", "first", 2) | {"variable_sip_term_status": "407"}
    assert len(dialogs(lines, first, ended, second)) == 2


def test_a_re_invite_that_is_refused_changes_nothing() -> None:
    lines = [
        *ANSWERED,
        (900, "t1 -> INVITE sip:mod_sofia@127.0.0.1:5080 SIP/2.0"),
        (902, "t1 <- SIP/2.0 488 Not Acceptable Here (8 INVITE)"),
    ]
    (call,) = dialogs(lines, event("CHANNEL_OUTGOING", "leg", 0))
    assert kinds(call) == ["answer"]


def test_a_refer_belongs_to_the_call_whose_leg_noted_it() -> None:
    lines = [
        *ANSWERED,
        invited("t1", 5091, 200),
        (201, "t1 -> SIP/2.0 100 Trying (8 INVITE)"),
        (300, "t1 -> SIP/2.0 200 OK (8 INVITE)"),
        (900, "t1 -> REFER sip:mod_sofia@127.0.0.1:5080 SIP/2.0"),
    ]
    later = event("CHANNEL_OUTGOING", "second", 200) | {"Caller-Channel-Created-Time": us(200)}
    answered = [
        event("CHANNEL_ANSWER", leg, ms) | {"Caller-Channel-Answered-Time": us(ms)}
        for leg, ms in (("first", 100), ("second", 300))
    ]
    referred = event("CHANNEL_HANGUP", "first", 905) | {"variable_transfer_disposition": "recv_replace"}
    first, second = dialogs(lines, event("CHANNEL_OUTGOING", "first", 0), later, *answered, referred)
    assert (kinds(first), kinds(second)) == (["answer", "refer"], ["answer"])


@pytest.mark.parametrize(("said", "acts"), [("500 Internal Server Error", []), ("202 Accepted", ["refer"])])
def test_nothing_came_of_a_refer_that_was_refused(said: str, acts: list[str]) -> None:
    """The product had taken the call from its far end in the same moment."""
    lines = [
        *ANSWERED,
        (2000, "t1 -> REFER sip:mod_sofia@127.0.0.1:5080 SIP/2.0"),
        (2008, f"t1 <- SIP/2.0 {said} (24 REFER)"),
    ]
    (talk,) = dialogs(lines, event("CHANNEL_ANSWER", "t1", 100))
    assert kinds(talk) == ["answer", *acts]
