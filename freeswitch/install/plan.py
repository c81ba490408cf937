"""What has to change below a prefix, as values. Pure.

Enters: the files as they are, the files as they should be, what the last install left. Leaves: changes, the files that
were kept because a person changed them, and unified diffs without a password. Writing is `place.py`.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from freeswitch.install.layout import SECRET_FILES, kind_of

_PASSWORDS = re.compile(
    r"((?:name=\"[^\"]*(?:password|passphrase|secret)[^\"]*\"\s+value=\")|(?:data=\"[^\"=]*password[^\"=]*=))[^\"]*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Change:
    """One file: its bytes before and after; None where there is none."""

    path: str
    before: bytes | None
    after: bytes | None = field(repr=False)


@dataclass(frozen=True)
class Plan:
    """All that is to be done."""

    changes: tuple[Change, ...]
    kept: tuple[str, ...] = ()
    """Files of ours that a person has changed since; they stay as they are."""


def checksum(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def install(
    present: Mapping[str, bytes], ours: Mapping[str, bytes], manifest: Mapping[str, str], replace_changed: bool = False
) -> Plan:
    """`manifest`: checksum of each file as the last install left it. What a newer version no longer has is removed."""
    changes: list[Change] = []
    kept: list[str] = []
    gone = {path: None for path in manifest if path not in ours}
    for path, after in sorted({**ours, **gone}.items()):
        before = present.get(path)
        if before == after or (kind_of(path) == "once" and before is not None):
            continue
        if not replace_changed and before is not None and path in manifest and checksum(before) != manifest[path]:
            kept.append(path)
        else:
            changes.append(Change(path, before, after))
    return Plan(tuple(changes), tuple(kept))


def back_to(present: Mapping[str, bytes], earlier: Mapping[str, bytes | None]) -> Plan:
    """Every file of `earlier` as it was; None: it was not there."""
    wanted = sorted(earlier.items())
    return Plan(tuple(Change(path, present.get(path), was) for path, was in wanted if present.get(path) != was))


def with_passwords(secrets: str, passwords: Mapping[str, str]) -> str:
    """The text of secrets.xml with a line for each variable that it does not set yet."""
    missing = {name: value for name, value in passwords.items() if set_in(secrets, name) is None}
    lines = "".join(f'  <X-PRE-PROCESS cmd="set" data="{name}={value}"/>\n' for name, value in missing.items())
    end = secrets.rfind("</include>")
    return secrets[:end] + lines + secrets[end:] if end >= 0 else f"{secrets}\n<include>\n{lines}</include>\n"


def set_in(text: str, name: str) -> str | None:
    """What a file of X-PRE-PROCESS lines sets a variable to, the last of several; None if it does not."""
    found = re.findall(rf'<X-PRE-PROCESS\s+cmd="set"\s+data="{re.escape(name)}=([^"]*)"', text, re.IGNORECASE)
    return found[-1] if found else None


def diff(change: Change) -> str:
    """A unified diff for people; passwords are blanked, files of passwords are not shown at all."""
    if change.path in SECRET_FILES:
        what = "made" if change.before is None else "removed" if change.after is None else "completed"
        return f"--- {change.path}: {what}, content not shown\n"
    lines = difflib.unified_diff(
        _lines(change.before),
        _lines(change.after),
        "/dev/null" if change.before is None else f"a/{change.path}",
        "/dev/null" if change.after is None else f"b/{change.path}",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(content: bytes | None) -> list[str]:
    text = (content or b"").decode("utf-8", "replace")
    return _PASSWORDS.sub(r"\1…", text).splitlines(keepends=True)
