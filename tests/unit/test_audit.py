"""The audit of dependencies: a weakness is told, an unanswered question is never called an answer; and what we ship."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import audit
from tests.audit import IGNORED, LOCK, Ignored, Weakness, ask, ignored, judge, packages

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 22)
WEAK = Weakness("flask", "0.5", frozenset({"PYSEC-2018-66", "CVE-2018-1000656"}), "0.12.3")
HASH = "sha256:" + "0" * 64
ADVISORY = {
    "id": "PYSEC-2018-66",
    "summary": "denial of service",
    "details": "…",
    "aliases": ["CVE-2018-1000656"],
    "modified": "2021-06-10T06:51:42Z",
    "affected": [
        {
            "package": {"name": "flask", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "0.12.3"}]}],
            "versions": ["0.5"],
        }
    ],
}


@contextmanager
def advisories(found: dict[str, Any]) -> Iterator[str]:
    """A service in the manner of OSV that knows this of flask."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = json.dumps(found if asked["package"]["name"] == "flask" else {}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.lock"
    file.write_text(f"flask==0.5 \\\n    --hash={HASH}\nclick==8.0 \\\n    --hash={HASH}\n", encoding="utf-8")
    return file


def test_a_known_weakness_is_found(lock: Path) -> None:
    with advisories({"vulns": [ADVISORY]}) as url:
        assert ask(lock, ("-s", "osv", "--osv-url", url)) == ({}, [WEAK])


def test_a_service_that_is_not_there_leaves_every_package_unknown(lock: Path) -> None:
    unknown, found = ask(lock, ("-s", "osv", "--osv-url", "http://127.0.0.1:1/v1/query"))
    assert set(unknown) == {"flask", "click"}
    assert not found


@pytest.mark.parametrize(
    ("unknown", "found", "known", "strict", "code", "said"),
    [
        ([], [], [], True, 0, "no weakness is known of any package"),
        ([], [WEAK], [], False, 1, "weakness: flask 0.5: CVE-2018-1000656, PYSEC-2018-66; mended in 0.12.3"),
        (["click"], [], [], False, 0, "could not ask about 1 packages, nothing is known of them: click"),
        (["click"], [], [], True, 2, "could not ask about 1 packages"),
        (["click"], [WEAK], [], True, 1, "could not ask"),
        ([], [WEAK], [Ignored("CVE-2018-1000656", "x", TODAY)], True, 0, "no weakness"),
        (
            [],
            [WEAK],
            [Ignored("PYSEC-2018-66", "x", TODAY - timedelta(1))],
            False,
            1,
            "which is over: PYSEC-2018-66 (x)",
        ),
        ([], [], [Ignored("PYSEC-2018-66", "x", TODAY - timedelta(1))], False, 1, "ignored until 2026-11-21"),
    ],
)
def test_what_is_said_and_how_it_ends(
    unknown: list[str], found: list[Weakness], known: list[Ignored], strict: bool, code: int, said: str
) -> None:
    ended, lines = judge(unknown, found, known, TODAY, strict)
    assert ended == code
    assert said in "\n".join(lines)
    assert not (unknown and "no weakness is known of any" in "\n".join(lines))


def test_whoever_ignores_something_says_why_and_until_when(tmp_path: Path) -> None:
    assert isinstance(ignored(IGNORED), tuple)
    file = tmp_path / "ignore.toml"
    file.write_text('[[ignore]]\nid = "A"\nreason = "never called"\nuntil = 2027-01-31\n', encoding="utf-8")
    assert ignored(file) == (Ignored("A", "never called", date(2027, 1, 31)),)
    file.write_text('[[ignore]]\nid = "A"\nuntil = 2027-01-31\n', encoding="utf-8")
    with pytest.raises(KeyError):
        ignored(file)


def test_the_lock_that_is_asked_about_holds_all_that_we_ship() -> None:
    assert set(packages(ROOT / "deploy" / "requirements.lock")) <= set(packages(LOCK))
    assert audit.LOCK.name == "requirements-dev.lock"


def test_the_bill_of_materials_names_all_that_we_ship_with_hashes_and_is_the_same_each_time(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        made = [*_recipe(), "--no-validate", "-o", str(tmp_path / name)]  # the schema costs six seconds, and is make's
        subprocess.run(made, cwd=ROOT, check=True, capture_output=True, timeout=120)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    found = json.loads(written[0])
    assert found["metadata"]["component"]["name"] == "toritsugi"
    assert sorted(one["name"] for one in found["components"]) == sorted(packages(ROOT / "deploy" / "requirements.lock"))
    assert all(reference["hashes"] for one in found["components"] for reference in one["externalReferences"])


def _recipe() -> list[str]:
    """The command of `make sbom`, up to its output."""
    told = subprocess.run(["make", "-n", "sbom"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    words = told.stdout.replace("\\\n", " ").partition("-m cyclonedx_py")[2].split()
    return [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", *words[: words.index("-o")]]
