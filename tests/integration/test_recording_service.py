"""Recording at work: it alone asks, it catalogues every file, and what failed leaves a mark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proto.commands import StartRecording
from proto.envelope import Envelope
from proto.events import CallAnswered, CommandRefused, RecordingStarted, RecordingStopped, RecordingStored
from services.recording import catalogue
from services.recording.model import Recording, RecordingState
from services.recording.service import build
from services.runtime.worker import Service
from tests.clients import client, envelope, revisions
from tests.integration.one_room import OneRoom, now, running
from tests.stores import Database

ALL = client(recording={"calls": "all"})


@pytest.fixture
def room(tmp_path: Path, database: Database) -> Iterator[OneRoom]:
    with running(build(), tmp_path, database) as room:
        room.tell(envelope(revisions(ALL)[0].body, "acme", "", now(), id="revised/all"))
        yield room


def answered(leg: str = "caller", message_id: str = "answered-1", tenant: str = "acme") -> Envelope:
    return envelope(CallAnswered(switch="fs1", leg=leg, by="phone"), tenant, at_us=now(), id=message_id)


def started(
    path: str, recording: str = "", stage: str = "", *, at_us: int = 0, leg: str = "caller", switch: str = "fs1"
) -> Envelope:
    fact = RecordingStarted(switch=switch, leg=leg, path=path, recording=recording, stage=stage)
    at_us = at_us or now()
    return envelope(fact, at_us=at_us, id=f"started-{at_us}-{switch}-{leg}")


def stopped(
    path: str,
    recording: str = "",
    stage: str = "",
    completion: str = "success-maxtime",
    *,
    at_us: int = 0,
    leg: str = "caller",
    switch: str = "fs1",
    length_ms: int = 12_340,
) -> Envelope:
    fact = RecordingStopped(
        switch=switch,
        leg=leg,
        path=path,
        recording=recording,
        stage=stage,
        length_ms=length_ms,
        size_bytes=395_000,
        completion=completion,
    )
    at_us = at_us or now()
    return envelope(fact, at_us=at_us, id=f"stopped-{at_us}-{switch}-{leg}")


def rows(room: OneRoom, leg: str = "caller", switch: str = "fs1", tenant: str = "acme") -> list[Recording]:
    found = room.store.run(lambda tx: catalogue.of_leg(tx, tenant, switch, leg))
    return sorted(found, key=lambda row: row.started_at_us or row.stopped_at_us or 0)


def test_a_conversation_is_recorded_once_from_answer_to_store(room: OneRoom) -> None:
    room.tell(answered(), answered(), answered(message_id="told-again"))
    command = room.await_(StartRecording)[0]
    path = f"/rec/acme/{command.recording}.wav"
    room.tell(started(path, command.recording), stopped(path, command.recording), stopped(path, command.recording))
    stored = room.await_(RecordingStored)[0]
    assert (stored.recording, stored.asked, stored.kind, stored.length_ms) == (
        command.recording,
        True,
        "conversation",
        12_340,
    )
    assert [row.state for row in rows(room)] == [RecordingState.STORED]


def test_who_does_not_record_is_not_recorded(room: OneRoom) -> None:
    quiet = client(tenant="quiet")
    room.tell(revisions(quiet)[0], answered("leg-q", "a-q", tenant="quiet"), answered("leg-n", "a-n", tenant="nobody"))
    room.tell(answered())
    assert [command.leg for command in room.await_(StartRecording)] == ["caller"]


def test_files_that_nobody_asked_for_stand_in_the_catalogue_too(room: OneRoom) -> None:
    """A phone's own record key, and a message left on voicemail."""
    room.tell(started("/rec/a.wav"), stopped("/rec/a.wav"))
    room.tell(started("/rec/vm.wav", stage="voicemail"), stopped("/rec/vm.wav", stage="voicemail"))
    assert [(s.path, s.asked, s.kind) for s in room.await_(RecordingStored, 2)] == [
        ("/rec/a.wav", False, "conversation"),
        ("/rec/vm.wav", False, "message"),
    ]


def test_a_file_whose_beginning_was_lost_is_catalogued_at_its_end(room: OneRoom) -> None:
    noon = now()
    room.tell(stopped("/rec/late.wav", at_us=noon), started("/rec/late.wav", at_us=noon - 5_000_000))
    room.await_(RecordingStored)
    assert [row.state for row in rows(room)] == [RecordingState.STORED]


def test_a_refused_start_leaves_a_visible_mark(room: OneRoom) -> None:
    room.tell(answered())
    room.await_(StartRecording)
    command = room.envelopes(StartRecording)[0].id
    other = CommandRefused(switch="fs1", command=command, name="command.hang_up", reason="x", by="switch")
    refused = CommandRefused(
        switch="fs1", command=command, name="command.start_recording", reason="Cannot locate session!", by="switch"
    )
    room.tell(envelope(other, at_us=now(), id="x"))
    assert [row.state for row in rows(room)] == [RecordingState.ASKED]
    room.tell(envelope(refused, at_us=now()))
    assert [(row.state, row.reason) for row in rows(room)] == [(RecordingState.FAILED, "Cannot locate session!")]


