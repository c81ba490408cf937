"""docs/freeswitch.md can be followed: its files are understood, its commands exist."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from freeswitch.install.layout import our_files
from services.cli import main as toritsugi
from services.eventsocket.conf import credentials_of
from services.runtime.settings import load

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/freeswitch.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", GUIDE, re.DOTALL | re.MULTILINE)
    return ["\n".join(line.removeprefix(indent) for line in text.splitlines()) for indent, text in found]


def commands() -> list[str]:
    """Every `toritsugi …` that a reader is told to type."""
    text = "\n".join(blocks("")).replace("\\\n", " ")
    typed = [line for line in text.splitlines() if "toritsugi " in line]
    typed += re.findall(r"`((?:sudo )?toritsugi [^`…]*)`", GUIDE)
    found = []
    for line in typed:
        for part in re.split(r"&&|\|", line):
            words = shlex.split(part)
            if "toritsugi" in words[:4]:
                found.append(shlex.join(words[words.index("toritsugi") + 1 :]))
    return list(dict.fromkeys(found))


def test_the_guide_has_commands() -> None:
    assert len(commands()) > 6


@pytest.mark.parametrize("line", commands())
def test_every_command_exists_with_its_options(line: str) -> None:
    words = shlex.split(line)
    command: click.Command = toritsugi
    while isinstance(command, click.Group):
        assert words and words[0] in command.commands, f"toritsugi {line}"
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    if command.name == "run":  # its own parser stands in services/run.py
        known |= {"--settings"}
    assert not [word for word in words if word.startswith("--") and word not in known]


def test_the_settings_are_understood(tmp_path: Path) -> None:
    (sample,) = [block for block in blocks("yaml") if block.startswith("data_dir:")]
    secret = tmp_path / "agent.password"
    secret.write_text("a secret\n", encoding="utf-8")
    file = tmp_path / "settings.yaml"
    file.write_text(sample.replace("/etc/freeswitch/toritsugi/agent.password", str(secret)), encoding="utf-8")
    (switch,) = load(file, {}).switches
    assert switch.user == "toritsugi@agent.invalid"
    assert switch.password == "a secret"  # noqa: S105
    assert str(switch.conf_dir) == "/etc/freeswitch"


def test_the_credentials_are_understood() -> None:
    samples = blocks("json")
    assert len(samples) == 2
    for sample in samples:
        assert json.loads(sample)
        assert set(credentials_of(sample.encode()).phones) == {"1001@192.168.1.10", "1002@192.168.1.10"}
    assert credentials_of(samples[1].encode()).gateways["hikari"].register


def test_every_file_that_is_placed_is_explained_and_the_other_way_round() -> None:
    table = GUIDE[GUIDE.index("## What is placed") :]
    for path in our_files():
        if not path.startswith("toritsugi/agent/"):
            assert path in table or Path(path).name in table, path
    for path in re.findall(r"`((?:autoload_configs|sip_profiles|dialplan|directory)/[\w./]+)`", table):
        assert path in our_files(), path


def test_the_variables_that_an_operator_is_told_to_set_exist() -> None:
    known = our_files()["autoload_configs/00_toritsugi.xml"].decode()
    for name in re.findall(r'data="(tt_\w+)=', GUIDE):
        assert f'data="{name}=' in known, name
