"""What people do with dead letters, as entries of the audit log.

Enters: a deed at the desk of the letters, before it is done. Leaves: an entry, under the client whose message it is if
there is such a client: what a message says of itself nobody has checked. The letters' own book is `services/letters`'.
"""

from __future__ import annotations

from collections.abc import Mapping

from proto.values import PLATFORM_TENANT
from services.directory.audit.rows import audited
from services.directory.people import staff
from services.directory.people.rows import TRIES
from services.runtime import clock
from services.runtime.store import Store, Tx

DEEDS = {"look": "letter.looked", "mend": "letter.mended", "replay": "letter.replayed", "discard": "letter.discarded"}


def keep_deed(store: Store, who: str, what: str, tenant: str, letter: str, about: Mapping[str, str]) -> None:
    """`what` is a key of DEEDS. Raises Unavailable, Conflict: then it must not be done."""

    def work(tx: Tx) -> None:
        of = tenant if tenant in staff.clients(tx) else PLATFORM_TENANT
        said = {name: value for name, value in about.items() if value}
        audited(tx, who, DEEDS[what], of, letter, after=said, now_us=clock.now_us())

    store.run(work, TRIES)
