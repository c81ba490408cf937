"""Puts files into a switch's configuration folder, each at once, with a backup of whatever was there.

Enters: a plan. Leaves: files with the owner and mode they had, a backup folder and a manifest. A symbolic link is never
written, nor a file behind one that leads out of the prefix; in a folder that is another user's, root acts as that user.
What should change is decided in `plan.py`.
"""

from __future__ import annotations

import grp
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from freeswitch.install.layout import AGENT_FOLDER, AGENT_PASSWORD, BACKUPS, MANIFEST, SECRET_FILES, NoPlace
from freeswitch.install.plan import Change, checksum

INDEX = "backup.json"
PASSWORD_BYTES = 24
SWITCH_GROUP = "freeswitch"


def new_password() -> str:
    """192 random bits, as hex digits: the switch's files and its log-in take letters and digits."""
    return secrets.token_hex(PASSWORD_BYTES)


@contextmanager
def as_its_owner(prefix: Path) -> Iterator[None]:
    """Within: root has the rights of the user whose folder it is, and no others.

    FreeSWITCH's own unit gives the folder to the switch's user at every start, backups too (debian/
    freeswitch-systemd.freeswitch.service: chown -R): so a backup there is only worth what that user could write itself.
    """
    owner = prefix.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([owner.st_gid])
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def read(prefix: Path, paths: Sequence[str]) -> dict[str, bytes]:
    """Those files that are there. Raises NoPlace for one that is no plain file inside the prefix."""
    found: dict[str, bytes] = {}
    for path in paths:
        file = prefix / path
        if file.is_symlink() or not file.parent.resolve().is_relative_to(prefix):
            raise NoPlace(
                (
                    f"{file}: リンクなので触りません",
                    f"{file}: is a link, or behind one that leads elsewhere; put a file there",
                )
            )
        if file.is_file():
            found[path] = file.read_bytes()
        elif file.exists():
            raise NoPlace((f"{file}: ファイルではありません", f"{file}: is no file; put it out of the way"))
    return found


