"""marshmallow schemas, derived from the one definition of each message and of the tenant model.

Enters: a msgspec Struct type, and data of unknown quality (a YAML file, a form, a foreign message). Leaves: a schema
whose load() gives data that `msgspec.convert` takes, or errors that name the value and what is allowed. For data that
comes in from outside; the hot path decodes with msgspec, and a property test holds the two together.
"""

from __future__ import annotations

import difflib
import re
import types
import unicodedata
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, validates_schema

from proto.values import digits_of

T = TypeVar("T")
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_WORDS = {"true": True, "false": False}


class Plain(str):
    """An unquoted scalar of a file: text, until a field wants a whole number, an amount or yes/no."""

    __slots__ = ()


class Wrong(str):
    """An error message that also carries the value and what is allowed, for whoever prints it."""

    value: object
    allowed: str
    hint: str

    def __new__(cls, text: str, value: object = None, allowed: str = "", hint: str = "") -> Wrong:
        self = super().__new__(
            cls, text + (f"; allowed: {allowed}" if allowed else "") + (f" ({hint})" if hint else "")
        )
        self.value, self.allowed, self.hint = value, allowed, hint
        return self

    def format(self, *_: object, **__: object) -> Wrong:
        """marshmallow formats its messages; ours hold patterns, whose braces are no places to fill."""
        return self


def quoted(value: object) -> str:
    """A value as it is shown in an error: one line, at most 60 characters, nothing a terminal would act on."""
    text = value if isinstance(value, str) else repr(value)
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[:60])
    shown += "…" if len(text) > 60 else ""
    return f'"{shown}"' if isinstance(value, str) else shown


def _refuse(value: object, allowed: str, hint: str = "") -> ValidationError:
    return ValidationError([Wrong(f"{quoted(value)} is not allowed", value, allowed, hint)])


class _Field(fields.Field[Any]):
    """Base: refuses null by itself, in the words of this module."""

    def __init__(self, allowed: str = "", *, required: bool = False, optional: bool = False, key: str = "") -> None:
        super().__init__(
            required=required,
            allow_none=optional,
            data_key=key or None,
            error_messages={
                "required": Wrong("is missing", None, allowed),
                "null": Wrong("is empty", None, allowed or "a value"),
            },
        )
        self.allowed = allowed


class Characters(_Field):
    """Text with a pattern and lengths; with `as_number` in any form people write a telephone number in."""

    def __init__(self, meta: _Limits, **options: Any) -> None:
        super().__init__(meta.words() or "text", **options)
        self.limits = meta

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise _refuse(value, self.allowed, "write it in quotes" if isinstance(value, int | float) else "")
        text = str(value)
        if self.limits.as_number and _NUMBER.fullmatch(digits_of(text)):
            text = digits_of(text)
        if not self.limits.holds_for_text(text):
            raise _refuse(value, self.allowed)
        return text


class Whole(_Field):
    """A whole number within bounds."""

    def __init__(self, meta: _Limits, **options: Any) -> None:
        super().__init__(meta.words() or "a whole number", **options)
        self.limits = meta

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if isinstance(value, Plain):
            text = unicodedata.normalize("NFKC", value)
            number = int(text) if _WHOLE.fullmatch(text) and len(text) < 20 else value
        else:
            number = value
        if not isinstance(number, int) or isinstance(number, bool) or not self.limits.holds_for_number(number):
            raise _refuse(value, self.allowed)
        return number


class YesNo(_Field):
    """true or false, nothing else: `no` and `off` in a file are words."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        answer = _WORDS.get(value, value) if isinstance(value, Plain) else value
        if not isinstance(answer, bool):
            raise _refuse(value, "true, false")
        return answer


class Amount(_Field):
    """A decimal, exact."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            raise _refuse(value, self.allowed or "a decimal number")
        try:
            return Decimal(str(value))
        except InvalidOperation:
            raise _refuse(value, self.allowed or "a decimal number") from None


class Anything(_Field):
    """Whatever JSON can say; who takes it looks at it."""

    def __init__(self, **options: Any) -> None:
        super().__init__("any value", **{**options, "optional": True})


