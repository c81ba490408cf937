"""Who may import whom, and what else keeps the house in order (docs and README name the rules for people)."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST = 450
"""Lines of a module: beyond this people no longer see the whole."""

ROOMS = ("directory", "eventsocket", "routing", "answering", "recording", "billing", "history", "connectors")
NOT_PURE = {"socket", "os", "time", "random", "logging", "gevent", "pika", "flask", "sqlalchemy", "yaml", "greenswitch"}

PURE = (
    "proto/",
    "services/*/model.py",
    "services/*/decide.py",
    "services/*/pages.py",
    "services/eventsocket/beliefs.py",
    "services/eventsocket/callers.py",
    "services/eventsocket/concluded.py",
    "services/eventsocket/conf.py",
    "services/eventsocket/facts.py",
    "services/eventsocket/fallbacks.py",
    "services/eventsocket/cdr/record.py",
    "services/eventsocket/frames.py",
    "services/eventsocket/heard.py",
    "services/eventsocket/normalise.py",
    "services/eventsocket/records.py",
    "services/eventsocket/said.py",
    "services/eventsocket/render.py",
    "services/eventsocket/doctor/*_checks.py",
    "services/eventsocket/doctor/checks.py",
    "services/eventsocket/doctor/conf_text.py",
    "services/eventsocket/doctor/dialplan_order.py",
    "services/eventsocket/doctor/facts.py",
    "services/eventsocket/doctor/finding.py",
    "services/eventsocket/snapshot.py",
    "services/routing/plan.py",
    "services/routing/explain.py",
    "services/routing/hours.py",
    "services/routing/inbound.py",
    "services/routing/outbound.py",
    "services/routing/scene.py",
    "services/routing/numbers.py",
    "services/answering/queue.py",
    "services/billing/rate.py",
    "services/runtime/bus/definitions.py",
    "services/runtime/telephone.py",
    "services/runtime/bus/rights.py",
    "services/billing/ledger.py",
    "services/billing/numbers.py",
    "services/history/downloads.py",
    "services/history/drawing.py",
    "services/history/capacity.py",
    "services/history/erlang.py",
    "services/history/usage.py",
    "services/history/erasing.py",
    "services/billing/erasing.py",
    "services/history/lanes.py",
    "services/history/filters.py",
    "services/history/fold.py",
    "services/history/report.py",
    "services/history/row.py",
    "services/history/sentences.py",
    "services/history/steps.py",
    "services/history/words.py",
    "services/directory/tenants/problems.py",
    "services/directory/tenants/check.py",
    "services/directory/tenants/documents.py",
    "services/directory/numbers/areas.py",
    "services/directory/numbers/listing.py",
    "services/directory/numbers/model.py",
    "services/directory/numbers/pages.py",
    "services/directory/tenants/doubts.py",
    "services/directory/tenants/effects.py",
    "services/directory/identity/model.py",
    "services/directory/phones/model.py",
    "services/directory/phones/pages.py",
    "services/directory/phones/settings_files.py",
    "services/directory/settings/typed.py",
    "services/directory/settings/week.py",
    "services/directory/phone_book/files.py",
    "services/directory/phone_book/model.py",
    "services/directory/phone_book/vcard_lines.py",
    "services/directory/phone_book/vcards.py",
    "services/directory/imports/clients.py",
    "services/directory/imports/columns.py",
    "services/directory/imports/destinations.py",
    "services/directory/imports/model.py",
    "services/directory/imports/proposal.py",
    "services/directory/imports/records.py",
    "services/directory/imports/said.py",
    "services/directory/imports/sheets.py",
    "services/directory/imports/values.py",
    "services/directory/explaining/asking.py",
    "services/directory/explaining/replaying.py",
    "services/directory/tenants/words.py",
    "services/directory/tenants/route_tests.py",
    "services/directory/tenants/settle.py",
    "services/directory/days.py",
    "services/directory/audit/files.py",
    "services/directory/audit/chain.py",
    "services/directory/audit/pages.py",
    "services/directory/people/pages.py",
    "services/directory/people/ranks.py",
    "services/runtime/csv_file.py",
    "services/runtime/web/pace.py",
    "services/runtime/bus/topology.py",
    "services/runtime/bus/wire.py",
    "freeswitch/simulator/causes.py",
    "freeswitch/simulator/kept.py",
    "freeswitch/simulator/limits.py",
    "freeswitch/simulator/calls/broadcast.py",
    "freeswitch/simulator/calls/codecs.py",
    "freeswitch/simulator/calls/keys.py",
    "freeswitch/simulator/calls/media_needs.py",
    "freeswitch/simulator/calls/meta_keys.py",
    "freeswitch/simulator/calls/silence.py",
    "freeswitch/simulator/far_ends/people.py",
    "freeswitch/simulator/plan.py",
    "freeswitch/simulator/check/compare.py",
    "freeswitch/simulator/hash_table.py",
    "freeswitch/simulator/check/configured.py",
    "freeswitch/simulator/check/dialogs.py",
    "freeswitch/simulator/check/headers.py",
    "freeswitch/simulator/check/narrowed.py",
    "freeswitch/simulator/check/order.py",
    "freeswitch/simulator/check/replies.py",
    "freeswitch/simulator/check/script.py",
    "freeswitch/simulator/check/sent.py",
    "freeswitch/simulator/check/trunks.py",
)
"""Modules that only calculate: what they import, directly or through others of ours, touches nothing outside."""


@cache
def sources() -> dict[str, ast.Module]:
    """Every Python file of the tree that git knows or could add, by path."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = (
        listed.stdout.split() if listed.returncode == 0 else [str(p.relative_to(ROOT)) for p in ROOT.glob("*/**/*.py")]
    )
    found = {name: ROOT / name for name in names if not name.startswith((".venv/", "build/"))}
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in sorted(found.items()) if path.exists()}


