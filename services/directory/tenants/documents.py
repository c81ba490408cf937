"""Tenant files as values: what was read, where each key stood, and which revision it is.

Enters: structs with the lines of their keys. Leaves: `Document`, `Folder` and the revision of a body. Pure. How bytes
become documents belongs to `yaml_files.py`, which of them take effect to `settle.py`.
"""

from __future__ import annotations

import hashlib
from typing import Generic, TypeVar

import msgspec

from proto.tenant import Tenant
from proto.tenant.platform import Platform
from services.directory.tenants.problems import Path, Problem

PLATFORM_FILE = "platform.yaml"
K = TypeVar("K", bound=msgspec.Struct)


class Document(msgspec.Struct, Generic[K], frozen=True):
    """A file that is right in itself."""

    file: str
    body: K
    lines: dict[Path, int]
    """Line of each key, by path."""
    text: bytes = b""
    """The file as it stands, with its comments."""

    @property
    def revision(self) -> str:
        """Hash of the canonical body: comments, order of keys and hyphens make no difference."""
        return revision_of(self.body)


class Folder(msgspec.Struct, frozen=True):
    """All files of a folder as they stand, each right in itself or with its problems."""

    platform: Document[Platform] | None
    tenants: tuple[Document[Tenant], ...]
    """In the order in which the files were last changed."""
    broken: tuple[str, ...]
    """Files that are there but cannot be used: the client's last good copy stays."""
    problems: tuple[Problem, ...]


def revision_of(body: msgspec.Struct) -> str:
    """SHA-256 of the body as JSON with sorted keys: the same intent gives the same revision everywhere."""
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of a key, or of the nearest thing around it that has one."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)