class Choice(_Field):
    """One of a few words."""

    def __init__(self, choices: tuple[Any, ...], **options: Any) -> None:
        super().__init__(", ".join(str(c) if c != "" else '""' for c in choices), **options)
        self.choices = choices

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        for choice in self.choices:
            if type(choice) is bool or isinstance(value, bool):
                continue
            if choice == value:
                return choice
        near = difflib.get_close_matches(value, [str(c) for c in self.choices], 1) if isinstance(value, str) else []
        raise _refuse(value, self.allowed, f"did you mean {near[0]}?" if near else "")


class Items(_Field):
    """A list of equal things."""

    def __init__(self, item: _Field, meta: _Limits, **options: Any) -> None:
        super().__init__("a list" + (f" of {meta.words('entries')}" if meta.words("entries") else ""), **options)
        self.item, self.limits = item, meta

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise _refuse(value, self.allowed)
        if not self.limits.holds_for_length(len(value)):
            raise ValidationError([Wrong(f"has {len(value)} entries", value, self.limits.words("entries"))])
        return [entry for _, entry in _each(self.item, enumerate(value), kwargs)]


class Named(_Field):
    """A mapping whose keys are names chosen by the writer."""

    def __init__(self, name: _Field, item: _Field, **options: Any) -> None:
        super().__init__("a mapping (name: …)", **options)
        self.name_field, self.item = name, item

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _refuse(value, self.allowed)
        for name in value:
            try:
                self.name_field.deserialize(name)
            except ValidationError as error:
                raise ValidationError({name: error.messages}) from None
        return dict(_each(self.item, value.items(), kwargs))


class Part(_Field):
    """A struct within a struct."""

    def __init__(self, kind: type[msgspec.Struct], **options: Any) -> None:
        super().__init__("a mapping with " + ", ".join(_wire_names(kind)), **options)
        self.kind = kind

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _refuse(value, self.allowed)
        return schema_for(self.kind).load(value)


