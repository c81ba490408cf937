"""The contract for people outside: JSON Schema 2020-12 per message and version, AsyncAPI 3.0, schemas for editors.

Enters: the messages, the tenant model and `topics.py`; nothing is written down twice. Leaves: (path, text) pairs and
the tables of docs/messages.md. Pure; `toritsugi contract export DIR` writes the files.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, get_args

import msgspec

from proto import topics
from proto.envelope import CONTENT_TYPE, MESSAGES, TYPE_PREFIX
from proto.events import TimerFired
from proto.message import Command, Message
from proto.tenant import Tenant
from proto.tenant.platform import Platform
from proto.tenant.routes import ACTIONS, Action

DIALECT = "https://json-schema.org/draft/2020-12/schema"
BASE = "https://toritsugi.example/contract/"
"""Only a name: schemas are identified by it, nothing is fetched from there."""
WRITTEN_NUMBER = r"^[+0-9*#０-９＋＊＃()（）. \u3000‐‑‒–—―−ー－ｰ-]{1,48}$"
"""A telephone number as a person may write it in a file; the digits are taken out of it on reading."""
ENVELOPE = "envelope"
FILES: dict[str, type[msgspec.Struct]] = {"tenant": Tenant, "platform": Platform}
"""What people write: a client's file, and platform.yaml."""

Json = dict[str, Any]


def export() -> list[tuple[str, str]]:
    """Every file of the contract: relative path and text."""
    files = [(f"messages/{file_of(kind)}", message_schema(kind)) for _, kind in sorted(MESSAGES.items())]
    files.append((f"{ENVELOPE}.json", envelope_schema()))
    files += [(f"{name}.json", editor_schema(kind, name)) for name, kind in FILES.items()]
    files.append(("asyncapi.json", asyncapi()))
    return [(path, _text(document)) for path, document in files]


def file_of(kind: type[Message]) -> str:
    """`call.arrived.v1.json`."""
    return f"{kind.NAME}.v{kind.VERSION}.json"


def message_schema(kind: type[Message]) -> Json:
    """The `data` of one message, by itself: every part it needs stands under `$defs`."""
    return {"$schema": DIALECT, "$id": f"{BASE}messages/{file_of(kind)}", **_schema(kind)}


def envelope_schema() -> Json:
    """CloudEvents 1.0 as all messages wear it; `data` is described per message."""
    text = {"type": "string", "minLength": 1}
    tenant: Json = {"type": "string", "pattern": "^_?[a-z0-9][a-z0-9-]{0,31}$", "description": "the client"}
    return {
        "$schema": DIALECT,
        "$id": f"{BASE}{ENVELOPE}.json",
        "title": "Envelope",
        "description": "CloudEvents 1.0, structured JSON. A consumer drops ids that it has seen.",
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**text, "description": "derived, never random: a redelivered cause gives the same id"},
            "source": {**text, "description": "switch/<name> or the service"},
            "type": {"type": "string", "pattern": r"^jp\.toritsugi\.", "description": "the message"},
            "time": {"type": "string", "format": "date-time", "description": "when it happened, by the switch's clock"},
            "datacontenttype": {"const": "application/json"},
            "dataversion": {"type": "integer", "minimum": 1, "description": "version of this message's data"},
            "tenant": tenant,
            "call": {"type": "string", "description": "our call id; absent where no call is meant"},
            "cause": {"type": "string", "description": "id of the message that this one answers"},
            "key": {"type": "string", "description": "what must take effect once per tenant and call"},
            "notafter": {"type": "string", "format": "date-time", "description": "commands: worthless afterwards"},
            "estimated": {"type": "boolean", "description": "concluded, not seen"},
            "data": {"type": "object"},
        },
        "required": ["specversion", "id", "source", "type", "time", "dataversion", "tenant", "data"],
    }


def editor_schema(kind: type[msgspec.Struct], name: str) -> Json:
    """A tenant file or platform.yaml for editors: numbers and amounts also as people write them, each key described."""
    schema: Json = {"$schema": DIALECT, "$id": f"{BASE}{name}.json", **_schema(kind)}
    _loosen(schema)
    for part in _parts(kind):
        of_part = schema["$defs"].get(part.__name__, schema)
        for key, text in field_texts(part).items():
            of_part["properties"][key] = {"description": text} | of_part["properties"][key]
        if part is Action:
            of_part["oneOf"] = [{"required": [action]} for action in ACTIONS]
    return schema


