"""What comes in from outside is judged alike by marshmallow (with words for people) and msgspec (on the hot path)."""

from __future__ import annotations

import re
import types
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from proto.envelope import MESSAGES
from proto.events import TenantRevised
from proto.schemas import Plain, Wrong, flatten, read, schema_for
from proto.tenant import Tenant
from proto.tenant.hours import Hours
from proto.tenant.platform import Platform, PriceRule
from proto.tenant.routes import Action, Rule

ROOTS: list[type[msgspec.Struct]] = [Tenant, Platform, *MESSAGES.values()]

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["", "0312345678\n", "\u0663", "9:00-18:00\n", "NaN", "-1", "2026-04-01"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def wire(kind: Any, metas: tuple[msgspec.Meta, ...] = ()) -> st.SearchStrategy[Any]:
    """Data as it stands in JSON for a type: mostly right, at the edges of what is allowed."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return wire(args[0], (*(a for a in args[1:] if isinstance(a, msgspec.Meta)), *metas))
    if origin in (Union, types.UnionType):
        return st.one_of([st.none() if a is type(None) else wire(a, metas) for a in args])
    if origin is Literal:
        return st.sampled_from(args)

    def last(name: str, default: Any) -> Any:
        return next((v for m in reversed(metas) if (v := getattr(m, name)) is not None), default)

    if origin is tuple:
        low = last("min_length", 0)
        return st.lists(wire(args[0]), min_size=low, max_size=max(low, 2))
    if origin is dict:
        return st.dictionaries(wire(args[0]), wire(args[1]), max_size=2)
    if kind is str:
        pattern = last("pattern", None)
        if pattern is None:
            return st.text(min_size=last("min_length", 0), max_size=12)
        return st.from_regex(pattern.replace(r"$(?!\n)", r"\Z")).filter(lambda s: len(s) >= last("min_length", 0))
    if kind is int:
        return st.integers(last("ge", -(2**40)), last("le", 2**50))
    if kind is bool:
        return st.booleans()
    if kind is Decimal:
        return st.decimals(min_value=0, max_value=10**6, places=2).map(str)
    config = kind.__struct_config__
    tag = {config.tag_field: st.just(config.tag)} if config.tag_field else {}
    if kind is Action:
        return _actions()
    known = msgspec.structs.fields(kind)
    return st.fixed_dictionaries(
        {**tag, **{f.encode_name: wire(f.type) for f in known if f.required}},
        optional={f.encode_name: wire(f.type) for f in known if not f.required},
    )


def _actions() -> st.SearchStrategy[Any]:
    fields = {f.encode_name: f for f in msgspec.structs.fields(Action)}
    whats = ("ring", "forward", "voicemail", "queue", "play", "reject")
    return st.sampled_from(whats).flatmap(
        lambda what: st.fixed_dictionaries(
            {what: wire(fields[what].type).filter(lambda v: v is not None)},
            optional={k: wire(f.type) for k, f in fields.items() if k not in whats},
        )
    )


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested data, the root included."""
    below = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in below for place in places(value, (*path, key)))]


def put(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[path[0]] = put(data[path[0]], path[1:], value)
    return copy


def drop(data: Any, path: tuple[Any, ...]) -> Any:
    copy = dict(data) if isinstance(data, dict) else list(data)
    if len(path) > 1:
        copy[path[0]] = drop(data[path[0]], path[1:])
    else:
        del copy[path[0]]
    return copy


def by_msgspec(kind: type[msgspec.Struct], data: Any) -> Any:
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, OverflowError):
        return None


class Light(StrEnum):
    RED = "red"
    GREEN = "green"


class Lamp(msgspec.Struct):
    light: Light


def test_one_of_an_enumeration_is_taken_by_its_word() -> None:
    assert read(Lamp, {"light": "green"}) == Lamp(Light.GREEN)
    with pytest.raises(ValidationError) as refused:
        read(Lamp, {"light": "blue"})
    ((path, wrong),) = flatten(refused.value.messages)
    assert (path, wrong.allowed) == (("light",), "red, green")


def by_marshmallow(kind: type[msgspec.Struct], data: Any) -> Any:
    try:
        return msgspec.convert(schema_for(kind).load(data), kind)
    except ValidationError:
        return None


@pytest.mark.parametrize("kind", ROOTS, ids=lambda kind: kind.__name__)
def test_both_take_what_is_right(kind: type[msgspec.Struct]) -> None:
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(wire(kind))
    def agree(data: Any) -> None:
        value = by_msgspec(kind, data)
        assert value is not None
        assert by_marshmallow(kind, data) == value

    agree()