def of_product() -> dict[str, ast.Module]:
    return {name: tree for name, tree in sources().items() if name.startswith(("proto/", "services/", "freeswitch/"))}


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def imports(path: str) -> frozenset[str]:
    """Every module a file imports, anywhere in it; `from a import b` counts as a and, where it is a module, a.b."""
    found: set[str] = set()
    package = module_of(path) if path.endswith("/__init__.py") else module_of(path).rpartition(".")[0]
    for node in ast.walk(sources()[path]):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join([*parts[: len(parts) - node.level + 1], node.module or ""]).strip(".") if node.level else ""
            base = base or node.module or ""
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names if file_of(f"{base}.{alias.name}"))
    return frozenset(found)


@cache
def file_of(module: str) -> str | None:
    for path in (f"{module.replace('.', '/')}.py", f"{module.replace('.', '/')}/__init__.py"):
        if path in sources():
            return path
    return None


def room_of(name: str) -> str | None:
    """`services.billing.rate` or `services/billing/rate.py` -> `billing`."""
    parts = re.split(r"[./]", name)
    return parts[1] if len(parts) > 1 and parts[0] == "services" and parts[1] in ROOMS else None


def is_entry(path: str) -> bool:
    return path.endswith("__main__.py") or re.fullmatch(r"services/(commands/)?\w+\.py", path) is not None


def is_pure(path: str) -> bool:
    return any(path.startswith(rule) if rule.endswith("/") else Path(path).match(rule) for rule in PURE)


def imports_of_product() -> Iterator[tuple[str, str]]:
    for path in of_product():
        for module in sorted(imports(path)):
            yield path, module


def test_the_language_knows_nobody() -> None:
    """proto: standard library, msgspec, marshmallow; nothing of ours."""
    wrong = [
        (p, m)
        for p, m in imports_of_product()
        if p.startswith("proto/") and m.split(".")[0] in ("services", "freeswitch", "tests")
    ]
    assert not wrong
    theirs = {(m.split(".")[0], p) for p, m in imports_of_product() if p.startswith("proto/") and not file_of(m)}
    allowed = sys.stdlib_module_names | {"msgspec", "marshmallow", "proto"}
    assert not {(library, path) for library, path in theirs if library not in allowed}


def test_the_shell_knows_no_service() -> None:
    assert not [(p, m) for p, m in imports_of_product() if p.startswith("services/runtime/") and room_of(m)]


def test_no_service_imports_another() -> None:
    wrong = [
        (path, module)
        for path, module in imports_of_product()
        if room_of(path) and room_of(module) and room_of(path) != room_of(module) and not is_entry(path)
    ]
    assert not wrong


def test_nobody_in_a_room_imports_an_entry_point() -> None:
    wrong = [
        (path, module)
        for path, module in imports_of_product()
        if (file := file_of(module)) and is_entry(file) and file != "services/__init__.py" and not is_entry(path)
    ]
    assert not wrong


def test_the_product_imports_no_test() -> None:
    assert not [(p, m) for p, m in imports_of_product() if m.split(".")[0] in ("tests", "pytest", "hypothesis")]


def test_services_know_nothing_of_the_simulator() -> None:
    wrong = [
        (p, m)
        for p, m in imports_of_product()
        if p.startswith("services/") and m.startswith("freeswitch") and not is_entry(p)
    ]
    assert not wrong


