"""The rooms by name: how each is built, and where its store is.

Enters: settings, a room's name. Leaves: its service, its store's address. How rooms stand together in a process is
`compose.py`; what a room does stands in its `service.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import MetaData

from services.answering import service as answering
from services.billing import erasure as billing_erasure
from services.billing import service as billing
from services.connectors import erasure as connectors_erasure
from services.connectors import service as connectors
from services.directory import service as directory
from services.directory.audit import erasure as directory_erasure
from services.eventsocket import service as eventsocket
from services.history import erasure as history_erasure
from services.history import service as history
from services.letters import kept
from services.recording import service as recording
from services.routing import service as routing
from services.runtime.erasure import Erasable
from services.runtime.settings import SQLITE, Settings
from services.runtime.worker import Service

BUILDS: dict[str, Callable[[], Service]] = {
    "directory": directory.build,
    "routing": routing.build,
    "recording": recording.build,
    "answering": answering.build,
    "billing": billing.build,
    "history": history.build,
    "connectors": connectors.build,
}
ERASES: dict[str, Erasable] = {
    "directory": directory_erasure.ERASABLE,
    "history": history_erasure.ERASABLE,
    "billing": billing_erasure.ERASABLE,
    "connectors": connectors_erasure.ERASABLE,
}
"""The rooms that keep whom calls were with for longer than the calls themselves."""
AGENT = "eventsocket"
EVERYTHING = (*BUILDS, AGENT)


def store_url(settings: Settings, name: str) -> str:
    """Where the store of a service (or of `eventsocket.fs1`, an agent) is: a schema of the database, or a file.

    An agent's is always a file beside its spool and journal: what concerns one switch stays on its machine, and
    commands go on while the database is away.
    """
    if settings.database == SQLITE or name.startswith(f"{AGENT}."):
        return f"sqlite:///{settings.data_dir / (name + '.sqlite')}"
    return f"{settings.database}{'&' if '?' in settings.database else '?'}schema={name}"


def metadata_of(name: str) -> MetaData:
    """The tables of that store; `letters` is the book of `toritsugi letters`."""
    if name == kept.NAME:
        return kept.metadata()
    return eventsocket.metadata() if name.startswith(f"{AGENT}.") else BUILDS[name]().metadata
