"""All tests run on both kinds of database: what "all" means, and that it is so.

A test whose subject includes a service's store takes the store from the fixture `database` (or `house_database`, or one
of its module's own with `params=KINDS`): it runs once on SQLite and once on PostgreSQL. Whatever opens a store or a
house asks for such a `Database`, so nobody comes by one otherwise, except the places named here, each with its reason.
Without any service's store in them, and so run once: pure modules, the link and the simulator, buses and their rights,
an agent with its spool and journal (files beside the switch on purpose: it must not depend on a network).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent

ON_ONE = {
    "an agent's store is a file beside the switch": (
        "faults/commanding_process.py::main",
        "faults/test_commands.py::House",
        "integration/house.py::TestHouse",
        "integration/agent_world.py::World",
        "integration/test_agent_commands.py::*",
    ),
    "what only PostgreSQL does: schemas, roles, locks, another writer's row, a server that is gone": (
        "contract/test_store_tls.py::opened",
        "integration/test_log_in_in_two_processes.py::*",
        "integration/test_webhooks.py::test_a_row_that_another_process_changes_meanwhile_sends_no_call_twice",
        "unit/test_migrations.py::test_a_service_with_a_role_of_its_own_needs_nothing_but_its_schema",
        "unit/test_migrations.py::test_processes_that_start_at_once_make_the_tables_once",
        "unit/test_migrations.py::test_rows_are_numbered_beyond_two_thousand_million",
        "unit/test_migrations.py::test_the_tables_of_a_room_are_its_own",
        "unit/test_silent_server.py::*",
        "unit/test_store.py::test_a_connection_that_was_cut_is_unavailable_once_and_then_made_anew",
        "unit/test_store.py::test_two_processes_on_one_row_one_is_first_and_the_other_is_told",
        "unit/test_store.py::test_what_was_committed_is_there_after_the_server_was_killed",
        "unit/test_store.py::test_who_asks_for_more_tries_is_not_told_that_another_was_first",
        "unit/test_two_directories.py::*",
    ),
    "what only a SQLite file does: locked whole, in no folder, from before there were revisions": (
        "unit/test_billing_ledger.py::test_sqlite_replaces_no_row_either",
        "unit/test_migrations.py::test_a_data_folder_from_before_there_were_revisions_is_kept",
        "unit/test_migrations.py::test_of_two_that_upgrade_one_file_the_second_leaves_the_firsts_copy",
        "unit/test_store.py::test_a_database_locked_at_the_start_is_unavailable",
        "unit/test_store.py::test_a_folder_that_is_not_there_is_unavailable",
    ),
    "what reaches the store was read by a schema before; its answers are compared beside it": (
        "integration/pages/test_api_fuzzed.py::house",
    ),
    "what a form makes of the client's file; forms are kept in both by test_settings_forms.py": (
        "integration/test_settings_way.py::one_house",
    ),
    "a process of a test that tells it the address": ("contract/worker_process.py::main",),
    "each bus with one database, since the book of letters knows nothing of the bus": (
        "integration/test_dead_letters.py::office",
    ),
    "the process ends before it opens a store": ("integration/test_run_refused.py::commands",),
    "what a browser draws; the same pages are read from both in pages/test_history.py": ("browser/serve.py::main",),
}
"""Why a store stands on one kind of database -> where it is opened (`*`: anywhere in that file)."""


def places() -> Iterator[tuple[str, ast.AST]]:
    """Each top-level function and class of the tests, as `path::name`. A bench names the database that it measures."""
    for file in sorted(TESTS.rglob("*.py")):
        path = str(file.relative_to(TESTS))
        if not path.startswith(("bench/", "stores.py")):
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    yield f"{path}::{node.name}", node


def is_told(node: ast.AST, kind: str) -> bool:
    """Whether this is a fixture that gives each kind in turn, or is told the kind by one."""
    if not isinstance(node, ast.FunctionDef):
        return False
    return any("params=KINDS" in ast.unparse(one) for one in node.decorator_list) or kind in [
        argument.arg for argument in node.args.args
    ]


def chooses(node: ast.AST) -> bool:
    """Whether this place settles by itself on which kind of database a store is."""
    for call in (one for one in ast.walk(node) if isinstance(one, ast.Call)):
        name, first = ast.unparse(call.func), ast.unparse(call.args[0]) if call.args else ""
        if name in ("Files", "Schemas"):
            return True
        if name == "Store" and ".store(" not in first:  # not the address that a `Database` gave
            return True
        if name in ("stores_of", "house_on") and not is_told(node, first):
            return True
    return False


def test_a_store_is_opened_on_both_kinds_of_database_unless_there_is_a_reason() -> None:
    named = {place for group in ON_ONE.values() for place in group}
    whole = {place.partition("::")[0] for place in named if place.endswith("::*")}
    found = {place if (file := place.partition("::")[0]) not in whole else f"{file}::*" for place in chosen()}
    assert found == named


def chosen() -> Iterator[str]:
    return (place for place, node in places() if chooses(node))
