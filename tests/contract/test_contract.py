"""The exported contract is valid by its own standards and says what the code does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from proto import topics
from proto.contract import export, hearers
from proto.envelope import MESSAGES, BadMessage, decode, encode, is_command
from proto.events import TimerFired
from proto.message import Message
from proto.tenant import Tenant
from proto.topics import outgoing
from services.cli import main
from services.directory.tenants.yaml_files import parse
from tests.contract import golden

ROOT = Path(__file__).parents[2]
FILES = {path: json.loads(text) for path, text in export()}
SCHEMAS = {path: schema for path, schema in FILES.items() if path != "asyncapi.json"}
ASYNCAPI: dict[str, Any] = FILES["asyncapi.json"]
KINDS = sorted(MESSAGES.values(), key=lambda kind: kind.NAME)
by_name = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.NAME)


# -- JSON Schema ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SCHEMAS)
def test_every_schema_is_json_schema_2020_12(path: str) -> None:
    assert SCHEMAS[path]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(SCHEMAS[path])


@by_name
def test_every_message_and_version_has_its_schema_and_fits_it(kind: type[Message]) -> None:
    event = json.loads(encode(golden.sample(kind)))
    Draft202012Validator(SCHEMAS[f"messages/{kind.NAME}.v{kind.VERSION}.json"]).validate(event["data"])
    Draft202012Validator(SCHEMAS["envelope.json"]).validate(event)


def test_a_schema_refuses_what_the_code_refuses() -> None:
    data = json.loads(encode(golden.sample(MESSAGES["call.arrived"])))["data"]
    validator = Draft202012Validator(SCHEMAS["messages/call.arrived.v1.json"])
    for broken in ({**data, "dialled": "03;uuid_kill"}, {**data, "origin": "moon"}, {"leg": "x"}):
        assert not validator.is_valid(broken)
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(broken, MESSAGES["call.arrived"])


def test_patterns_hold_in_other_languages_too() -> None:
    """RE2 and ECMAScript have no use for Python's guards."""
    text = json.dumps(list(SCHEMAS.values()))
    assert "(?!" not in text and "(?<" not in text and "\\Z" not in text


@pytest.mark.parametrize("path", sorted((ROOT / "deploy" / "tenants").glob("*.yaml")), ids=lambda path: path.name)
def test_an_editor_accepts_the_sample_files_as_they_are_written(path: Path) -> None:
    data = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    schema = SCHEMAS["platform.json" if path.name == "platform.yaml" else "tenant.json"]
    assert not [e.message for e in Draft202012Validator(schema).iter_errors(_as_an_editor_reads(data))]


def _as_an_editor_reads(node: Any, key: str = "") -> Any:
    if isinstance(node, dict):
        return {name: _as_an_editor_reads(below, name) for name, below in node.items()}
    if isinstance(node, list):
        return [_as_an_editor_reads(below) for below in node]
    return int(node) if key in ("closing_day", "channels") or key.endswith("_s") else node


def test_every_key_that_is_described_is_described_in_the_editor() -> None:
    schema = SCHEMAS["tenant.json"]
    assert schema["properties"]["hours"]["description"].startswith("営業時間 / open times")
    assert "祝日" in schema["$defs"]["Hours"]["properties"]["holidays"]["description"]
    assert "mon-fri" in schema["$defs"]["Hours"]["properties"]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("kind: representative", "kind: represntative", "numbers/0/kind"),
        ("closing_day: 20", "closing_day: 32", "contract/closing_day"),
        ("reading:", "raeding:", ""),
        ("{ring: sales, for_s: 20}", "{ring: sales, play: closed}", "routes/main/0/do/0"),
        ("9:00-18:00", "9-18", "hours/office/mon-fri"),
    ],
)
def test_an_editor_underlines_what_check_refuses(old: str, new: str, key: str) -> None:
    text = (ROOT / "deploy" / "tenants" / "acme.yaml").read_text(encoding="utf-8")
    printed = CliRunner().invoke(main, ["tenants", "schema"])
    validator = Draft202012Validator(json.loads(printed.output))

    data = _as_an_editor_reads(yaml.load(text.replace(old, new, 1), Loader=yaml.BaseLoader))
    assert old in text
    assert ["/".join(str(step) for step in error.path) for error in validator.iter_errors(data)] == [key]


def test_an_editor_accepts_unquoted_digits_as_the_reader_does() -> None:
    text = "tenant: acme\nname: 801\ncontract: {from: 2026-04-01}\nids: [{id: 1001, name: 801}]\n"
    document, _ = parse(Tenant, text.encode(), "acme.yaml")
    assert document is not None and document.body.ids[0].id == "1001"
    assert not list(
        Draft202012Validator(SCHEMAS["tenant.json"]).iter_errors(
            yaml.safe_load(text.replace("2026-04-01", "'2026-04-01'"))
        )
    )


def test_an_editor_underlines_a_wrong_number() -> None:
    validator = Draft202012Validator(SCHEMAS["tenant.json"])
    tenant = {"tenant": "a", "name": "x", "contract": {"from": "2026-04-01"}}
    assert validator.is_valid({**tenant, "numbers": [{"number": "０３−１２３４−５６７８"}]})
    assert not validator.is_valid({**tenant, "numbers": [{"number": "zero three"}]})
    assert not validator.is_valid({**tenant, "numbres": []})
    assert set(SCHEMAS["tenant.json"]["properties"]) == set(Tenant.__struct_fields__)


