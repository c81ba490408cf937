"""The texts that a switch is sent, read as FreeSWITCH reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeswitch.simulator import causes, plan
from freeswitch.simulator.plan import App, Target


def test_a_whole_plan_of_a_captured_call() -> None:
    apps = plan.inline(
        "m:~:sched_cancel~multiset:^^|tt_decision=d-1|continue_on_fail=USER_BUSY,NO_ANSWER"
        "~bridge:[tt_leg=ext,leg_timeout=3]sofia/internal/1001%127.0.0.1|[tt_leg=forward]sofia/gateway/t/0901234567"
        "~playback:tone_stream://%(300,100,800);loops=2~park"
    )
    assert [app.name for app in apps] == ["sched_cancel", "multiset", "bridge", "playback", "park"]
    assert plan.assignments(apps[1].data) == [("tt_decision", "d-1"), ("continue_on_fail", "USER_BUSY,NO_ANSWER")]
    assert plan.dial_string(apps[2].data).groups == (
        (Target("sofia/internal/1001%127.0.0.1", {"tt_leg": "ext", "leg_timeout": "3"}),),
        (Target("sofia/gateway/t/0901234567", {"tt_leg": "forward"}),),
    )
    assert plan.duration_s(apps[3].data) == pytest.approx(0.8)


def test_uuid_transfer_keeps_the_quoted_plan_together() -> None:
    assert plan.words("u-1 'm:~:answer~playback:a b.wav' inline") == ["u-1", "m:~:answer~playback:a b.wav", "inline"]
    assert plan.words(r"u-1 'set:a=O\'Brien' inline")[1] == "set:a=O'Brien"


def test_an_apostrophe_that_nobody_escaped_breaks_the_command_as_on_the_real_switch() -> None:
    assert plan.words("u-1 'm:~:set:a=O'Brien~park' inline")[-1] != "inline"


def test_dial_string_with_everything() -> None:
    dial = plan.dial_string("{tt_step=1}[a=1,b=x]sofia/internal/1%d,[^^:a=b,c:d=e]sofia/external/2@h|error/USER_BUSY")
    assert dial.variables == {"tt_step": "1"}
    assert dial.groups[0][1].variables == {"a": "b,c", "d": "e"}
    assert [target.endpoint for target in dial.groups[1]] == ["error/USER_BUSY"]


def test_a_variable_with_nothing_behind_its_equals_sign_is_not_set_and_one_of_two_quotes_is() -> None:
    """So `[group_confirm_key=]` takes nothing back of what the caller's leg says."""
    dial = plan.dial_string("{tt_step=}[group_confirm_key=,a='',b=1]sofia/internal/1%d")
    assert dial.variables == {}
    assert dial.groups[0][0].variables == {"a": "", "b": "1"}


def test_a_name_put_into_brackets_by_reference_injects_as_on_the_real_switch() -> None:
    """Why no plan of ours may hold ${…}: it is expanded before the dial string is parsed."""
    text = plan.expand("[tt_tenant=acme,name=${caller_id_name}]sofia/x/1", {"caller_id_name": "x,tt_tenant=victim"}.get)
    assert plan.dial_string(text).groups[0][0].variables["tt_tenant"] == "victim"


def test_expansion_is_recursive_and_never_runs_an_api() -> None:
    values = {"tt_x": "a${tt_pin}b", "tt_pin": "4711"}
    assert plan.expand("${tt_x}", values.get) == "a4711b"
    assert plan.expand("a${system(id)}b", values.get) == "a<API Execute Permission Denied>b"


@pytest.mark.parametrize(
    ("piece", "value"),
    [("2:4", "1234"), ("0:2", "03"), ("-4", "5678"), ("99", ""), ("-99:3", "031"), ("2:0", "12345678")],
)
def test_a_piece_of_a_variable(piece: str, value: str) -> None:
    """As switch_event_expand_headers cuts it."""
    assert plan.expand(f"${{tt_did:{piece}}}", {"tt_did": "0312345678"}.get) == value


