"""Which transport an address means.

Enters: `embedded:` or `amqp[s]://…`, what TLS trusts, and the folder for data. Leaves: a bus that is not started yet.
"""

from __future__ import annotations

from pathlib import Path

from services.runtime.bus import Bus
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

        tls = tls or BusTls()
        context = client_context(tls.ca_file, tls.certificate_file, tls.key_file) if url.startswith("amqps:") else None
        return RabbitBus(url, tls=context, declares=declares)
    scheme = url.partition(":")[0][:20]
    raise ValueError(f"a bus is embedded: or amqp://user:password@host:port/vhost, not {scheme!r}:…")
