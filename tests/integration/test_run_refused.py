"""`toritsugi run` that never comes so far as to open a store: its help, mistakes in settings, a broker away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import Commands, commands_in
from tests.stores import Files


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    yield from commands_in(tmp_path, Files(tmp_path / "data"))


def test_its_help_names_the_command_that_people_type(commands: Commands) -> None:
    run = commands.run("--help")
    assert run.ended() == 0
    assert run.out[0].startswith("Usage: toritsugi run [OPTIONS]")


def test_without_its_broker_it_says_so_in_one_sentence(commands: Commands) -> None:
    run = commands.run("--bus", "amqp://someone:secret@127.0.0.1:1/none")
    assert run.ended() == 1
    warning, sentence = run.err
    assert warning.startswith("toritsugi: warning: the password in --bus stands in the process list; TORITSUGI_BUS")
    assert sentence.startswith("toritsugi: bus could not start: RabbitMQ was not reached")
    assert "Connection refused" in sentence
    assert "secret" not in warning + sentence
    assert not run.out


def test_a_mistake_in_the_settings_names_file_line_and_key(commands: Commands, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("log_level: INFO\nweb:\n  port: eighty\n")
    run = commands.run("--settings", str(file))
    assert run.ended() == 2
    assert len(run.err) == 1
    assert run.err[0].startswith(f"{file}:3: web.port: 'eighty'")


@pytest.mark.parametrize("made", [False, True], ids=["no folder", "empty folder"])
def test_without_client_files_it_says_which_folder(commands: Commands, tmp_path: Path, made: bool) -> None:
    folder, file = tmp_path / "clients", tmp_path / "own.yaml"
    if made:
        folder.mkdir()
    file.write_text(f"tenants_dir: {folder}\n")
    run = commands.run("--settings", str(file))
    assert run.ended() == 1
    assert len(run.err) == 1
    assert str(folder) in run.err[0]


def test_one_service_alone_needs_a_bus_that_others_share(commands: Commands) -> None:
    run = commands.run("routing")
    assert run.ended() == 2
    assert "--bus" in run.err[-1]