def manifest_of(prefix: Path) -> dict[str, str]:
    """Checksums as the last install left them; empty before the first."""
    try:
        said = json.loads((prefix / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {str(path): str(value) for path, value in said.items()}


def apply(
    prefix: Path,
    changes: Sequence[Change],
    manifest: Mapping[str, str] | None,
    owners: Mapping[str, Mapping[str, int] | None] | None = None,
) -> Path | None:
    """Carry out the changes; the backup's folder, or None where nothing had to change. `manifest` None removes it.

    `owners`: owner and mode of files that come from a backup; others keep what they have.
    """
    if not changes:
        return None
    backup = _back_up(prefix, changes, undone=manifest is None)
    for change in changes:
        if change.after is None:
            (prefix / change.path).unlink(missing_ok=True)
        else:
            was = (owners or {}).get(change.path) or _earlier(backup, change.path)
            _write(prefix, change.path, change.after, was)
    if manifest is None:
        (prefix / MANIFEST).unlink(missing_ok=True)
    else:
        text = json.dumps({"files": dict(sorted(manifest.items()))}, indent=1)
        _write(prefix, MANIFEST, text.encode() + b"\n", None)
    return backup


def backups_to_undo(prefix: Path) -> list[Path]:
    """Every backup since all was as before the last time, the oldest first."""
    found: list[Path] = []
    for one in sorted(one.parent for one in (prefix / BACKUPS).glob(f"*/{INDEX}")):
        if not _made_by_us(one):
            raise NoPlace(
                (
                    f"{one}: ほかのユーザーのものです。確かめてから `chown -R --reference={prefix} {one}`、"
                    "または削除してください",
                    f"{one}: belongs to another user: if you know what it holds `chown -R --reference={prefix} {one}`, "
                    "else remove it",
                )
            )
        found = [] if _read_index(one).get("undone") else [*found, one]
    return found


def _made_by_us(backup: Path) -> bool:
    """What another user put there must not come back with our hand (as_its_owner: with its own)."""
    made = backup.lstat()
    return stat.S_ISDIR(made.st_mode) and made.st_uid == os.geteuid() and not made.st_mode & 0o022


def earlier(backup: Path) -> dict[str, bytes | None]:
    """The files of a backup as they were; None: not there. Raises NoPlace if it is none of ours, or is damaged."""
    try:
        if not _made_by_us(backup):
            raise ValueError
        entries = _index(backup)
        found: dict[str, bytes | None] = {}
        for path, entry in entries.items():
            found[path] = (backup / "files" / path).read_bytes() if entry else None
            if entry and checksum(found[path] or b"") != entry["sha256"]:
                raise NoPlace((f"{backup}: {path} が壊れています", f"{backup}: {path} is damaged"))
    except (OSError, ValueError, KeyError, TypeError):
        raise NoPlace((f"{backup}: バックアップではありません", f"{backup}: is no backup of this command")) from None
    return found


def restore(
    prefix: Path, changes: Sequence[Change], sources: Mapping[str, Path], manifest: Mapping[str, str] | None
) -> Path | None:
    """As `apply`, with owner and mode of each file from the backup in `sources` that it comes from."""
    return apply(prefix, changes, manifest, {path: _earlier(backup, path) for path, backup in sources.items()})


# -- writing --


def _back_up(prefix: Path, changes: Sequence[Change], undone: bool) -> Path:
    """A folder of this moment, complete before anything is changed. `undone`: it stands for the end of an uninstall."""
    _folders(prefix, prefix / BACKUPS)
    folder = _fresh(prefix / BACKUPS)
    index: dict[str, Any] = {}
    for change in changes:
        index[change.path] = None
        if change.before is not None:
            found = (prefix / change.path).stat()
            index[change.path] = {
                "sha256": checksum(change.before),
                "mode": stat.S_IMODE(found.st_mode),
                "uid": found.st_uid,
                "gid": found.st_gid,
            }
            copy = folder / "files" / change.path
            copy.parent.mkdir(parents=True, exist_ok=True)
            _synced(copy, change.before)
    _synced(folder / INDEX, json.dumps({"undone": undone, "files": index}, indent=1).encode() + b"\n")
    return folder


def _fresh(parent: Path) -> Path:
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in range(1000):
        folder = parent / (name if not number else f"{name}-{number:03d}")
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            return folder
    raise NoPlace((f"{parent}: 一杯です", f"{parent}: is full of backups of this second"))


def _read_index(backup: Path) -> dict[str, Any]:
    return dict(json.loads((backup / INDEX).read_text(encoding="utf-8")))


def _index(backup: Path) -> dict[str, Any]:
    return dict(_read_index(backup)["files"])


def _earlier(backup: Path, path: str) -> dict[str, int] | None:
    """Owner and mode of a file in a backup; None if it was not there. A configuration file is never setuid."""
    entry = _index(backup).get(path)
    return {**entry, "mode": entry["mode"] & 0o777} if entry else None


def _write(prefix: Path, path: str, content: bytes, was: Mapping[str, int] | None) -> None:
    """Whole or not at all: a new file takes the place of the old."""
    target = prefix / path
    _folders(prefix, target.parent)
    temporary = target.parent / f".{target.name}.toritsugi"
    temporary.unlink(missing_ok=True)
    owner = _owner_and_mode(prefix, path) if was is None else (was["uid"], was["gid"], was["mode"])
    try:
        _synced(temporary, content, owner)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _owner_and_mode(prefix: Path, path: str) -> tuple[int, int, int]:
    """Of a new file: as its neighbours have it; secrets are the switch's alone, the agent's log-in also its group's."""
    model = (prefix / "freeswitch.xml").stat()
    if path not in SECRET_FILES:
        return model.st_uid, model.st_gid, stat.S_IMODE(model.st_mode) & 0o666
    group = _switch_group(prefix)
    for_group = path == AGENT_PASSWORD or (model.st_uid == 0 and group != 0)
    return model.st_uid, group, 0o640 if for_group else 0o600


def _switch_group(prefix: Path) -> int:
    """The group of the switch's process: that of the folder, or where all is root's, the one of its name."""
    group = prefix.stat().st_gid
    if group == 0 and os.geteuid() == 0:
        with suppress(KeyError):
            return grp.getgrnam(SWITCH_GROUP).gr_gid
    return group


def _folders(prefix: Path, folder: Path) -> None:
    """What is missing on the way, as the prefix itself is; in the agent's, the switch reads what the agent writes."""
    if folder.exists():
        return
    _folders(prefix, folder.parent)
    folder.mkdir()
    model = prefix.stat()
    path = str(folder.relative_to(prefix))
    group = _switch_group(prefix) if path == AGENT_FOLDER else model.st_gid
    mode = {AGENT_FOLDER: 0o2770, BACKUPS: 0o700}.get(path, stat.S_IMODE(model.st_mode) & 0o777)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _give(descriptor, model.st_uid, group, mode)
    finally:
        os.close(descriptor)


def _give(descriptor: int, uid: int, gid: int, mode: int) -> None:
    """By descriptor: whoever owns the folder cannot put another file in its place meanwhile."""
    found = os.fstat(descriptor)
    if (found.st_uid, found.st_gid) != (uid, gid) and os.geteuid() == 0:
        os.fchown(descriptor, uid, gid)
    os.fchmod(descriptor, mode)


def _synced(file: Path, content: bytes, owner: tuple[int, int, int] | None = None) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        if owner is not None:
            _give(out.fileno(), *owner)
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
