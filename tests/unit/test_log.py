"""Log lines: no telephone number in the clear, one line per event, nothing that a terminal obeys."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from services.runtime import log

NUMBERS = [
    "09012345678" * 3,
    "09012345678",
    "+819012345678",
    "%2B819012345678",
    "090-1234-5678",
    "090 1234 5678",
    "090.1234.5678",
    "090%201234%205678",
    "(03) 1234-5678",
    "x09012345678",
    "sip:09012345678@203.0.113.5",
    "number09012345678",
    "call-09012345678",
    "09012345678_x",
    "０９０１２３４５６７８",
    "090ー1234ー5678",
    "tel=0312345678;",
    "090~1234~5678",
    "090・1234・5678",
    "0\u200b90\u00ad1234\u20605678",
    "tel:+81(0)90-1234-5678",
]
NO_NUMBERS = [
    "0b6c1d52-1234-4123-9999-123456789012",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b12345678",
    "2026-11-22T01:00:00.123456Z",
    "192.168.100.200:54321",
    "14:05:03.250 acme 1001",
    "leg 1234567",
]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a process writes to stderr."""
    handlers, pika, out = list(logging.getLogger().handlers), logging.getLogger("pika").level, io.StringIO()
    monkeypatch.setattr("sys.stderr", out)
    log.configure("INFO")
    yield out
    structlog.reset_defaults()
    logging.getLogger().handlers = handlers
    logging.getLogger("pika").setLevel(pika)


def only(lines: io.StringIO) -> dict[str, Any]:
    text = lines.getvalue()
    assert text.splitlines() == [text.rstrip("\n")], "one line, also for readers who know U+2028 and U+0085"
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_keeps_two_digits_at_each_end_however_it_is_written(text: str) -> None:
    shown = [c for c in log.mask(text.replace("203.0.113.5", "").replace("%2B", "").replace("%20", " ")) if c.isdigit()]
    assert len(shown) == 4
    assert "*" in log.mask(text)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_ids_dates_and_addresses_stay_readable(text: str) -> None:
    assert log.mask(text) == text


@given(st.text(st.sampled_from("x +%-.("), max_size=3), st.text(st.sampled_from("0123456789"), min_size=8, max_size=15))
def test_no_number_of_eight_to_fifteen_digits_stands_in_the_clear(before: str, number: str) -> None:
    assert number not in log.mask(f"{before}{number} heard")


def test_values_that_are_not_text_are_masked_too(lines: io.StringIO) -> None:
    log.get_logger("test").warning(
        "x", numbers=["09012345678", ("0312345678",)], by={"09012345678": 1}, caller=9012345678, raw=b"09012345678",
        why=ValueError("sip:09012345678"), decision_us=1795309200123456,
    )  # fmt: skip
    found = only(lines)
    assert found["numbers"] == ["09*******78", ["03******78"]]
    assert found["by"] == {"09*******78": 1}
    assert (found["caller"], found["raw"], found["why"]) == ("90******78", "09*******78", "sip:09*******78")
    assert found["decision_us"] == 1795309200123456


def test_the_ids_of_calls_stay_whole_only_where_they_are_text(lines: io.StringIO) -> None:
    log.get_logger("test").warning("x", leg="0b6c1d52-7", call=["09012345678"])
    found = only(lines)
    assert (found["leg"], found["call"]) == ("0b6c1d52-7", ["09*******78"])


@pytest.mark.parametrize(
    "name", ["0b6c1d52-1234-4123-9999-123456789012", "0b6c1d52-1234-4123-9999-123456789012-123456789"]
)
def test_an_id_stays_whole_and_a_number_in_its_place_does_not(lines: io.StringIO, name: str) -> None:
    log.get_logger("test").warning("x", leg=name, call="09012345678", command=f"{name}@09012345678")
    found = only(lines)
    assert found["leg"] == name
    assert found["call"] == "09*******78"
    assert "09012345678" not in found["command"]


def test_a_number_at_the_end_of_what_is_kept_is_masked_before_the_rest_is_cut(lines: io.StringIO) -> None:
    logging.getLogger("some.library").warning("x" * 1993 + "09012345678")
    assert only(lines)["event"].endswith("x09*****")


DYING = """
from gevent import monkey
monkey.patch_all()
import sys, threading, warnings
import gevent
from services.runtime import log

log.configure("ERROR")
log.take_over()

def die(*_):
    raise ValueError("tel 090-1234-5678")

class Lost:
    __del__ = die

gevent.spawn(die, "03-1234-5678").join()
thread = threading.Thread(target=die)
thread.start()
thread.join()
gevent.get_hub().threadpool.spawn(die).wait()
gevent.get_hub().loop.run_callback(die)
gevent.sleep(0.01)
Lost()
log.configure("WARNING")
warnings.warn("not 090-1234-5678")
die()
"""


def test_whatever_ends_with_an_error_is_one_masked_line_each() -> None:
    ended = subprocess.run([sys.executable, "-c", DYING], capture_output=True, text=True, timeout=60)
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert ended.returncode == 1
    assert not [line for line in lines if "1234" in json.dumps({**line, "timestamp": ""})]
    assert [line["event"] for line in lines if "exception" in line].count("the process ended with an error") == 1
    died = [line for line in lines if "ValueError: tel 09*-****-**78" in line.get("exception", "")]
    assert len(died) >= 5, ended.stderr
    assert any("not 09*-****-**78" in line["event"] for line in lines)


def test_what_a_library_logs_is_a_masked_line_of_ours(lines: io.StringIO) -> None:
    logging.getLogger("some.library").warning("no route to %s", "sip:09012345678@x")
    found = only(lines)
    assert (found["event"], found["part"], found["level"]) == (
        "no route to sip:09*******78@x",
        "some.library",
        "warning",
    )


def test_a_librarys_traceback_is_in_the_same_line(lines: io.StringIO) -> None:
    try:
        raise ValueError("09012345678")
    except ValueError:
        logging.getLogger("some.library").exception("broken")
    found = only(lines)
    assert "ValueError: 09*******78" in found["exception"]
    assert found["level"] == "error"


def test_a_librarys_own_mistake_in_a_log_line_does_no_harm(lines: io.StringIO) -> None:
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if isinstance(handler, log._Libraries)]  # not pytest's own
    logging.getLogger("some.library").warning("%s %s", "one")
    assert only(lines)["event"] == "%s %s"


@pytest.mark.parametrize("bad", ["\r\n", "\x1b[2J", "\x9b2J", "\x85", "\u2028", "\u2029", "\u202e", "\x7f", "\ud800"])
def test_nothing_that_a_terminal_or_a_reader_of_lines_obeys_stands_raw(lines: io.StringIO, bad: str) -> None:
    log.get_logger("test").warning("x", caller=f"a{bad}b")
    assert only(lines)["caller"] == f"a{bad}b"
    assert bad not in lines.getvalue()
    assert all(ord(c) >= 32 or c == "\n" for c in lines.getvalue())


FULL_DISK = """
import resource, sys
from services.runtime.log import configure, get_logger
sys.stderr = open(sys.argv[1], "w", buffering=1)
configure()
log, limits = get_logger("spool"), resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
for number in range(300):
    log.error("the disk is full", number=number)
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
log.info("there is room again")
"""


def test_a_line_for_which_a_full_disk_has_no_room_ends_nothing(tmp_path: Path) -> None:
    """stderr may be a file on the disk that the line is about."""
    said = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path / "log")], capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    assert (tmp_path / "log").read_text(encoding="utf-8").splitlines()[-1].count("there is room again") == 1
