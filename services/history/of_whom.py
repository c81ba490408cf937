"""Of which client a page is that stands once per client: the only one that the visitor may see, or a list.

Enters: a request for the page without a client. Leaves: a redirect, or HTML. The pages themselves are `usage_web.py`
and `capacity_web.py`.
"""

from __future__ import annotations

from flask import abort, redirect, render_template
from werkzeug.wrappers import Response

from proto.tenant import Tenant
from services.runtime import projections
from services.runtime.store import Store
from services.runtime.web import current_person


def chosen(store: Store, path: str, title: str) -> Response | str:
    """`path`: where the page of a client stands, without the client."""
    person = current_person()
    mine = {one.tenant: one.name for one in store.run(projections.tenants) if person.sees(one.tenant)}
    if len(mine) == 1:
        return redirect(f"{path}/{next(iter(mine))}")
    return render_template("history/clients.html", clients=mine, path=path, title=title)


def client(store: Store, name: str) -> Tenant:
    """The client as last heard, or 404: also where there is one that the visitor may not know of."""
    if not current_person().sees(name):
        abort(404)
    known = store.run(lambda tx: projections.tenant(tx, name))
    return known if known is not None else abort(404)