@pytest.mark.parametrize("kind", ROOTS, ids=lambda kind: kind.__name__)
def test_both_refuse_what_is_wrong(kind: type[msgspec.Struct]) -> None:
    # What fails is shown as it is: to shrink a whole client takes longer than a test may.
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],
    )
    @given(wire(kind), st.data())
    def agree(data: Any, choose: st.DataObject) -> None:
        where = choose.draw(st.sampled_from(places(data)))
        how = choose.draw(st.sampled_from(["junk", "drop", "more"]))
        if how == "drop" and where:
            data = drop(data, where)
        elif how == "more":
            data = put(data, where, {"zz": 1})
        else:
            data = put(data, where, choose.draw(JUNK))
        assert by_marshmallow(kind, data) == by_msgspec(kind, data) or _written_number(kind, data), (where, how, data)

    agree()


def _written_number(kind: type[msgspec.Struct], data: Any) -> bool:
    """The one difference: a telephone number in a file may hold hyphens, which only marshmallow takes out."""
    has_numbers = kind in (Tenant, TenantRevised)
    return has_numbers and by_msgspec(kind, data) is None and isinstance(by_marshmallow(kind, data), kind)


def errors_of(kind: type[msgspec.Struct], data: Any) -> dict[tuple[str | int, ...], Wrong]:
    with pytest.raises(ValidationError) as caught:
        read(kind, data)
    return dict(flatten(caught.value.messages))


CONTRACT = {"from": "2026-04-01"}


def test_an_error_names_the_key_the_value_and_what_is_allowed() -> None:
    wrong = errors_of(
        Tenant,
        {"tenant": "acme", "name": "x", "contract": CONTRACT, "numbers": [{"number": "03", "kind": "represntative"}]},
    )
    error = wrong["numbers", 0, "kind"]
    assert error.startswith('"represntative" is not allowed; allowed: representative, direct, leased')
    assert (error.value, error.allowed) == ("represntative", "representative, direct, leased")
    assert error.hint == "did you mean representative?"


def test_missing_and_unknown_keys_are_named() -> None:
    wrong = errors_of(Tenant, {"tenant": "acme", "contract": CONTRACT, "nmae": "x"})
    assert "is missing" in wrong["name",]
    assert "is not a known key" in wrong["nmae",] and "reading" in wrong["nmae",].allowed


def test_a_step_with_two_actions_is_refused_with_the_rule() -> None:
    wrong = errors_of(Rule, {"do": [{"ring": "sales"}, {"ring": "sales", "play": "closed"}]})
    assert "exactly one of ring" in wrong["do", 1]


@pytest.mark.parametrize("written", ["０３−１２３４−５６７８", "03-1234-5678", "(03) 1234 5678", "03ー1234ー5678"])
def test_a_telephone_number_may_be_written_as_people_write_it(written: str) -> None:
    tenant = read(Tenant, {"tenant": "acme", "name": "x", "contract": CONTRACT, "numbers": [{"number": written}]})
    assert tenant.numbers[0].number == "0312345678"


def test_what_no_answer_goes_to_may_be_a_name_with_hyphens_or_a_number_with_hyphens() -> None:
    lines = [
        {"line": "a", "ids": ["1"], "no_answer": {"to": "night-desk"}},
        {"line": "b", "ids": ["2"], "no_answer": {"to": "090-1234-5678"}},
    ]
    tenant = read(Tenant, {"tenant": "acme", "name": "x", "contract": CONTRACT, "lines": lines})
    assert [line.no_answer.to for line in tenant.lines if line.no_answer] == ["night-desk", "09012345678"]


def test_an_unquoted_number_is_one_only_where_one_is_wanted() -> None:
    tenant = read(
        Tenant,
        {
            "tenant": "acme",
            "name": Plain("1984"),
            "contract": {**CONTRACT, "closing_day": Plain("20")},
            "ids": [{"id": Plain("1001"), "name": Plain("no")}],
        },
    )
    assert (tenant.name, tenant.contract.closing_day, tenant.ids[0].id, tenant.ids[0].name) == (
        "1984",
        20,
        "1001",
        "no",
    )


def test_a_negative_or_endless_price_is_refused() -> None:
    for price in ("-1", "NaN", "Infinity"):
        assert "not allowed" in errors_of(PriceRule, {"name": "a", "prefixes": ["03"], "unit": price})[()]


def test_values_in_errors_stay_on_one_line() -> None:
    assert "\n" not in errors_of(Hours, {"holidays": "a\nb\x1b[2J" + "x" * 500})["holidays",]


def test_no_pattern_takes_a_line_break_at_its_end() -> None:
    """Python's `$` also matches before a final line break, which would end a line of ESL."""

    def patterns(kind: Any) -> list[str]:
        found = [m.pattern for m in get_args(kind)[1:] if getattr(m, "pattern", None)]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            found += [p for field in msgspec.structs.fields(kind) for p in patterns(field.type)]
        return found + [p for part in get_args(kind) if not isinstance(part, msgspec.Meta) for p in patterns(part)]

    every = {p for root in ROOTS for p in patterns(root)}
    assert len(every) > 8
    for pattern in every:
        assert not re.search(r"(?<!\\)\$(?!\(\?!\\n\))", pattern), pattern
        assert r"\d" not in pattern, f"{pattern} takes digits of other scripts"
