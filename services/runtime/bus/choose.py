"""Which transport an address means.

Enters: `embedded:` or `amqp://…` and the folder for data. Leaves: a bus that is not started yet.
"""

from __future__ import annotations

from pathlib import Path

from services.runtime.bus import Bus

EMBEDDED = "embedded:"
JOURNAL = "bus.sqlite"


def connect(url: str, data_dir: Path) -> Bus:
    """The bus at `url`; the embedded one keeps its journal in `data_dir`. Raises ValueError for any other address."""
    if url in (EMBEDDED, "embedded"):
        from services.runtime.bus.embedded import EmbeddedBus

        return EmbeddedBus(data_dir / JOURNAL)
    if url.startswith(("amqp://", "amqps://")):
        from services.runtime.bus.rabbitmq import RabbitBus

        return RabbitBus(url)
    scheme = url.partition(":")[0][:20]
    raise ValueError(f"a bus is embedded: or amqp://user:password@host:port/vhost, not {scheme!r}:…")