class OneKindOf(_Field):
    """One of several structs, told apart by a tag."""

    def __init__(self, kinds: tuple[type[msgspec.Struct], ...], **options: Any) -> None:
        self.by_tag = {kind.__struct_config__.tag: kind for kind in kinds}
        self.tag_field = str(kinds[0].__struct_config__.tag_field)
        super().__init__(f"{self.tag_field}: " + ", ".join(str(tag) for tag in self.by_tag), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        tag = value.get(self.tag_field) if isinstance(value, Mapping) else value
        if not isinstance(value, Mapping) or not isinstance(tag, str) or tag not in self.by_tag:
            raise _refuse(tag, self.allowed)
        return schema_for(self.by_tag[tag]).load(value)


def _each(item: _Field, entries: Any, kwargs: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    wrong: dict[Any, Any] = {}
    for place, entry in entries:
        try:
            yield place, item.deserialize(entry, str(place), None, **kwargs)
        except ValidationError as error:
            wrong[place] = error.messages
    if wrong:
        raise ValidationError(wrong)


class _Limits:
    """What the Meta annotations of a type allow together."""

    def __init__(self, metas: tuple[msgspec.Meta, ...]) -> None:
        def last(name: str) -> Any:
            return next((v for m in reversed(metas) if (v := getattr(m, name)) is not None), None)

        self.ge, self.gt, self.le, self.lt = last("ge"), last("gt"), last("le"), last("lt")
        self.shortest, self.longest = last("min_length"), last("max_length")
        self.pattern: str | None = last("pattern")
        self.description: str | None = last("description")
        self.as_number = any(m.extra and m.extra.get("reading") == "number" for m in metas)

    def holds_for_text(self, text: str) -> bool:
        return self.holds_for_length(len(text)) and (self.pattern is None or re.search(self.pattern, text) is not None)

    def holds_for_length(self, length: int) -> bool:
        return (self.shortest or 0) <= length and (self.longest is None or length <= self.longest)

    def holds_for_number(self, number: int) -> bool:
        return (
            (self.ge is None or number >= self.ge)
            and (self.gt is None or number > self.gt)
            and (self.le is None or number <= self.le)
            and (self.lt is None or number < self.lt)
        )

    def words(self, of: str = "") -> str:
        """What is allowed, for a person: the description, else the bounds, else the pattern."""
        if self.description:
            return self.description
        low, high, unit = self.ge, self.le, ""
        if low is None and high is None:
            low, high, unit = self.shortest, self.longest, f" {of or 'characters'}"
        if low is not None or high is not None:
            span = (
                f"{low} to {high}" if None not in (low, high) else f"{low} or more" if high is None else f"up to {high}"
            )
            return span + unit
        return f"text like {self.pattern.removesuffix('(?!' + chr(92) + 'n)')}" if self.pattern else ""


def _field_of(kind: Any, metas: tuple[msgspec.Meta, ...] = (), **options: Any) -> _Field:
    """The field for a type annotation. Raises TypeError for a shape that no message uses so far."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _field_of(args[0], (*(a for a in args[1:] if isinstance(a, msgspec.Meta)), *metas), **options)
    limits = _Limits(metas)
    if origin in (Union, types.UnionType):
        kinds = tuple(a for a in args if a is not type(None))
        options["optional"] = len(kinds) < len(args)
        if len(kinds) == 1:
            return _field_of(kinds[0], metas, **options)
        if all(isinstance(k, type) and issubclass(k, msgspec.Struct) for k in kinds):
            return OneKindOf(kinds, **options)
    elif origin is Literal:
        return Choice(args, **options)
    elif origin is tuple and args[1:] == (...,):
        return Items(_field_of(args[0]), limits, **options)
    elif origin is dict:
        return Named(_field_of(args[0]), _field_of(args[1]), **options)
    elif kind is Any:
        return Anything(**options)
    elif kind is str:
        return Characters(limits, **options)
    elif kind is bool:
        return YesNo("true, false", **options)
    elif kind is int:
        return Whole(limits, **options)
    elif kind is Decimal:
        return Amount(limits.words() or "a decimal number", **options)
    elif isinstance(kind, type) and issubclass(kind, StrEnum):
        return Choice(tuple(one.value for one in kind), **options)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return Part(kind, **options)
    raise TypeError(f"no field for {kind!r}")


class _Shaped(Schema):
    """Base of all derived schemas; a struct's own rules (`__post_init__`) are asked last."""

    _struct: type[msgspec.Struct]

    @validates_schema
    def _own_rules(self, data: dict[str, Any], **_: Any) -> None:
        if hasattr(self._struct, "__post_init__"):
            try:
                msgspec.convert(data, self._struct)
            except msgspec.ValidationError as error:
                raise ValidationError([Wrong(str(error))]) from None


def _wire_names(kind: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind)]


@cache
def schema_for(kind: type[msgspec.Struct]) -> Schema:
    """The schema of a message, of the tenant model or of a part of it.

    load() takes what JSON or YAML gives and returns data for `msgspec.convert(data, kind)`; it raises marshmallow's
    ValidationError, whose messages are `Wrong`. Keys are the names on the wire (`from`, `mon-fri`).
    """
    config = kind.__struct_config__
    attributes: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        attributes[field.encode_name] = _field_of(field.type, required=field.required, key=field.encode_name)
    if config.tag_field:
        attributes[config.tag_field] = Choice((config.tag,), required=True, key=config.tag_field)
    known = list(attributes)
    unknown = RAISE if config.forbid_unknown_fields else EXCLUDE
    attributes["Meta"] = type("Meta", (Schema.Meta,), {"unknown": unknown, "register": False})
    attributes["error_messages"] = {
        "unknown": Wrong("is not a known key", None, ", ".join(known)),
        "type": Wrong("is no mapping", None, ", ".join(known)),
    }
    attributes["_struct"] = kind
    schema: Schema = type(kind.__name__ + "Schema", (_Shaped,), attributes)()
    return schema


def struct_of(schema: Schema) -> type[msgspec.Struct]:
    """What `schema_for` derived it from."""
    assert isinstance(schema, _Shaped)
    return schema._struct


def read(kind: type[T], data: object) -> T:
    """Data from outside -> the struct. Raises marshmallow's ValidationError."""
    return msgspec.convert(schema_for(kind).load(data), kind)  # type: ignore[arg-type]


def flatten(messages: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Wrong]]:
    """The messages of a ValidationError, one by one, each with the path of the key it is about."""
    if isinstance(messages, Mapping):
        for key, below in messages.items():
            yield from flatten(below, path if key == "_schema" else (*path, key))
    elif isinstance(messages, list):
        for message in messages:
            yield from flatten(message, path)
    else:
        yield path, messages if isinstance(messages, Wrong) else Wrong(str(messages))
