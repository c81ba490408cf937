"""Commands become FreeSWITCH text: the plans of the README's kinds, and nothing foreign that could end or expand."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proto import commands as c
from proto import plan as p
from proto.envelope import Envelope
from proto.message import Command
from proto.values import Party
from services.eventsocket.plan_text import GOES_ON
from services.eventsocket.render import Refused, RenderSettings, Written, render, verdict
from services.eventsocket.words import shown_name

DECISION = "6d0f8f6e-6a0c-5c0f-9c0a-0d7f2a7c1c55"
LEG = "793bc1f6-ad4b-4e8b-81c8-503ac2db1110"
SETTINGS = RenderSettings(recordings_dir="/rec", sounds_dir="/sounds")
DESK = p.Phone("1001", "127.0.0.1")
APP = p.Phone("1101", "127.0.0.1", after_s=6)
GATEWAY = p.Carrier("main", gateway="trunk1")
HOST = p.Carrier("second", profile="external", host="127.0.0.1:5091")
CALLER = Party("09012345678", "佐藤 花子")
WITHHELD = Party(presentation="withheld")


def envelope(body: Command, **other: Any) -> Envelope:
    return Envelope(
        **{"body": body, "id": DECISION, "source": "routing", "tenant": "acme", "call": LEG}
        | other
        | {"occurred_at_us": 1}
    )


def route(*steps: p.AnyStep, caller: Party = CALLER, payer: str = "acme") -> c.RouteCall:
    return c.RouteCall(switch="fs1", leg=LEG, payer=payer, caller=caller, plan=steps)


def applications(*steps: p.AnyStep, caller: Party = CALLER) -> list[str]:
    (written,) = render(envelope(route(*steps, caller=caller)), SETTINGS)
    whole = re.fullmatch(rf"api uuid_transfer {LEG} 'm:~:(.*)' inline", written.text)
    assert whole is not None
    return whole.group(1).split("~")


def variables(application: str) -> dict[str, str]:
    head = application.removeprefix("multiset:^^|")
    assert head != application
    return dict(item.split("=", 1) for item in head.split("|"))


def test_every_plan_first_cancels_the_net_then_says_whose_call_it_is() -> None:
    first, second, *_ = applications(p.Ring((DESK,)))
    assert first == "sched_cancel"
    said = variables(second)
    assert said | {"continue_on_fail": ""} == {
        "tt_decision": DECISION,
        "tt_call": LEG,
        "tt_tenant": "acme",
        "tt_payer": "acme",
        "tt_stage": "routed",
        "tt_next": "",
        "tt_queue": "",
        "playback_timeout_sec": "",
        "hangup_after_bridge": "true",
        "continue_on_fail": "",
        "call_timeout": "60",
        "sip_copy_custom_headers": "false",
        "sip_ignore_remote_cause": "true",
        "effective_caller_id_name": "佐藤 花子",
        "effective_caller_id_number": "09012345678",
    }
    assert {"NO_ANSWER", "ALLOTTED_TIMEOUT", "USER_BUSY", "USER_NOT_REGISTERED"} <= set(GOES_ON)
    assert "NORMAL_CLEARING" in GOES_ON, "somebody took the call and hung up without the key that confirms"
    assert "ORIGINATOR_CANCEL" in GOES_ON, "a called switch that says 487 by itself"
    assert not {"LOSE_RACE", "SYSTEM_SHUTDOWN"} & set(GOES_ON)
    assert said["continue_on_fail"] == ",".join(GOES_ON)


def test_phones_ring_together_desk_first_or_in_turn() -> None:
    tags = f"tt_leg=ring,tt_call={LEG},tt_tenant=acme,tt_payer=acme"
    assert applications(p.Ring((DESK, APP), 20))[2:] == [
        f"bridge:[{tags},leg_timeout=20]sofia/internal/1001%127.0.0.1,"
        f"[{tags},leg_delay_start=6,leg_timeout=14]sofia/internal/1101%127.0.0.1",
        "hangup:NO_ANSWER",
    ]
    in_turn = applications(p.Ring((DESK, APP), 20, "in_turn"))
    assert in_turn[2].count("|") == 1
    assert variables(in_turn[1])["call_timeout"] == "60"
    assert variables(applications(p.Ring((DESK, APP), 60, "in_turn"))[1])["call_timeout"] == "125"


def test_phones_are_dialled_with_encrypted_voice_where_that_is_set_and_carriers_never() -> None:
    settings = RenderSettings(srtp="mandatory")
    plan = route(p.Ring((DESK, APP), 20), p.Forward("09011112222", GATEWAY))
    (written,) = render(envelope(plan), settings)
    ring, forward = (part for part in written.text.split("~") if part.startswith("bridge:"))
    assert ring.count("rtp_secure_media=mandatory") == 2 and "rtp_secure_media" not in forward
    (offered,) = render(envelope(c.OriginateCall(switch="fs1", phone=DESK, payer="acme", caller=CALLER)), settings)
    assert "rtp_secure_media=mandatory" in offered.text


def test_a_forward_goes_through_its_carrier_and_may_ask_for_a_key() -> None:
    tags = f"tt_leg=forward,tt_call={LEG},tt_tenant=acme,tt_payer=acme,leg_timeout=30"
    assert applications(p.Forward("09011112222", GATEWAY))[2] == f"bridge:[{tags}]sofia/gateway/trunk1/09011112222"
    shown = applications(p.Forward("09011112222", HOST, present="0312345678"))[2]
    assert shown == (
        f"bridge:[{tags},origination_caller_id_number=0312345678,origination_caller_id_name=0312345678]"
        "sofia/external/09011112222@127.0.0.1:5091"
    )
    asked = applications(p.Forward("09011112222", GATEWAY, confirm=True), p.Ring((DESK,)))
    assert variables(asked[2]) == {
        "group_confirm_file": "/sounds/confirm.wav",
        "group_confirm_key": "1",
        "group_confirm_read_timeout": "5000",
    }
    assert variables(asked[4]) == {"group_confirm_file": "", "group_confirm_key": ""}


def test_a_withheld_caller_stays_withheld() -> None:
    said = applications(p.Ring((DESK,)), p.Forward("09011112222", GATEWAY), caller=WITHHELD)
    assert variables(said[1])["effective_caller_id_name"] == "Anonymous"
    assert variables(said[1])["effective_caller_id_number"] == "anonymous"
    assert variables(said[1])["sip_cid_type"] == "none"
    assert "sip_cid_type=none,sip_h_Privacy=id" in said[3]
    hidden = c.OriginateCall(
        switch="fs1", phone=DESK, payer="acme", caller=msgspec.structs.replace(CALLER, presentation="withheld")
    )
    (written,) = render(envelope(hidden), SETTINGS)
    assert "09012345678" not in written.text
    assert "origination_caller_id_number=anonymous" in written.text


def test_184_tells_the_carrier_who_calls_and_nobody_else() -> None:
    step = p.Forward("09011112222", GATEWAY, present="0312345678", withhold=True)
    said = applications(step, caller=WITHHELD)
    assert variables(said[1])["effective_caller_id_number"] == "anonymous"
    leg = said[2].partition("]")[0]
    assert leg.endswith(
        "origination_caller_id_number=anonymous,origination_caller_id_name=Anonymous,sip_cid_type=none,"
        "sip_h_Privacy=id,sip_h_P-Asserted-Identity=<tel:+81312345678>"
    )
    assert "0312345678" not in said[2]
    for hostile in ("0312>,x=1", "03$1", "03\n12"):
        with pytest.raises(Refused):
            applications(msgspec.structs.replace(step, present=hostile), caller=WITHHELD)


def test_prompts_messages_and_waiting() -> None:
    assert applications(p.Play("not_in_use", early=True), p.Reject("UNALLOCATED_NUMBER"))[2:] == [
        "pre_answer",
        "playback:/sounds/not_in_use.wav",
        "hangup:UNALLOCATED_NUMBER",
    ]
    assert applications(p.Play("closed"))[2:] == [
        "answer",
        "playback:/sounds/closed.wav",
        "hangup:NORMAL_CLEARING",
    ]
    assert applications(p.TakeMessage("sales", max_s=90))[2:] == [
        "multiset:^^|tt_stage=voicemail",
        "answer",
        "playback:/sounds/voicemail.wav",
        "playback:tone_stream://%(300,100,800)",
        f"record:/rec/acme/{LEG}-message.wav 90 200 5",
        "multiset:^^|tt_stage=voicemail_done",
        "hangup:NORMAL_CLEARING",
    ]
    assert applications(p.Wait("tokyo-pool", for_s=45))[2:] == [
        "multiset:^^|tt_stage=queue|tt_queue=tokyo-pool|tt_next=answering|playback_timeout_sec=45",
        "answer",
        "playback:local_stream://moh",
        "sched_transfer:+4 fallback XML fallback",
        "park",
    ]
    assert applications(p.HandOver("answering", "pool"))[2:] == [
        "sched_transfer:+4 fallback XML fallback",
        "multiset:^^|tt_stage=handed_over|tt_queue=pool|tt_next=answering",
        "park",
    ]


def test_without_any_sound_files_every_prompt_of_ours_is_heard() -> None:
    for prompt in ("confirm", "voicemail", "closed", "not_in_use"):
        (written,) = render(envelope(route(p.Play(prompt))), RenderSettings())
        assert "playback:tone_stream://" in written.text


def texts(body: Command) -> list[str]:
    return [written.text for written in render(envelope(body), SETTINGS)]


def test_the_other_commands() -> None:
    originate = c.OriginateCall(switch="fs1", phone=DESK, for_s=15, payer="acme", caller=CALLER)
    assert render(envelope(originate), SETTINGS) == [
        Written(
            f"bgapi originate {{origination_uuid={DECISION},tt_leg=operator,tt_decision={DECISION},tt_call={LEG},"
            "tt_tenant=acme,tt_payer=acme,originate_timeout=15,ignore_early_media=true,hangup_after_bridge=true,"
            "park_timeout=30:NORMAL_CLEARING,origination_caller_id_number=09012345678,"
            "origination_caller_id_name=09012345678}sofia/internal/1001%127.0.0.1 &park()\n"
            f"Job-UUID: {DECISION}",
            DECISION,
        )
    ]
    assert texts(c.BridgeLegs(switch="fs1", leg=LEG, other="b-1")) == [f"api uuid_bridge {LEG} b-1"]
    assert texts(c.HangUp(switch="fs1", leg=LEG, cause="LOSE_RACE")) == [f"api uuid_kill {LEG} LOSE_RACE"]
    assert texts(c.StartRecording(switch="fs1", leg=LEG, recording="r-1", max_s=60)) == [
        f"api uuid_setvar {LEG} RECORD_STEREO true",
        f"api uuid_record {LEG} start /rec/acme/r-1.wav 60 {{tt_rec=r-1}}",
    ]
    assert texts(c.StopRecording(switch="fs1", leg=LEG, recording="r-1")) == [
        f"api uuid_record {LEG} stop /rec/acme/r-1.wav"
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("佐藤 花子", "佐藤 花子"),
        ("O'Brien, Ltd. (Tokyo)", "O Brien, Ltd. (Tokyo)"),
        ("A\r\nX-Evil: 1", "A X-Evil 1"),
        ("A%0D%0AX-Evil%3A 1", "A 0D 0AX-Evil 3A 1"),
        ("${system(id)}", "system(id)"),
        ("x]sofia/external/evil@127.0.0.1,[tt_q=1", "x sofia external evil 127.0.0.1, tt_q=1"),
        ("x|tt_tenant=victim", "x tt_tenant=victim"),
        ("'~park", "park"),
        ("\u202eevil\u2028", "evil"),
        ("\"$'|~", "_undef_"),
        ("", "_undef_"),
        ("あ" * 200, "あ" * 60),
    ],
)
def test_a_callers_name_passes_one_whitelist(name: str, shown: str) -> None:
    """What was seen to inject headers, variables or whole legs on a real switch becomes blanks."""
    assert shown_name(name) == shown
    said = variables(applications(p.Ring((DESK,)), caller=Party("0312345678", name))[1])
    assert said["effective_caller_id_name"] == shown


@pytest.mark.parametrize(
    "body",
    [
        route(),
        route(p.Ring(())),
        route(p.Reject("USER_BUSY"), p.Ring((DESK,))),
        route(p.Forward("09011112222", p.Carrier("none"))),
        route(p.Forward("", GATEWAY)),
        route(*[p.Play("closed")] * 80),
        c.BridgeLegs(switch="fs1", leg=LEG, other="x\n\napi evil"),
        c.StartRecording(switch="fs1", leg=LEG, recording="../../etc/x"),
        c.HangUp(switch="fs1", leg=LEG + " x"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(body: Command) -> None:
    with pytest.raises(Refused):
        render(envelope(body), SETTINGS)


def test_settings_that_could_break_a_plan_are_refused() -> None:
    for bad in (
        RenderSettings(sounds_dir="/a'b"),
        RenderSettings(recordings_dir="/a/../b"),
        RenderSettings(phone_profile="internal]x"),
    ):
        with pytest.raises(Refused):
            render(envelope(route(p.Ring((DESK,)), p.Play("closed"), p.TakeMessage("m"), p.Wait("q"))), bad)


MARKS = st.text(alphabet=st.sampled_from("\r\n$`{}[]<>\"'\\|~,;:^@/%=& aあ\x00\u2028"), max_size=40)
ANY = st.one_of(MARKS, st.text(max_size=60))


def _steps(text: str, digits: str) -> list[p.AnyStep]:
    """Steps with foreign text in every field that holds text: structs are not validated when built in code."""
    phone = p.Phone(text, text)
    carrier = p.Carrier("c", gateway=text, profile=text, host=text)
    return [
        p.Ring((DESK, phone)),
        p.Forward(text, carrier, present=digits),
        p.Forward("0312345678", GATEWAY, present=text),
        p.Play(text),
        p.TakeMessage(text, text),
        p.Wait(text, text),
        p.HandOver(text, text),
        p.Reject(text),  # type: ignore[arg-type]
    ]


@settings(max_examples=300)
@given(ANY, ANY, ANY, st.integers(0, 7), st.booleans())
def test_no_text_of_any_command_ends_an_argument_or_expands(
    text: str, other: str, name: str, position: int, hidden: bool
) -> None:
    """Either refused, or what was rendered has exactly the shape that our own words give it."""
    caller = Party(other, name, "withheld" if hidden else "shown")
    bodies: list[tuple[Command, dict[str, Any]]] = [
        (route(_steps(text, other)[position], caller=caller), {}),
        (route(p.Ring((DESK,)), caller=caller), {}),
        (route(p.Ring((DESK,)), payer=text), {}),
        (route(p.Ring((DESK,))), {"id": text}),
        (route(p.Ring((DESK,))), {"call": text}),
        (route(p.Ring((DESK,))), {"tenant": text}),
        (c.OriginateCall(switch="fs1", phone=DESK, payer="acme", caller=caller, kind=text), {}),
        (c.OriginateCall(switch="fs1", phone=DESK, payer="acme", caller=caller), {}),
        (c.BridgeLegs(switch="fs1", leg=text, other=other), {}),
        (c.StartRecording(switch="fs1", leg=LEG, recording=text), {}),
        (c.HangUp(switch="fs1", leg=text), {}),
    ]
    for body, changed in bodies:
        try:
            written = render(envelope(body, **changed), SETTINGS)
        except Refused as error:
            assert not text or text not in str(error) or len(text) < 12
            continue
        for one in written:
            _assert_inert(one)


def _assert_inert(written: Written) -> None:
    line, *rest = written.text.split("\n")
    assert rest == ([f"Job-UUID: {written.job}"] if written.job else [])
    assert not set('\r\0$`\\"<>\u2028') & set(written.text)
    assert line.count("'") in (0, 2)
    if line.startswith("api uuid_transfer"):
        inner = line.split("'")[1]
        assert "${" not in inner
        known = {
            "sched_cancel",
            "multiset",
            "bridge",
            "hangup",
            "answer",
            "pre_answer",
            "playback",
            "record",
            "park",
            "sched_transfer",
        }
        for application in inner.removeprefix("m:~:").split("~"):
            name, _, argument = application.partition(":")
            assert name in known
            if name == "multiset":
                assert all(re.match(r"[A-Za-z_]+=", item) for item in argument.removeprefix("^^|").split("|"))
                assert not set("{}[]") & set(argument)
            if name == "bridge":
                for dialled in re.split(r"[,|](?=\[)", argument):
                    assert re.fullmatch(r"\[[A-Za-z0-9_=,.:+*#-]+\]sofia/[A-Za-z0-9._:%@/+*#-]+", dialled)
    elif line.startswith("bgapi"):
        assert re.fullmatch(r"bgapi originate \{[A-Za-z0-9_=,.:+*#-]+\}sofia/[A-Za-z0-9._%/-]+ &park\(\)", line)
    else:
        assert re.fullmatch(r"api uuid_\w+( [A-Za-z0-9._:/-]+)+( \{tt_rec=[A-Za-z0-9._:-]+\})?", line)


@pytest.mark.parametrize(
    ("reply", "taken", "word"),
    [
        ("+OK\n", True, ""),
        ("+OK Success\n", True, "Success"),
        ("-ERR No such channel!\n", False, "No such channel!"),
        ("-USAGE: <uuid>\n", False, "-USAGE: <uuid>"),
        ("Invalid Gateway!", False, "Invalid Gateway!"),
        ("", False, "no reply"),
    ],
)
def test_only_ok_is_success(reply: str, taken: bool, word: str) -> None:
    assert verdict(reply) == (taken, word)
