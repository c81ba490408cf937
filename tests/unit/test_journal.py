"""What was up before a crash is read again, whatever became of the file."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from services.eventsocket.beliefs import Beliefs, Leg
from services.eventsocket.journal import Journal


def _kept(path: Path) -> set[str]:
    beliefs = Beliefs()
    Journal(path).take_over(beliefs)
    return set(beliefs.up)


@settings(max_examples=60)
@given(at=st.integers(0, 10_000), junk=st.binary(min_size=1, max_size=20), cut=st.booleans())
def test_a_damaged_line_costs_no_other(tmp_path_factory: object, at: int, junk: bytes, cut: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.legs"  # type: ignore[attr-defined]
    path.unlink(missing_ok=True)
    journal, beliefs = Journal(path), Beliefs()
    for name in ("a", "b", "c"):
        beliefs.learn(Leg(name, "inbound", "trunk", "inbound", name))
        journal.keep([journal.entry_of(beliefs)])
    journal.close()
    assert _kept(path) == {"a", "b", "c"}
    whole = path.read_bytes()
    at %= len(whole)
    path.write_bytes(whole[:at] + junk + (b"" if cut else whole[at + len(junk) :]))
    untouched = whole[:at].count(b"\n")
    assert set("abc"[:untouched]) <= _kept(path)


def test_a_name_that_is_no_text_stops_no_start(tmp_path: Path) -> None:
    line = b'{"legs":[{"id":"%s","direction":"inbound","via":"trunk","kind":"inbound","call":"a"}]}\n'
    (tmp_path / "fs1.legs").write_bytes(line % b"\xff" + line % b"a" + b'{"other":' + b"[" * 100_000 + b"\n")
    assert _kept(tmp_path / "fs1.legs") == {"a"}
