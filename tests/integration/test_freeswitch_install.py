"""`toritsugi freeswitch install` into a folder that looks like a stock one: placed, repeated, changed, taken back."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from freeswitch.install.layout import our_files
from freeswitch.install.plan import Change, back_to, checksum, diff, install, set_in, with_passwords
from services.cli import main as toritsugi
from services.eventsocket.conf_folder import ConfFolder
from services.eventsocket.doctor import conf_files
from services.eventsocket.doctor.dialplan_checks import CHECKS
from services.eventsocket.doctor.facts import Facts, Gateway, Switch

STOCK = {
    "freeswitch.xml": """<?xml version="1.0"?>
<document type="freeswitch/xml">
  <X-PRE-PROCESS cmd="include" data="vars.xml"/>
  <section name="configuration">
    <X-PRE-PROCESS cmd="include" data="autoload_configs/*.xml"/>
  </section>
  <section name="dialplan">
    <X-PRE-PROCESS cmd="include" data="dialplan/*.xml"/>
  </section>
  <section name="directory">
    <X-PRE-PROCESS cmd="include" data="directory/*.xml"/>
  </section>
</document>
""",
    "vars.xml": '<include>\n  <X-PRE-PROCESS cmd="set" data="default_password=1234"/>\n</include>\n',
    "autoload_configs/event_socket.conf.xml": '<configuration name="event_socket.conf">\n<settings>\n'
    '<param name="listen-ip" value="::"/>\n<param name="password" value="ClueCon-of-mine"/>\n</settings>\n'
    "</configuration>\n",
    "autoload_configs/switch.conf.xml": '<configuration name="switch.conf">\n<settings/>\n</configuration>\n',
    "dialplan/default.xml": '<include>\n<context name="default">\n<extension name="demo">\n<condition>\n'
    '<action application="bridge" data="user/1000"/>\n</condition>\n</extension>\n</context>\n</include>\n',
    "sip_profiles/internal.xml": '<profile name="internal">\r\n</profile>',
    "directory/default.xml": "<include>\n</include>\n",
}
"""A stand-in with what matters of the stock files."""


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    folder = tmp_path / "freeswitch"
    for path, text in STOCK.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    (folder / "dialplan/default.xml").chmod(0o640)
    return folder


def run(prefix: Path, *more: str) -> Result:
    return CliRunner().invoke(toritsugi, ["freeswitch", "install", "--prefix", str(prefix), "--lang", "en", *more])


def picture(prefix: Path) -> dict[str, tuple[bytes, int, int, int]]:
    """Everything but what the command keeps for itself: bytes, mode, owner, group."""
    found = {}
    for file in sorted(prefix.rglob("*")):
        path = str(file.relative_to(prefix))
        if file.is_file() and not path.startswith("toritsugi/backups/"):
            info = file.stat()
            found[path] = (file.read_bytes(), stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid)
    return found


def backup_in(said: Result) -> Path:
    found = re.search(r"what was there: (\S+)", said.output)
    assert found is not None, said.output
    return Path(found[1])


def test_a_dry_run_shows_everything_and_writes_nothing(prefix: Path) -> None:
    before = picture(prefix)
    said = run(prefix, "--dry-run")
    assert said.exit_code == 0
    assert "+++ b/dialplan/default/10_toritsugi.xml" in said.output
    assert '-<extension name="demo">' in said.output
    assert picture(prefix) == before


def test_what_is_placed_is_ours_and_the_second_time_changes_nothing(prefix: Path) -> None:
    said = run(prefix)
    assert said.exit_code == 0, said.output
    for path, raw in our_files().items():
        if not path.endswith("secrets.xml"):
            assert (prefix / path).read_bytes() == raw
    assert (prefix / "vars.xml").read_text(encoding="utf-8") == STOCK["vars.xml"], "what is not ours stays"
    assert stat.S_IMODE((prefix / "dialplan/default.xml").stat().st_mode) == 0o640, "modes stay"
    after = picture(prefix)
    again = run(prefix)
    assert again.output.splitlines() == ["Nothing to change"]
    assert picture(prefix) == after


def test_passwords_are_made_once_for_the_switch_alone_and_never_shown(prefix: Path) -> None:
    shown = run(prefix, "--dry-run").output + run(prefix).output
    text = (prefix / "toritsugi/secrets.xml").read_text(encoding="utf-8")
    operators, agents = set_in(text, "tt_event_socket_password"), set_in(text, "tt_agent_password")
    assert operators and agents and operators != agents
    assert re.fullmatch(r"[0-9a-f]{48}", operators)
    assert (prefix / "toritsugi/agent.password").read_text(encoding="utf-8") == f"{agents}\n"
    assert (prefix / "toritsugi/fs_cli.conf").read_text(encoding="utf-8") == f"[default]\npassword => {operators}\n"
    for name in ("secrets.xml", "agent.password", "fs_cli.conf"):
        assert stat.S_IMODE((prefix / "toritsugi" / name).stat().st_mode) & 0o007 == 0
    for password in (operators, agents, "ClueCon-of-mine"):
        assert password not in shown
    run(prefix)
    assert (prefix / "toritsugi/secrets.xml").read_text(encoding="utf-8") == text


def test_what_the_operator_and_the_agent_wrote_is_never_replaced(prefix: Path) -> None:
    run(prefix)
    own = '<include>\n  <X-PRE-PROCESS cmd="set" data="tt_phone_port=5070"/>\n</include>\n'
    (prefix / "toritsugi/local.xml").write_text(own, encoding="utf-8")
    (prefix / "toritsugi/agent/directory.xml").write_text("<include>\n</include>\n", encoding="utf-8")
    assert run(prefix).output.splitlines() == ["Nothing to change"]
    assert (prefix / "toritsugi/local.xml").read_text(encoding="utf-8") == own


def test_a_file_of_ours_that_somebody_changed_is_kept_and_named(prefix: Path) -> None:
    run(prefix)
    mine = prefix / "autoload_configs/switch.conf.xml"
    mine.write_text("<configuration/>\n", encoding="utf-8")
    (prefix / "dialplan/public.xml").unlink()
    said = run(prefix)
    assert said.exit_code == 1
    assert "kept: autoload_configs/switch.conf.xml" in said.output
    assert mine.read_text(encoding="utf-8") == "<configuration/>\n"
    assert (prefix / "dialplan/public.xml").exists(), "what is missing comes back"
    replaced = run(prefix, "--replace-changed")
    assert replaced.exit_code == 0
    assert mine.read_bytes() == our_files()["autoload_configs/switch.conf.xml"]
    backup = backup_in(replaced)
    assert run(prefix, "--restore", str(backup)).exit_code == 0
    assert mine.read_text(encoding="utf-8") == "<configuration/>\n"


def test_uninstall_puts_everything_back_to_the_byte(prefix: Path) -> None:
    before = picture(prefix)
    run(prefix)
    (prefix / "toritsugi/local.xml").write_text("<include>\n</include>\n", encoding="utf-8")
    run(prefix, "--replace-changed")
    assert "files would change" in run(prefix, "--uninstall", "--dry-run").output
    said = run(prefix, "--uninstall")
    assert said.exit_code == 0, said.output
    assert picture(prefix) == before


def test_what_is_changed_between_two_lives_is_what_the_second_goes_back_to(prefix: Path) -> None:
    run(prefix)
    run(prefix, "--uninstall")
    (prefix / "dialplan/default.xml").write_text("<include>\n</include>\n", encoding="utf-8")
    before = picture(prefix)
    run(prefix)
    run(prefix, "--uninstall")
    assert picture(prefix) == before


def test_a_backup_that_is_damaged_or_none_is_refused(prefix: Path) -> None:
    backup = backup_in(run(prefix))
    after = picture(prefix)
    (backup / "files/dialplan/default.xml").write_bytes(b"something else")
    said = run(prefix, "--restore", str(backup))
    assert said.exit_code == 2 and "is damaged" in said.output
    assert "is no backup" in run(prefix, "--restore", str(prefix)).output
    assert picture(prefix) == after


def test_an_install_that_breaks_off_can_be_ended_or_taken_back(prefix: Path) -> None:
    """Each file is whole or not at all, and the backup stood before the first was touched."""
    before = picture(prefix)
    obstacle = prefix / "sip_profiles/.external.xml.toritsugi"
    obstacle.mkdir()
    said = run(prefix)
    assert said.exit_code == 2 and "external.xml" in said.output and "--uninstall takes it back" in said.output
    assert list(prefix.rglob(".*.toritsugi")) == [obstacle], "no half file is left"
    obstacle.rmdir()
    assert run(prefix).exit_code == 0
    assert run(prefix).output.splitlines() == ["Nothing to change"]
    assert run(prefix, "--uninstall").exit_code == 0
    assert picture(prefix) == before


def test_something_that_is_no_file_in_the_place_of_one_is_seen_before_anything_is_written(prefix: Path) -> None:
    (prefix / "sip_profiles/external.xml").mkdir()
    before = picture(prefix)
    said = run(prefix)
    assert said.exit_code == 2 and "external.xml: is no file" in said.output
    assert picture(prefix) == before


def test_a_backup_that_others_can_write_is_refused(prefix: Path) -> None:
    """The switch's user owns the folder of backups: a forged one would be put back by root."""
    run(prefix)
    forged = prefix / "toritsugi/backups/20990101T000000Z"
    (forged / "files/dialplan").mkdir(parents=True)
    (forged / "files/dialplan/program").write_bytes(b"x")
    entry = {"sha256": checksum(b"x"), "mode": 0o4755, "uid": os.geteuid(), "gid": os.getegid()}
    index = {"undone": False, "files": {"dialplan/program": entry}}
    (forged / "backup.json").write_text(json.dumps(index), encoding="utf-8")
    forged.chmod(0o775)
    assert run(prefix, "--uninstall").exit_code == 2
    assert run(prefix, "--restore", str(forged)).exit_code == 2
    assert not (prefix / "dialplan/program").exists()
    forged.chmod(0o755)
    assert run(prefix, "--restore", str(forged)).exit_code == 0
    assert stat.S_IMODE((prefix / "dialplan/program").stat().st_mode) == 0o755, "never with another user's rights"


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        ("absent", "there is no such folder"),
        ("strange", "is no FreeSWITCH configuration"),
        ("empty", "a container fills its volume"),
        ("above", "its configuration is"),
    ],
)
def test_a_strange_prefix_is_refused_in_one_sentence(tmp_path: Path, prefix: Path, prepare: str, says: str) -> None:
    place = tmp_path / prepare
    if prepare != "absent":
        place.mkdir()
    if prepare == "strange":
        (place / "hosts").write_text("", encoding="utf-8")
    if prepare == "above":
        prefix.rename(place / "conf")
    said = run(place)
    assert said.exit_code == 2
    assert says in said.output and len(said.output.splitlines()) == 1
    assert "beginning with /" in run(Path("freeswitch")).output


