"""What becomes of a delivery after an attempt, and where no attempt may go. PURE.

Enters: how an attempt ended, how many there were, the addresses of a host. Leaves: the next state, or a refusal.
Sockets belong to `post.py`, rows to `deliveries.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Literal

import msgspec

State = Literal["due", "sent", "failed", "refused", "disabled", "withdrawn"]
"""due: waits for its time; sent: the receiver said 2xx; failed: given up; refused: the address may not be used;
disabled: the endpoint said 410; withdrawn: the client took the endpoint out."""

DELAYS_S: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""After each failed attempt; about three days in all (standard-webhooks: retries)."""
MAX_RETRY_AFTER_S = 86400
_NAT64 = IPv6Network("64:ff9b::/96")


class Answered(msgspec.Struct, frozen=True):
    """The receiver said something."""

    status: int
    retry_after_s: int = 0


class Unreachable(msgspec.Struct, frozen=True):
    """No answer in time, or none that is HTTP."""

    reason: str


class Refused(msgspec.Struct, frozen=True):
    """We will not send there: a private address, or no usable address at all."""

    reason: str


Outcome = Answered | Unreachable | Refused


class Next(msgspec.Struct, frozen=True):
    """The delivery's next state; `in_s` only while it is due."""

    state: State
    reason: str = ""
    in_s: float = 0


def after(outcome: Outcome, attempts: int, message: str, delays_s: Sequence[float] = DELAYS_S) -> Next:
    """What follows attempt number `attempts` (from 1). Redirects are not followed: they are failures."""
    if isinstance(outcome, Refused):
        return Next("refused", outcome.reason)
    if isinstance(outcome, Answered):
        if 200 <= outcome.status < 300:
            return Next("sent")
        if outcome.status == 410:
            return Next("disabled", "410 Gone")
    reason = f"HTTP {outcome.status}" if isinstance(outcome, Answered) else outcome.reason
    if attempts > len(delays_s):
        return Next("failed", f"{reason}; given up after {attempts} attempts")
    asked_s = min(outcome.retry_after_s, MAX_RETRY_AFTER_S) if isinstance(outcome, Answered) else 0
    return Next("due", reason, max(asked_s, delays_s[attempts - 1] * _spread(message, attempts)))


def _spread(message: str, attempts: int) -> float:
    """0.9 to 1.1, so that what failed together does not come back together; the same for the same attempt."""
    return 0.9 + hashlib.sha256(f"{message}/{attempts}".encode()).digest()[0] / 255 * 0.2


def is_public(address: str) -> bool:
    """Whether an address may be dialled for a client: not private, loopback, link-local, multicast or reserved.

    IPv4 inside IPv6 (mapped, 6to4, Teredo, NAT64) is judged as what it leads to.
    """
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            inner = IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if found.is_site_local:
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def choose(addresses: Sequence[str], allow_private: bool) -> str | Refused:
    """The address to connect to. A host that has a private address among its own is refused as a whole."""
    if not addresses:
        return Refused("the host has no address")
    private = [address for address in addresses if not is_public(address)]
    if private and not allow_private:
        return Refused("the host has a private, loopback or reserved address")
    return addresses[0]
