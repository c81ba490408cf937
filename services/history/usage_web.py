"""The page of data use (/usage): an estimate per month and phone of a client.

Enters: requests of people who may see histories of calls. Leaves: HTML. Minutes are those from a phone's answer to the
end of its leg, in the month in which the call began; what they come to stands in `usage.py`.
"""

from __future__ import annotations

from flask import Blueprint, render_template
from flask_babel import gettext
from sqlalchemy import case, func, select, text
from werkzeug.wrappers import Response

from services.history.of_whom import chosen, client
from services.history.report_web import readers
from services.history.tables import OVER
from services.history.usage import Month, months_before, usage_page
from services.runtime import clock
from services.runtime.store import Store, Tx

PATH = "/usage"


def add_routes(room: Blueprint, store: Store) -> None:
    """Below PATH."""

    @room.get(PATH)
    @readers
    def usage_of_whom() -> Response | str:
        return chosen(store, PATH, gettext("データ量の目安"))

    @room.get(f"{PATH}/<tenant>")
    @readers
    def usage(tenant: str) -> str:
        known = client(store, tenant)
        months = months_before(clock.now_us(), known.timezone)
        talked = store.run(lambda tx: tuple(talked_us(tx, tenant, month) for month in months))
        return render_template("history/usage.html", page=usage_page(known, months, talked))


def talked_us(tx: Tx, tenant: str, month: Month) -> dict[str, int]:
    """Phone -> how long it spoke in the calls that are over and began in this month."""
    calls, legs = tx.tables["calls"], tx.tables["legs"]
    phone = case((legs.c.direction == "inbound", calls.c.placed_by), else_=legs.c.destination)
    query = (
        select(phone.label("phone"), func.sum(legs.c.ended_at_us - legs.c.answered_at_us).label("us"))
        .join(legs, (legs.c.tenant == calls.c.tenant) & (legs.c.call == calls.c.call))
        .where(text(OVER), calls.c.tenant == tenant)  # as the report's indexes say it: only so is one of them used
        .where(calls.c.started_at_us >= month.from_us, calls.c.started_at_us < month.until_us)
        .where(legs.c.via == "phone", legs.c.answered_at_us.is_not(None), legs.c.ended_at_us.is_not(None))
        .group_by(phone)
    )
    return {row.phone: int(row.us) for row in tx.sql.execute(query)}