def reach(path: str) -> dict[str, str]:
    """What a file needs, through our own files too: top-level module -> the file that imports it."""
    seen, queue, found = {path}, [path], {}
    while queue:
        here = queue.pop()
        for module in imports(here):
            file = file_of(module)
            if file is None:
                found.setdefault(module.split(".")[0], here)
            elif file not in seen:
                seen.add(file)
                queue.append(file)
    return found


def test_the_list_of_pure_modules_names_files_that_exist() -> None:
    pure = [path for path in of_product() if is_pure(path)]
    for rule in PURE:
        assert any(path.startswith(rule) if rule.endswith("/") else Path(path).match(rule) for path in pure), rule


@pytest.mark.parametrize("path", [path for path in of_product() if is_pure(path)])
def test_a_pure_module_touches_nothing_outside(path: str) -> None:
    dirty = {module: file for module, file in reach(path).items() if module in NOT_PURE}
    assert not dirty


@pytest.mark.parametrize("path", [path for path in of_product() if is_pure(path)])
def test_a_pure_module_reads_no_clock_and_opens_no_file(path: str) -> None:
    calls = {
        node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        for node in ast.walk(sources()[path])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)
    }
    assert not calls & {"now", "utcnow", "today", "open", "print", "input", "uuid4", "uuid1", "read_text", "write_text"}


@pytest.mark.parametrize("module", ["model.py", "decide.py", "pages.py"])
def test_whoever_calls_itself_pure_stands_in_the_list(module: str) -> None:
    assert all(is_pure(path) for path in of_product() if path.endswith(f"/{module}") and room_of(path))


def test_a_module_whose_head_says_pure_is_held_to_it() -> None:
    said = [p for p, tree in of_product().items() if re.search(r"\bPURE\b|\bPure[.;]", ast.get_docstring(tree) or "")]
    dirty = {path: found for path in said if (found := {m for m in reach(path) if m in NOT_PURE})}
    assert not dirty


@pytest.mark.parametrize(
    ("library", "places"),
    [
        ("greenswitch", ("services/eventsocket/link.py",)),
        ("pika", ("services/runtime/bus/rabbitmq.py",)),
        ("yaml", ("services/runtime/settings.py", "services/directory/")),
        ("ruamel", ("services/directory/",)),
    ],
)
def test_a_library_stays_in_its_place(library: str, places: tuple[str, ...]) -> None:
    users = {path for path, module in imports_of_product() if module.split(".")[0] == library}
    assert all(path.startswith(places) for path in users), users


def _patches(tree: ast.Module) -> list[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "patch_all"]


def test_gevent_is_put_in_place_first_and_only_in_entry_points() -> None:
    for path, tree in sources().items():
        if not _patches(tree):
            continue
        starts = path.endswith("__main__.py") or (path.startswith("tests/") and "__main__" in ast.dump(tree))
        assert starts, f"{path} patches, but is no entry point"
        head = [node for node in tree.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
        assert isinstance(head[0], ast.ImportFrom) and head[0].module == "gevent", path
        assert isinstance(head[1], ast.Expr) and head[1].value in _patches(tree), f"{path} patches too late"


def test_each_entry_point_of_a_service_puts_gevent_in_place() -> None:
    for path in of_product():
        if path.endswith("__main__.py") and path.startswith("services/"):
            assert _patches(of_product()[path]), path


@pytest.mark.parametrize("path", [path for path in of_product() if (ROOT / path).stat().st_size])
def test_a_module_says_what_it_is_and_can_be_seen_whole(path: str) -> None:
    head = ast.get_docstring(of_product()[path]) or ""
    assert len(head) > 20, f"{path} has no head"
    if not path.endswith(("__init__.py", "__main__.py")):
        assert 2 < len(head.splitlines()) <= 10, f"the head of {path} says what enters and what leaves"
    lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{path} has {lines} lines"


def test_names_say_what_things_are() -> None:
    vague = re.compile(r"(manager|helper|util|common|misc)s?(_|$|\.)", re.IGNORECASE)
    assert not [path for path in of_product() if any(vague.search(part) for part in Path(path).with_suffix("").parts)]
    for path, tree in of_product().items():
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
        assert not {name for name in names if re.search(r"(Manager|Helper|Util|_helper|_util)s?$", name)}, path


def test_nothing_is_left_to_do() -> None:
    """No reminders in the product, no paths of one machine."""
    for path in of_product():
        text = (ROOT / path).read_text(encoding="utf-8")
        assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text), path
        assert not re.search(r"[\"'](/work|/root|/home|/opt)/", text), path
