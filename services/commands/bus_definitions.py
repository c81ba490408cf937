"""`toritsugi bus definitions`: RabbitMQ's definitions with a password for each user, out of files that are made here.

Enters: settings, names, a folder of passwords. Leaves: JSON on stdout, whose users have salted hashes and no passwords.
What stands in it belongs to `runtime/bus/definitions.py`.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from services.runtime.bus.rights import users


def hashes(folder: Path, switches: Iterable[str], tenants: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """User -> hash, with a file of its password in `folder` for each; and the names of those that were made now.

    Only the owner may read what is made; users whose file is there keep their password. Raises OSError, and ValueError
    for a file without one: who died while making it, or had no room, left it empty.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found, made = {}, []
    for user in users(tuple(switches), tuple(tenants)):
        file = folder / user.name
        if not file.exists():
            _write(file, secrets.token_urlsafe(24))
            made.append(user.name)
        password = file.read_bytes().strip()
        if not password:
            raise ValueError(f"{file}: holds no password; delete it to get one")
        found[user.name] = hashed(password)
    return found, made


def _write(file: Path, password: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
        target.write(password + "\n")


def hashed(password: bytes) -> str:
    """As RabbitMQ keeps it (rabbit_password_hashing_sha256): base64 of a 4-byte salt and the SHA-256 of both."""
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password).digest()).decode()
