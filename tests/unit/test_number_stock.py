"""The life of a number in stock, its area, and whether it fits an address: decisions alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.tenant.contract import Address
from services.directory.numbers.areas import area_of, fit, kind_of
from services.directory.numbers.model import (
    DAY_US,
    TABLE,
    Happening,
    Held,
    State,
    after,
    is_free_for,
    rested,
)

CLIENTS = ("acme", "sakura")
RESTS_US = 180 * DAY_US
STEPS = st.lists(
    st.tuples(st.sampled_from(Happening), st.sampled_from(CLIENTS), st.integers(0, 200 * DAY_US)), max_size=40
)


def lived(steps: list[tuple[Happening, str, int]], rests_us: int = RESTS_US) -> list[tuple[int, Held]]:
    """What becomes of a number, step by step; what is refused changes nothing."""
    held, now_us = Held(number="0312345678"), 0
    found = [(now_us, held)]
    for happening, client, later_us in steps:
        now_us += later_us
        come_to = after(held, happening, now_us, client=client, reason="arrears", rests_us=rests_us)
        held = come_to if isinstance(come_to, Held) else rested(held, now_us)
        found.append((now_us, held))
    return found


@pytest.mark.requirement("R17")
@given(STEPS)
def test_a_number_is_somebodys_exactly_while_it_is_not_in_stock(steps: list[tuple[Happening, str, int]]) -> None:
    for _, held in lived(steps):
        assert bool(held.client) == (held.state is not State.STOCK)
        assert held.reason or held.state is not State.SUSPENDED
        assert not held.reason or held.state in (State.SUSPENDED, State.QUARANTINE, State.RESERVED)
        assert held.until_us is not None or held.state is not State.QUARANTINE
        assert held.until_us is None or held.state in (State.QUARANTINE, State.RESERVED)


@pytest.mark.requirement("R17")
@given(STEPS)
def test_no_other_client_has_a_number_before_its_quarantine_ends(steps: list[tuple[Happening, str, int]]) -> None:
    left: tuple[str, int] | None = None
    for (_, before), (now_us, held) in zip(lived(steps), lived(steps)[1:], strict=False):
        if before.state in (State.IN_USE, State.SUSPENDED) and held.state is State.QUARANTINE:
            left = (before.client, now_us)
        if left is not None and held.state in (State.RESERVED, State.IN_USE, State.SUSPENDED):
            assert held.client == left[0] or now_us - left[1] >= RESTS_US


@pytest.mark.requirement("R17")
@given(STEPS)
def test_only_resuming_or_leaving_its_file_ends_a_suspension(steps: list[tuple[Happening, str, int]]) -> None:
    for (_, before), (_, held), (happening, _, _) in zip(lived(steps), lived(steps)[1:], steps, strict=False):
        if before.state is State.SUSPENDED and held.state is not State.SUSPENDED:
            assert happening in (Happening.RESUME, Happening.LEAVE)


@pytest.mark.requirement("R17")
def test_a_number_goes_round_from_stock_to_stock() -> None:
    steps = [
        (Happening.RESERVE, "acme", State.RESERVED),
        (Happening.TAKE, "acme", State.IN_USE),
        (Happening.SUSPEND, "acme", State.SUSPENDED),
        (Happening.RESUME, "acme", State.IN_USE),
        (Happening.LEAVE, "", State.QUARANTINE),
    ]
    held = Held(number="0312345678")
    for at_us, (happening, client, state) in enumerate(steps, 1):
        come_to = after(held, happening, at_us, client=client, reason="other", rests_us=RESTS_US)
        assert isinstance(come_to, Held) and come_to.state is state
        held = come_to
    assert not is_free_for(held, "sakura", 5 + RESTS_US - 1) and is_free_for(held, "acme", 6)
    assert is_free_for(held, "sakura", 5 + RESTS_US)
    assert rested(held, 5 + RESTS_US).state is State.STOCK


def test_without_a_quarantine_a_number_is_in_stock_at_once() -> None:
    used = Held(number="0312345678", state=State.IN_USE, client="acme")
    left = after(used, Happening.LEAVE, 1, rests_us=0)
    assert isinstance(left, Held) and (left.state, left.client, left.until_us) == (State.STOCK, "", None)


def test_every_refusal_is_a_word_and_every_state_can_be_left() -> None:
    for state in State:
        assert {TABLE[state, one] for one in Happening} & (set(State) - {state})


# -- kinds and areas -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("0312345678", "geographic"),
        ("05012345678", "ip"),
        ("0120123456", "freephone"),
        ("08001234567", "freephone"),
        ("08012345678", "mobile"),
        ("06012345678", "mobile"),
        ("0612345678", "geographic"),
        ("0570123456", "navi"),
        ("110", "other"),
    ],
)
def test_the_kind_of_a_number(number: str, kind: str) -> None:
    assert kind_of(number) == kind


@pytest.mark.parametrize(
    ("number", "area"),
    [
        ("0312345678", ("03", "東京")),
        ("0422221234", ("0422", "武蔵野三鷹")),
        ("0424901234", ("042", "武蔵野三鷹")),
        ("0423251234", ("042", "国分寺")),
        ("0426251234", ("042", "八王子")),
        ("0429212345", ("04", "所沢")),
        ("0467221234", ("0467", "藤沢")),
        ("0154221234", ("0154", "釧路")),
        ("05012345678", None),
        ("0429171234", None),  # a block of which sources disagree
    ],
)
def test_the_area_of_a_number(number: str, area: tuple[str, str] | None) -> None:
    assert area_of(number) == area


@pytest.mark.requirement("R5")
@pytest.mark.parametrize(
    ("number", "address", "verdict"),
    [
        ("0312345678", Address("東京都", "千代田区"), "fits"),
        ("0312345678", Address("埼玉県", "さいたま市浦和区"), "wrong"),
        ("0312345678", Address("埼玉県"), "wrong"),
        ("0312345678", Address("東京都"), "unknown"),
        ("0312345678", Address("東京都", "立川市"), "wrong"),
        ("0425221234", Address("東京都", "立川市"), "fits"),
        ("0312345678", Address("東京都", "瑞穂町"), "wrong"),
        ("0425561234", Address("東京都", "西多摩郡瑞穂町"), "fits"),
        ("0427221234", Address("東京都", "町田市"), "fits"),
        ("0449881234", Address("東京都", "町田市"), "which_town"),
        ("0449881234", Address("東京都", "町田市", "三輪町 1-1"), "fits"),
        ("0449881234", Address("東京都", "町田市", "原町田 1-1"), "wrong"),
        ("0312345678", Address("東京都", "調布市"), "which_town"),
        ("0312345678", Address("東京都", "調布市", "仙川町1-1"), "fits"),
        ("0467851234", Address("神奈川県", "茅ヶ崎市"), "fits"),
        ("0467851234", Address("神奈川県", "茅ケ崎市"), "fits"),
        ("0661234567", Address("兵庫県", "尼崎市"), "fits"),
        ("0312345678", Address("山梨県", "甲府市"), "wrong"),
        ("0552221234", Address("山梨県", "甲府市"), "unknown"),  # not in the table: nothing is said
        ("05012345678", Address("沖縄県", "那覇市"), "fits"),
        ("0120123456", Address("沖縄県", "那覇市"), "fits"),
        ("08001234567", Address("沖縄県", "那覇市"), "fits"),
    ],
)
def test_whether_a_number_fits_an_address(number: str, address: Address, verdict: str) -> None:
    assert fit(number, address).verdict == verdict


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_any_address_can_be_asked(prefecture: str, municipality: str, street: str) -> None:
    assert fit("0312345678", Address(prefecture, municipality, street)).verdict in ("wrong", "unknown", "fits")