def _parts(kind: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """The struct and every struct within it."""
    found = [kind]
    for part in found:
        for field in msgspec.structs.fields(part):
            found += [one for one in _structs(field.type) if one not in found]
    return found


def _structs(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
    for argument in get_args(annotation):
        yield from _structs(argument)


def field_texts(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Key as it stands in the file -> what is written under the field where it is defined."""
    (definition,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    names = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    found: dict[str, str] = {}
    for entry, below in pairwise(definition.body):
        match entry, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[names[name]] = " ".join(text.split())
    return found


def asyncapi() -> Json:
    """AsyncAPI 3.0: a channel per message, who sends and who receives, and the AMQP bindings of `topics.py`."""
    kinds = sorted(MESSAGES.items())
    _, schemas = msgspec.json.schema_components([kind for _, kind in kinds], ref_template="#/components/schemas/{name}")
    portable(schemas)
    schemas["Envelope"] = {k: v for k, v in envelope_schema().items() if k not in ("$schema", "$id")}
    messages: Json = {name: _message(kind) for name, kind in kinds}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Toritsugi (取次)",
            "version": "1.0.0",
            "description": "Facts and commands of call control. Facts are delivered at least once and in order per "
            "tenant; consumers drop ids they have seen. Commands are carried out at most once.",
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {"bus": {"host": "localhost:5672", "protocol": "amqp", "protocolVersion": "0-9-1"}},
        "channels": {name: _channel(kind) for name, kind in kinds},
        "operations": dict(_operations()),
        "components": {"messages": messages, "schemas": schemas},
    }


def _message(kind: type[Message]) -> Json:
    narrowed = {
        "type": {"const": TYPE_PREFIX + kind.NAME},
        "dataversion": {"const": kind.VERSION},
        "data": {"$ref": f"#/components/schemas/{kind.__name__}"},
    }
    return {
        "name": kind.NAME,
        "title": kind.__name__,
        "summary": summary_of(kind),
        "contentType": CONTENT_TYPE,
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"allOf": [{"$ref": "#/components/schemas/Envelope"}, {"properties": narrowed}]},
        },
    }


def address_of(kind: type[Message]) -> str:
    """The routing key, with places to fill: `{tenant}.call.arrived`, `{switch}`, `{tenant}.timer.{service}`."""
    if issubclass(kind, Command):
        return "{switch}"
    return "{tenant}.timer.{service}" if kind is TimerFired else f"{{tenant}}.{kind.NAME}"


def _channel(kind: type[Message]) -> Json:
    address = address_of(kind)
    described = {
        "tenant": "the client's id, `_platform` or `_unknown`",
        "switch": "name of the switch",
        "service": "whose timer",
    }
    command = issubclass(kind, Command)
    exchange = {
        "name": topics.COMMANDS_EXCHANGE if command else topics.EVENTS_EXCHANGE,
        "type": "direct" if command else "topic",
        "durable": True,
        "autoDelete": False,
    }
    return {
        "address": address,
        "messages": {kind.NAME: {"$ref": f"#/components/messages/{kind.NAME}"}},
        "parameters": {name: {"description": text} for name, text in described.items() if f"{{{name}}}" in address},
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}},
    }


def _operations() -> Iterator[tuple[str, Json]]:
    for name, kind in sorted(MESSAGES.items()):
        yield f"send.{name}", _operation("send", kind, {"deliveryMode": 2, "mandatory": False})
        for service in hearers(kind):
            yield f"{service}.receive.{name}", _operation("receive", kind, {"ack": True})


def _operation(action: str, kind: type[Message], amqp: Json) -> Json:
    channel = f"#/channels/{kind.NAME}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "summary": summary_of(kind),
        "messages": [{"$ref": f"{channel}/messages/{kind.NAME}"}],
        "bindings": {"amqp": {**amqp, "bindingVersion": "0.3.0"}},
    }


def hearers(kind: type[Message]) -> list[str]:
    """Which services are told, as `topics.py` says."""
    if issubclass(kind, Command):
        return ["eventsocket"]
    if kind is TimerFired:
        return sorted(topics.HEARS)  # each only its own
    heard = [name for name, kinds in topics.HEARS.items() if kind in kinds]
    return sorted({*heard, *(name for name, kinds in topics.PROJECTIONS.items() if kind in kinds)})


def summary_of(kind: type[Message]) -> str:
    """The first sentence of the message's description."""
    return " ".join((inspect.getdoc(kind) or "").split())


def messages_table() -> str:
    """The table of docs/messages.md, one line per message."""
    rows = ["| message | version | class | routing key | heard by | meaning |", "|---|---|---|---|---|---|"]
    for name, kind in sorted(MESSAGES.items()):
        delivery = "command" if issubclass(kind, Command) else "fact"
        key = address_of(kind).replace("{", "<").replace("}", ">")
        heard = "who set it" if kind is TimerFired else ", ".join(hearers(kind)) or "–"
        meaning = summary_of(kind).replace("|", "\\|")
        rows.append(f"| `{name}` | {kind.VERSION} | {delivery} | `{key}` | {heard} | {meaning} |")
    return "\n".join(rows) + "\n"


def _schema(kind: type[msgspec.Struct]) -> Json:
    (top,), parts = msgspec.json.schema_components((kind,), ref_template="#/$defs/{name}")
    name = top["$ref"].removeprefix("#/$defs/")
    schema: Json = {**parts.pop(name), **({"$defs": parts} if parts else {})}
    portable(schema)
    return schema


def portable(node: Any) -> None:
    """JSON Schema's `$` means the end of the text, so our guard against Python's `$` is left out: RE2 lacks it."""
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            node["pattern"] = node["pattern"].replace(r"$(?!\n)", "$")
        for below in node.values():
            portable(below)
    elif isinstance(node, list):
        for below in node:
            portable(below)


def _loosen(node: Any) -> None:
    """The reader takes what is unquoted as text: what may consist of digits looks to an editor like a whole number."""
    if isinstance(node, dict):
        if node.get("type") == "string" and re.search(node.get("pattern", ""), "1001"):
            node["type"] = ["string", "integer"]
        if "hyphens" in str(node.get("description")) and "pattern" in node:
            node["pattern"] = (
                WRITTEN_NUMBER if "a name" not in node["description"] else f"{WRITTEN_NUMBER}|{node['pattern']}"
            )
        if node.get("format") == "decimal":
            node["type"] = ["string", "number"]
            node.pop("format")
        for below in node.values():
            _loosen(below)
    elif isinstance(node, list):
        for below in node:
            _loosen(below)


def _text(document: Json) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
