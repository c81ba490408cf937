"""Which transport an address means.

Enters: `embedded:` or `amqp[s]://…`, what TLS trusts, and the folder for data. Leaves: a bus that is not started yet.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from ssl import SSLContext
from typing import Any

from services.runtime.bus import Bus
from services.runtime.bus.letters import LetterBox
from services.runtime.settings import BusTls
from services.runtime.tls import client_context

EMBEDDED = "embedded:"
JOURNAL = "bus.sqlite"


def connect(url: str, data_dir: Path, tls: BusTls | None = None, *, declares: bool = True) -> Bus:
    """The bus at `url`; the embedded one keeps its journal in `data_dir`. Raises ValueError for any other address.

    `declares`: whether it makes what RabbitMQ lacks. Raises UnusableCertificate for files of `tls` that are none.
    """
    if url in (EMBEDDED, "embedded"):
        from services.runtime.bus.embedded import EmbeddedBus

        return EmbeddedBus(data_dir / JOURNAL)
    if url.startswith(("amqp://", "amqps://")):
        from services.runtime.bus.rabbitmq import RabbitBus

        return RabbitBus(url, tls=_context(url, tls), declares=declares)
    raise _no_bus(url)


def letter_box(
    url: str, data_dir: Path, tls: BusTls | None = None, aside: Callable[[Callable[[], Any]], Any] = lambda work: work()
) -> LetterBox:
    """The dead letters of that bus, read and settled by nobody else at that time; `aside` carries out what waits for
    the disk, in a process that has more to do. Raises as `connect`."""
    if url in (EMBEDDED, "embedded"):
        from services.runtime.bus.embedded_letters import EmbeddedLetters

        return EmbeddedLetters(data_dir / JOURNAL, aside)
    if url.startswith(("amqp://", "amqps://")):
        from services.runtime.bus.rabbitmq import letters_at

        return letters_at(url, _context(url, tls))
    raise _no_bus(url)


def _context(url: str, tls: BusTls | None) -> SSLContext | None:
    if not url.startswith("amqps:"):
        return None
    tls = tls or BusTls()
    return client_context(tls.ca_file, tls.certificate_file, tls.key_file)


def _no_bus(url: str) -> ValueError:
    scheme = url.partition(":")[0][:20]
    return ValueError(f"a bus is embedded: or amqp://user:password@host:port/vhost, not {scheme!r}:…")