def test_a_recording_that_never_began_is_marked_and_one_that_began_late_is_not_lost(
    tmp_path: Path, database: Database
) -> None:
    """`uuid_record` says +OK for an impossible path too; only RECORD_START proves a recording."""
    service: Service = build()
    with running(service, tmp_path, database) as room:
        room.tell(envelope(revisions(ALL)[0].body, "acme", "", now(), id="revised/all"), answered())
        command = room.await_(StartRecording)[0]
        room.timers.fire_due(now() + 11_000_000)
        room.until(lambda: rows(room)[0].state is RecordingState.FAILED, "the mark")
        path = f"/rec/acme/{command.recording}.wav"
        room.tell(started(path, command.recording), stopped(path, command.recording))
        assert [(row.state, row.reason) for row in rows(room)] == [(RecordingState.STORED, "")]


def test_a_file_that_the_switch_removed_again_is_never_said_to_be_stored(room: OneRoom) -> None:
    """A talk of a few milliseconds: RECORD_START, RECORD_STOP, and no file (seen on a real switch)."""
    room.tell(answered())
    command = room.await_(StartRecording)[0]
    path = f"/rec/acme/{command.recording}.wav"
    room.tell(started(path, command.recording), stopped(path, command.recording, completion="empty-file"))
    room.until(lambda: rows(room)[0].state is RecordingState.FAILED, "the mark")
    assert rows(room)[0].reason == "the switch removed the file: empty-file"
    assert room.envelopes(RecordingStored) == []


def test_another_clients_file_is_never_taken_for_ours(room: OneRoom) -> None:
    room.tell(answered())
    ours = room.await_(StartRecording)[0].recording
    fact = RecordingStarted(switch="fs1", leg="x", path="/rec/other.wav", recording=ours)
    room.tell(envelope(fact, "bravo", "c9", now()))
    assert [row.state for row in rows(room)] == [RecordingState.ASKED]


def test_a_file_written_again_is_a_second_recording(room: OneRoom) -> None:
    noon = now()
    for n, length_ms in enumerate((1000, 2000)):
        began, ended = noon + n * 10_000_000, noon + n * 10_000_000 + 5_000_000
        room.tell(started("/rec/daily.wav", at_us=began), stopped("/rec/daily.wav", at_us=ended, length_ms=length_ms))
    stored = room.await_(RecordingStored, 2)
    assert [s.length_ms for s in stored] == [1000, 2000]
    assert len({s.recording for s in stored}) == 2
    assert [row.state for row in rows(room)] == [RecordingState.STORED] * 2


def test_a_recording_that_was_asked_for_and_is_begun_again_by_hand_is_two(room: OneRoom) -> None:
    room.tell(answered())
    ours, noon = room.await_(StartRecording)[0].recording, now()
    path = f"/rec/acme/{ours}.wav"
    room.tell(started(path, ours, at_us=noon), stopped(path, ours, at_us=noon + 1))
    room.tell(started(path, ours, at_us=noon + 2), stopped(path, ours, at_us=noon + 3))
    assert [s.asked for s in room.await_(RecordingStored, 2)] == [True, False]


def test_the_same_path_at_another_switch_or_leg_is_another_file(room: OneRoom) -> None:
    room.tell(started("/rec/daily.wav"), started("/rec/daily.wav", leg="l2"), started("/rec/daily.wav", switch="fs2"))
    room.tell(stopped("/rec/daily.wav", switch="fs2"))
    room.await_(RecordingStored)
    assert [row.state for row in rows(room)] == [RecordingState.RUNNING]
    assert [row.state for row in rows(room, leg="l2")] == [RecordingState.RUNNING]
    assert [row.state for row in rows(room, switch="fs2")] == [RecordingState.STORED]


def test_another_clients_end_does_not_close_our_recording(room: OneRoom) -> None:
    room.tell(started("/rec/daily.wav"))
    room.tell(envelope(stopped("/rec/daily.wav").body, "bravo", "c9", now()))
    room.await_(RecordingStored)
    assert [row.state for row in rows(room)] == [RecordingState.RUNNING]
    assert [row.state for row in rows(room, tenant="bravo")] == [RecordingState.STORED]


def test_a_beginning_told_again_and_an_end_told_after_the_next_beginning(room: OneRoom) -> None:
    noon = now()
    first = started("/rec/a.wav", at_us=noon)
    room.tell(first, envelope(first.body, at_us=noon, id="told-by-another"))
    room.tell(started("/rec/a.wav", at_us=noon + 10), stopped("/rec/a.wav", at_us=noon + 5))
    room.await_(RecordingStored)
    assert [(row.started_at_us, row.state) for row in rows(room)] == [
        (noon, RecordingState.STORED),
        (noon + 10, RecordingState.RUNNING),
    ]


def test_a_path_as_long_as_a_file_system_allows_is_kept_whole(room: OneRoom) -> None:
    path = "/rec/" + "長" * 1360 + ".wav"
    room.tell(started(path), stopped(path))
    assert [s.path for s in room.await_(RecordingStored)] == [path]