# -- AsyncAPI ------------------------------------------------------------------------------------------------------


def resolve(reference: str) -> Any:
    node: Any = ASYNCAPI
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [r for below in node.values() for r in references(below)]
    return [r for below in node for r in references(below)] if isinstance(node, list) else []


def test_asyncapi_holds_every_message_and_every_reference_leads_somewhere() -> None:
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    assert set(ASYNCAPI["channels"]) == set(ASYNCAPI["components"]["messages"]) == set(MESSAGES)
    for reference in references(ASYNCAPI):
        assert resolve(reference), reference
    assert set(ASYNCAPI) == {
        "asyncapi",
        "info",
        "defaultContentType",
        "servers",
        "channels",
        "operations",
        "components",
    }


@by_name
def test_the_address_of_a_channel_is_the_routing_key_that_is_really_used(kind: type[Message]) -> None:
    message = golden.sample(kind)
    channel = ASYNCAPI["channels"][kind.NAME]
    places = {"tenant": "acme", "switch": "fs1", "service": getattr(message.body, "service", "")}
    assert channel["address"].format(**places) == outgoing(message).routing_key
    assert {name for name in places if f"{{{name}}}" in channel["address"]} == set(channel["parameters"])
    exchange = channel["bindings"]["amqp"]["exchange"]
    wanted = (topics.COMMANDS_EXCHANGE, "direct") if is_command(kind.NAME) else (topics.EVENTS_EXCHANGE, "topic")
    assert (exchange["name"], exchange["type"], exchange["durable"]) == (*wanted, True)


@by_name
def test_whoever_is_said_to_receive_has_a_queue_bound_to_it(kind: type[Message]) -> None:
    if is_command(kind.NAME):
        assert hearers(kind) == ["eventsocket"]
        return
    key = outgoing(golden.sample(kind)).routing_key
    bound = {
        name
        for name in (*topics.HEARS, "eventsocket")
        for pattern in (topics.agent_queue("fs1") if name == "eventsocket" else topics.service_queue(name)).bindings
        if topics.matches(pattern, key)
    }
    if kind is TimerFired:
        assert bound == {"routing"}
    else:
        assert set(hearers(kind)) == bound
    said = {
        name.removesuffix(f".receive.{kind.NAME}")
        for name in ASYNCAPI["operations"]
        if name.endswith(f".receive.{kind.NAME}")
    }
    assert said == set(hearers(kind))


@by_name
def test_a_payload_narrows_the_envelope_to_its_message(kind: type[Message]) -> None:
    payload = ASYNCAPI["components"]["messages"][kind.NAME]["payload"]["schema"]
    schema = {**payload, "components": ASYNCAPI["components"]}
    event = json.loads(encode(golden.sample(kind)))
    assert Draft202012Validator(schema).is_valid(event)
    assert not Draft202012Validator(schema).is_valid({**event, "type": "jp.toritsugi.other"})
    assert not Draft202012Validator(schema).is_valid(
        {**event, "data": {**event["data"], next(iter(event["data"])): 1.5}}
    )


# -- golden bytes --------------------------------------------------------------------------------------------------


@by_name
def test_released_bytes_are_still_understood_and_written_alike(kind: type[Message]) -> None:
    """If this fails, a message changed its meaning: give it a new VERSION instead."""
    path = golden.path_of(kind)
    assert path.exists(), f"{path.name} is missing: python -m tests.contract.golden"
    raw = path.read_bytes().rstrip(b"\n")
    assert encode(decode(raw)) == raw


def test_no_released_version_has_vanished() -> None:
    known = {golden.path_of(kind).name for kind in KINDS}
    for path in golden.FOLDER.iterdir():
        assert path.name in known, f"{path.name} was released, but nothing reads it any more"


def test_golden_bytes_are_never_written_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden, "FOLDER", tmp_path / "golden")
    guide = tmp_path / "messages.md"
    guide.write_text(f"a\n{golden.BEGIN}former table\n{golden.END}z\n")
    monkeypatch.setattr(golden, "GUIDE", guide)
    golden.main()
    first = golden.path_of(MESSAGES["call.arrived"])
    first.write_bytes(b"what was released")
    golden.main()
    assert first.read_bytes() == b"what was released"
    assert len(list((tmp_path / "golden").iterdir())) == len(MESSAGES)
    assert (
        "call.arrived" in guide.read_text()
        and "former table" not in guide.read_text()
        and guide.read_text().endswith("z\n")
    )


def test_another_version_is_refused_by_name() -> None:
    raw = encode(golden.sample(MESSAGES["call.arrived"])).replace(b'"dataversion":1', b'"dataversion":2')
    with pytest.raises(BadMessage, match=r"call\.arrived: version 2 came, 1 is known"):
        decode(raw)


# -- the page for third parties ------------------------------------------------------------------------------------


def test_every_message_stands_in_the_guide_as_the_code_has_it() -> None:
    guide = golden.GUIDE.read_text(encoding="utf-8")
    assert guide == golden.guide_with_table(guide), "python -m tests.contract.golden renews the table"
    for kind in KINDS:
        assert f"| `{kind.NAME}` | {kind.VERSION} |" in guide


def test_the_example_in_the_guide_is_a_message() -> None:
    guide = golden.GUIDE.read_text(encoding="utf-8")
    example = guide.split("```json\n")[1].split("```")[0]
    envelope = decode(example.encode())
    assert envelope.body.NAME == "call.arrived"
    assert json.loads(example)["data"]["received_at_us"] == envelope.occurred_at_us