def test_nothing_is_written_through_a_link(prefix: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.xml"
    target.write_text("precious", encoding="utf-8")
    file = prefix / "dialplan/default.xml"
    file.unlink()
    file.symlink_to(target)
    before = picture(prefix)
    said = run(prefix)
    assert said.exit_code == 2 and "is a link" in said.output
    assert target.read_text(encoding="utf-8") == "precious"
    assert picture(prefix) == before


def test_the_agent_writes_what_the_switch_reads(prefix: Path) -> None:
    """The agent is often another user, and keeps its own files to itself: in this folder the group reads on."""
    run(prefix)
    folder = prefix / "toritsugi/agent"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2770
    assert stat.S_IMODE((prefix / "toritsugi/agent.password").stat().st_mode) == 0o640
    before = os.umask(0o077)
    try:
        ConfFolder(folder).write({"directory.xml": "<include>\n</include>\n", "fallback/678/0312345678.xml": "<a/>\n"})
    finally:
        os.umask(before)
    for path in ("directory.xml", "fallback", "fallback/678", "fallback/678/0312345678.xml"):
        info = (folder / path).stat()
        assert info.st_gid == folder.stat().st_gid
        assert stat.S_IMODE(info.st_mode) & 0o040, f"{path} cannot be read by the switch"
    for path in ("fallback", "fallback/678"):
        assert stat.S_IMODE((folder / path).stat().st_mode) & 0o020, "the switch's unit takes it over at each start"


@pytest.fixture
def switchs_own(prefix: Path) -> Iterator[Path]:
    """As after a start of FreeSWITCH by its own unit: all of it is the switch's user's (chown -R)."""
    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        folder = Path(shutil.copytree(prefix, Path(open_to_all) / "freeswitch"))
        to_the_switch(folder)
        yield folder


def to_the_switch(prefix: Path) -> None:
    for file in [prefix, *prefix.rglob("*")]:
        os.chown(file, 4711, 4712)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_belong_to_the_switch_as_their_neighbours_do(switchs_own: Path) -> None:
    run(switchs_own)
    for file in switchs_own.rglob("*"):
        assert (file.stat().st_uid, file.stat().st_gid) == (4711, 4712), file
    assert (os.geteuid(), os.getegid()) == (0, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_was_installed_by_root_is_taken_back_after_the_switch_has_started(prefix: Path, switchs_own: Path) -> None:
    """The first install may come before the first start, when the folder is still root's; the second comes after it."""
    fresh = Path(shutil.copytree(prefix, switchs_own.parent / "fresh"))
    for folder in (fresh, switchs_own):
        before = {path: found[:2] for path, found in picture(folder).items()}
        assert run(folder).exit_code == 0
        to_the_switch(folder)
        (folder / "toritsugi/local.xml").write_text("<include>\n</include>\n", encoding="utf-8")
        assert run(folder, "--replace-changed").exit_code == 0
        said = run(folder, "--uninstall")
        assert said.exit_code == 0, said.output
        assert {path: found[:2] for path, found in picture(folder).items()} == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take what another cannot")
def test_what_the_switchs_user_put_among_the_backups_gets_no_further_than_that_user(switchs_own: Path) -> None:
    """A backup whose content is a link: root would read it, and leave it where the switch's user can."""
    backup = backup_in(run(switchs_own))
    secret = switchs_own.parent / "shadow"
    secret.write_bytes(b"root alone")
    secret.chmod(0o600)
    for forged, target in (("files/dialplan/default.xml", secret), ("files/sip_profiles", switchs_own.parent)):
        shutil.rmtree(backup / forged, ignore_errors=True)
        (backup / forged).unlink(missing_ok=True)
        (backup / forged).symlink_to(target)
    index = json.loads((backup / "backup.json").read_text(encoding="utf-8"))
    index["files"]["dialplan/default.xml"]["sha256"] = checksum(b"root alone")
    (backup / "backup.json").write_text(json.dumps(index), encoding="utf-8")
    assert run(switchs_own, "--uninstall").exit_code == 2
    assert b"root alone" not in (switchs_own / "dialplan/default.xml").read_bytes()


def test_the_doctor_finds_the_dialplan_of_an_install_in_order(prefix: Path) -> None:
    """Emergency first, nothing before ours, no way from outside to the phones' context."""
    run(prefix)
    files = conf_files.read(prefix)
    assert files is not None
    here = Switch(gateways=(Gateway("none"),), streams=frozenset({"moh"}))
    facts = Facts(here, files=files, from_files=conf_files.understood(files, {}))
    assert [found.severity for check in CHECKS for found in check.findings(facts)] == ["ok"] * len(CHECKS)


paths = st.sampled_from(["a.xml", "dialplan/b.xml", "toritsugi/local.xml", "c/d.xml"])
trees = st.dictionaries(paths, st.binary(max_size=8))


def after(tree: dict[str, bytes], changes: tuple[Change, ...]) -> dict[str, bytes]:
    gone = tree | {one.path: one.after or b"" for one in changes}
    return {path: raw for path, raw in gone.items() if path not in {one.path for one in changes if one.after is None}}


@given(trees, trees, trees)
def test_every_install_can_be_taken_back(
    present: dict[str, bytes], ours: dict[str, bytes], last: dict[str, bytes]
) -> None:
    manifest = {path: checksum(raw) for path, raw in last.items()}
    plan = install(present, ours, manifest)
    now = after(present, plan.changes)
    assert after(now, back_to(now, {one.path: one.before for one in plan.changes}).changes) == present
    for path in plan.kept:
        assert now[path] == present[path] and checksum(present[path]) != manifest[path]


@given(trees, trees)
def test_a_second_install_has_nothing_to_do(present: dict[str, bytes], ours: dict[str, bytes]) -> None:
    now = after(present, install(present, ours, {}).changes)
    assert not install(now, ours, {path: checksum(now[path]) for path in ours}).changes


def test_a_password_that_stands_there_is_not_made_anew() -> None:
    text = '<include>\n  <X-PRE-PROCESS cmd="set" data="a=mine"/>\n</include>\n'
    completed = with_passwords(text, {"a": "x", "b": "y"})
    assert (set_in(completed, "a"), set_in(completed, "b")) == ("mine", "y")
    assert completed.endswith("</include>\n")


def test_a_diff_blanks_passwords() -> None:
    shown = diff(
        Change(
            "autoload_configs/a.xml", b'<param name="password" value="old"/>\n', b'<x data="default_password=new"/>\n'
        )
    )
    assert "old" not in shown and "new" not in shown
