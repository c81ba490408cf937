"""`toritsugi tenants check DIR`: every mistake by file, line and key, and the tests inside the files.

Enters: a folder and routing's `explain`. Leaves: lines for a person (or JSON lines) and the exit code: 0 when every
file could take effect and every test came out, else 1. It changes nothing; what takes effect is decided in `settle.py`.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TextIO

import msgspec

from proto.tenant import Tenant
from services.directory.tenants.documents import Document, Folder, line_of
from services.directory.tenants.doubts import doubts, rounds
from services.directory.tenants.problems import Problem, errors
from services.directory.tenants.route_tests import Explain, run_tests
from services.directory.tenants.settle import InForce, settle
from services.directory.tenants.yaml_files import read_folder


def main(folder: Path, explain: Explain, out: TextIO, err: TextIO, as_json: bool, today: date) -> int:
    """Problems go to `out`, one a line, then a summary (the last object in JSON); an unreadable one to `err`."""
    try:
        files = read_folder(folder)
    except OSError as error:
        err.write(f"{folder}: {error.strerror}\n")
        return 1
    problems, tests = check(files, explain, today)
    wrong = errors(problems)
    clients = len(files.tenants) + len([name for name in files.broken if name != "platform.yaml"])
    if as_json:
        for problem in problems:
            out.write(msgspec.json.encode(problem.as_json()).decode() + "\n")
        summary = {
            "clients": clients,
            "tests": tests,
            "errors": len(wrong),
            "warnings": len(problems) - len(wrong),
        }
        out.write(msgspec.json.encode(summary).decode() + "\n")
    else:
        for problem in problems:
            out.write(f"{problem}\n")
        out.write(
            f"{_count(clients, 'client')}, {_count(tests, 'route test')}: "
            f"{_count(len(wrong), 'error')}, {_count(len(problems) - len(wrong), 'warning')}\n"
        )
    return 1 if wrong else 0


def check(files: Folder, explain: Explain, today: date) -> tuple[list[Problem], int]:
    """Everything that is wrong or doubtful in a folder, in the order of files and lines, and how many tests were run.

    `today` decides only whether next year's closed days are missed.
    """
    settled = settle(files, InForce())
    problems, tests = list(settled.problems), 0
    wrong = {problem.file for problem in errors(problems)}
    right = {document.body.tenant: document for document in files.tenants if document.file not in wrong}
    for document in right.values():  # in another file, this would only repeat what is said already
        problems += [_at(problem, document) for problem in doubts(document.body, today)]
        if settled.platform is not None:
            tests += len(document.body.tests)
            problems += [_at(one, document) for one in run_tests(document.body, settled.platform, explain)]
    problems += [_at(problem, right[tenant]) for tenant, problem in rounds(one.body for one in right.values())]
    return sorted(problems, key=lambda p: (p.file, p.line, p.key)), tests


def _at(problem: Problem, document: Document[Tenant]) -> Problem:
    line = line_of(document.lines, problem.path)
    return msgspec.structs.replace(problem, file=document.file, line=line, tenant=document.body.tenant)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
