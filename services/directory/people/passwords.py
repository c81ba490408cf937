"""Passwords: made, hashed and compared.

Enters: what somebody typed, a hash that is kept. Leaves: hashes (scrypt, worked out off the hub), new passwords,
whether one fits. Whose a hash is stands in `rows.py`, who may try and how often in `tries.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata

import gevent
from gevent.lock import BoundedSemaphore

from services.runtime.threads import ask

SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 1
"""RFC 7914: 32 MB and about 0.1 s a try."""
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without letters that are easily misread on a screen."""
_hashing = BoundedSemaphore(2)
"""So that a flood of log-ins takes 64 MB, not all there is."""


def new_password() -> str:
    """20 random characters in groups of five: about 99 bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))


def hash_password(password: str) -> str:
    """`scrypt$N$r$p$salt$hash`, hexadecimal. Parks the greenlet for about 0.1 s; the hub runs on."""
    return _hash(password, SCRYPT_N, SCRYPT_R, SCRYPT_P, secrets.token_bytes(16))


def password_fits(password: str, stored: str) -> bool:
    """Whether `password` is the one behind `stored`."""
    _, n, r, p, salt, _ = stored.split("$")
    return hmac.compare_digest(_hash(password, int(n), int(r), int(p), bytes.fromhex(salt)), stored)


def _hash(password: str, n: int, r: int, p: int, salt: bytes) -> str:
    secret = unicodedata.normalize("NFKC", password).encode()

    def work() -> bytes:
        return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=32)

    with _hashing:
        derived: bytes = ask(gevent.get_hub().threadpool, work)
    return f"scrypt${n}${r}${p}${salt.hex()}${derived.hex()}"


def of_nobody() -> str:
    """What no password fits, for a name that nobody has: looking at it takes as long."""
    return f"scrypt${SCRYPT_N}${SCRYPT_R}${SCRYPT_P}${'00' * 16}${'00' * 32}"
