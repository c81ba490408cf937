"""The key that signs session cookies: one file, readable by its owner only.

Enters: a path. Leaves: 32 random bytes, made at first start. Whoever deletes the file logs everybody out.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def read_or_make_key(path: Path) -> bytes:
    """The key in `path`; made with mode 0600 if there is none. Raises ValueError for a file that is too short."""
    if not path.exists():
        _make(path)
    path.chmod(0o600)  # an operator's copy may have come with wider rights
    key = path.read_bytes().strip()
    if len(key) < KEY_BYTES:
        raise ValueError(f"{path}: a session key of at least {KEY_BYTES} bytes is needed; delete the file to get one")
    return key


def _make(path: Path) -> None:
    """Written whole, then linked: of two processes that start together both read the key of the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_hex(KEY_BYTES).encode())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()