def test_pairs_cut_at_semicolons_keep_what_is_quoted_or_escaped() -> None:
    """Captured: uuid_setvar_multi."""
    assert plan.separated("tt_m1=a b;tt_m2='c;d';tt_m3=e\\;f;tt_m4=", ";") == [
        "tt_m1=a b",
        "tt_m2=c;d",
        "tt_m3=e;f",
        "tt_m4=",
    ]
    assert plan.separated(";;", ";") == ["", ""]
    assert plan.words("a it's \\ b") == ["a", "it's \\ b"]


def test_originate_is_cut_at_every_blank_and_its_application_ends_at_the_first_bracket() -> None:
    with pytest.raises(plan.Malformed) as broken:
        plan.originate("{name=John Smith}sofia/x/1 &park()")
    assert not isinstance(broken.value, plan.Unusable)
    assert plan.originate("{name='John Smith'}sofia/x/1 &park()").dial.variables == {"name": "John Smith"}
    tone = plan.originate("sofia/x/1 &playback(tone_stream://%(300,100,800);loops=3)").then
    assert tone == App("playback", "tone_stream://%(300,100,800")
    with pytest.raises(plan.Unusable):
        plan.originate("a b c d e f g h")


def test_originate_for_an_operator() -> None:
    asked = plan.originate("{origination_uuid=u-9,originate_timeout=10}sofia/internal/1001%d &park()")
    assert asked.then == App("park")
    assert asked.dial.variables == {"origination_uuid": "u-9", "originate_timeout": "10"}
    assert plan.originate("sofia/x/1 &bridge([a=b]sofia/gateway/t/090)").then == App(
        "bridge", "[a=b]sofia/gateway/t/090"
    )
    assert plan.originate("sofia/x/1 1002 XML default").extension == "1002"
    with pytest.raises(plan.Malformed):
        plan.originate("sofia/x/1")


@pytest.mark.parametrize(
    ("path", "seconds"),
    [
        ("tone_stream://%(200,100,500);%(200,100,400);loops=4", 2.4),
        ("tone_stream://%(250,100,880)", 0.35),
        ("silence_stream://1500", 1.5),
        ("local_stream://moh", None),
        ("file_string://a.wav!b.wav", 4.25),
        ("silence_stream://-1", None),
    ],
)
def test_how_long_a_sound_lasts(path: str, seconds: float | None) -> None:
    assert plan.duration_s(path) == (seconds if seconds is None else pytest.approx(seconds))


def test_which_failures_a_plan_survives() -> None:
    listed = "USER_BUSY,NO_ANSWER,USER_NOT_REGISTERED,NORMAL_TEMPORARY_FAILURE"
    assert causes.goes_on("true", None, "ALLOTTED_TIMEOUT")
    assert causes.goes_on(listed, None, "USER_BUSY")
    assert not causes.goes_on(listed, None, "ALLOTTED_TIMEOUT")
    assert not causes.goes_on(None, None, "USER_BUSY")
    assert causes.goes_on(None, None, "NO_ANSWER"), "that nobody answers is no failure"
    assert causes.goes_on(None, "USER_BUSY", "CALL_REJECTED")
    assert not causes.goes_on(None, "USER_BUSY", "USER_BUSY")
    assert causes.named("17") == "USER_BUSY"
    assert causes.named("hangup:486") == "NORMAL_CLEARING"


@given(
    st.lists(st.tuples(st.sampled_from(["set", "playback", "park"]), st.text("abc=,:[]{}^|/", max_size=12)), min_size=1)
)
def test_every_application_of_a_plan_comes_out_as_it_went_in(apps: list[tuple[str, str]]) -> None:
    text = "m:~:" + "~".join(f"{name}:{data}" for name, data in apps)
    assert [(app.name, app.data) for app in plan.inline(text)] == apps[: plan.MAX_APPS]


@given(st.text(max_size=60))
def test_hostile_text_never_breaks_the_readers(text: str) -> None:
    plan.words(text)
    plan.inline(text)
    plan.assignments(text)
    for read in (plan.dial_string, plan.originate):
        try:
            read(text)
        except plan.Malformed:
            continue
