"""What the audit log says of other people: entries about phone books, after the client's history period (D14).

Enters: a transaction, a client, a time. Leaves: entries without their private parts; who did what when stays, and the
chain holds (`chain.py`). The phone book itself is the client's own and stays; so does what entries say of the client's
people, numbers and files. When it is due is decided in `services/runtime/erasure.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy import func, select

from proto.tenant.platform import Platform
from proto.values import PLATFORM_TENANT
from services.directory.audit import rows as audit
from services.runtime import clock
from services.runtime.erasure import DAY_US, Erasable
from services.runtime.store import Tx

ABOUT_OTHERS = "phone_book."
WHO = "erasure"


class _Days(msgspec.Struct):
    keep_calls_days: int | None = None


def _periods(tx: Tx) -> Mapping[str, int]:
    rows = {row.tenant: row.body for row in tx.sql.execute(select(tx.tables["revisions"]))}
    platform = rows.pop(PLATFORM_TENANT, None)
    if platform is None:
        return {}
    default = msgspec.json.decode(platform, type=Platform).keep_calls_days
    return {name: msgspec.json.decode(body, type=_Days).keep_calls_days or default for name, body in rows.items()}


def _first_us(tx: Tx, tenant: str, _from_us: int, until_us: int) -> int | None:
    table = tx.tables["audit"]
    due = audit.erasable(tx, tenant, until_us, ABOUT_OTHERS)
    return tx.sql.execute(select(func.min(table.c.at_us)).where(due)).scalar()


def _erase(tx: Tx, tenant: str, _from_us: int, until_us: int) -> int:
    return audit.erase(tx, WHO, tenant, until_us, clock.now_us(), ABOUT_OTHERS)


ERASABLE = Erasable(_first_us, _erase, _periods, span_us=10_000 * DAY_US)
"""All that is due in one piece: each erasing is an entry of its own."""
