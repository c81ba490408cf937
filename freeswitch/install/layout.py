"""Which of our files is whose, and whether a folder is a FreeSWITCH configuration. Reads, never writes.

Enters: a prefix. Leaves: our files by path below it, or the sentence that says why it is no place for them. Ours are
replaced by every install; those of the operator and of the agent are placed once and then left alone.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

Kind = Literal["ours", "once"]
Pair = tuple[str, str]
"""Japanese and English."""

OWN = "toritsugi"
"""The folder below the prefix that holds what is the operator's, the agent's, and what this command keeps."""
SECRETS = f"{OWN}/secrets.xml"
AGENT_FOLDER = f"{OWN}/agent"
AGENT_PASSWORD = f"{OWN}/agent.password"
FS_CLI = f"{OWN}/fs_cli.conf"
"""The operator's password in the form that fs_cli reads from /etc/fs_cli.conf."""
MANIFEST = f"{OWN}/manifest.json"
BACKUPS = f"{OWN}/backups"
SECRET_FILES = frozenset({SECRETS, AGENT_PASSWORD, FS_CLI})
"""Never shown, readable by the switch and root alone."""


class NoPlace(Exception):
    """The prefix is not one that files are put into; `said` tells why, in both languages."""

    def __init__(self, said: Pair) -> None:
        super().__init__(said[1])
        self.said = said


def our_files() -> dict[str, bytes]:
    """Everything of freeswitch/conf by path below the prefix."""
    return dict(_below(files("freeswitch") / "conf", ""))


def _below(folder: Traversable, path: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for one in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"{path}{one.name}"
        if one.is_dir():
            found += _below(one, f"{name}/")
        elif one.name.endswith(".xml"):
            found.append((name, one.read_bytes()))
    return found


def kind_of(path: str) -> Kind:
    """`toritsugi/…` belongs to the operator and the agent once it is there; all else is ours."""
    return "once" if path.startswith(f"{OWN}/") else "ours"


def checked(prefix: Path) -> Path:
    """The prefix, resolved. Raises NoPlace unless it is a FreeSWITCH configuration folder."""
    if not prefix.is_absolute():
        raise NoPlace((f"{prefix}: 絶対パスで指定してください", f"{prefix}: give the whole path, beginning with /"))
    if not prefix.is_dir():
        raise NoPlace((f"{prefix}: フォルダーがありません", f"{prefix}: there is no such folder"))
    folder = prefix.resolve()
    if (folder / "freeswitch.xml").is_file() and (folder / "autoload_configs").is_dir():
        return folder
    for below in ("conf", "etc/freeswitch"):
        if (folder / below / "freeswitch.xml").is_file():
            raise NoPlace(
                (f"{folder}: 設定は {folder / below} にあります", f"{folder}: its configuration is {folder / below}")
            )
    if not any(folder.iterdir()):
        raise NoPlace(
            (
                f"{folder}: 空です。コンテナなら一度起動すると標準の設定が入ります",
                f"{folder}: is empty; a container fills its volume when it is started once",
            )
        )
    raise NoPlace(
        (
            f"{folder}: FreeSWITCHの設定フォルダーではありません(freeswitch.xml と autoload_configs/ がありません)",
            f"{folder}: is no FreeSWITCH configuration (no freeswitch.xml and autoload_configs/ in it)",
        )
    )
