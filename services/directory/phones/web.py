"""Pages of phones (/phones): which there are, whether each is registered, a password for one, an end to it.

Enters: requests of those who manage a client, for their own clients. Leaves: pages; a password is shown once, with a
square code and addresses at which the phone itself may fetch it for a day. Changes are made by `issuing.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import segno
from flask import Blueprint, abort, make_response, redirect, render_template, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from proto.values import PLATFORM_TENANT
from services.directory.days import minute_of
from services.directory.people import rows as people
from services.directory.people import staff
from services.directory.people.ranks import MANAGERS
from services.directory.phones import issuing, rows, web_provision
from services.directory.phones.issuing import Reach, Unknown
from services.directory.phones.model import Device
from services.directory.phones.pages import PhoneLine, line
from services.runtime import clock
from services.runtime.bus import Bus, Unavailable
from services.runtime.log import get_logger
from services.runtime.store import Store, Tx
from services.runtime.web import current_person, roles

log = get_logger("directory.phones")
_managers = roles(*MANAGERS)


def blueprint(store: Store, bus: Bus, reach: Mapping[str, Reach] | None = None) -> Blueprint:
    """Routes under /phones and /provision. `reach`: how phones reach each switch, by its name."""
    room = Blueprint("phones", __name__, template_folder="templates")

    @room.get("/phones")
    @_managers
    def phones_of_whom() -> Response | str:
        person, known = current_person(), store.run(staff.clients)
        mine = {name: title for name, title in known.items() if person.sees(name)}
        pools = person.visible is None and bool(store.run(lambda tx: issuing.devices(tx, PLATFORM_TENANT)))
        if len(mine) == 1 and not pools:
            return redirect(f"/phones/{next(iter(mine))}")
        return render_template("phones/clients.html", clients=mine, pools=PLATFORM_TENANT if pools else "")

    @room.get("/phones/<tenant>")
    @_managers
    def phones_list(tenant: str) -> str:
        _visible(tenant)
        found = _or_404(store, lambda tx: lines(tx, tenant, issuing.devices(tx, tenant)))
        return render_template(
            "phones/list.html", owner=tenant, title=_title(store, tenant), lines=found, as_of=minute_of(clock.now_us())
        )

    @room.get("/phones/<tenant>/<phone>")
    @_managers
    def phone_page(tenant: str, phone: str) -> str:
        _visible(tenant)
        (found,) = _or_404(store, lambda tx: lines(tx, tenant, [issuing.device(tx, tenant, phone)]))
        done = request.args.get("done", "")
        return render_template("phones/phone.html", owner=tenant, title=_title(store, tenant), line=found, done=done)

    @room.post("/phones/<tenant>/<phone>/issue")
    @_managers
    def issue(tenant: str, phone: str) -> Response:
        _visible(tenant)
        try:
            new = issuing.issue(store, tenant, phone, current_person().id)
            tell()
            account = store.run(lambda tx: issuing.account(tx, tenant, phone, new.password, reach or {}))
        except Unknown:
            abort(404)
        base = f"{request.host_url}provision/{new.secret}/"
        square = segno.make(f"{base}linphone.xml", error="m", micro=False)
        drawn = Markup(square.svg_inline(scale=4, border=4, dark="#000", light="#fff"))
        page = render_template("phones/new.html", owner=tenant, account=account, base=base, square=drawn)
        return make_response(page)

    @room.post("/phones/<tenant>/<phone>/revoke")
    @_managers
    def revoke(tenant: str, phone: str) -> Response:
        _visible(tenant)
        try:
            issuing.revoke(store, tenant, phone, current_person().id)
        except Unknown:
            abort(404)
        tell()
        return redirect(f"/phones/{tenant}/{phone}?done=revoked", code=303)

    def tell() -> None:
        try:
            people.tell(store, bus)
        except Unavailable as error:
            log.warning("a change is told later", reason=str(error))  # by directory's worker, from the outbox

    web_provision.add_routes(room, store, reach or {})
    return room


def _visible(owner: str) -> None:
    """404 for what the visitor may not know of; the platform's own phones are its operators'."""
    if not current_person().sees(owner):
        abort(404)


def _title(store: Store, owner: str) -> str:
    return "" if owner == PLATFORM_TENANT else store.run(staff.clients).get(owner, owner)


def _or_404(store: Store, read: web_provision.Read[list[PhoneLine]]) -> list[PhoneLine]:
    try:
        return store.run(read)
    except Unknown:
        abort(404)


def lines(tx: Tx, owner: str, devices: list[Device]) -> list[PhoneLine]:
    """What is known of these phones."""
    issued, told, applied = rows.issued(tx, owner), rows.registrations(tx, devices), rows.applied(tx, owner)
    reporting, now_us = issuing.followers(tx), clock.now_us()
    return [line(one, issued.get(one.id), told, applied, reporting, now_us) for one in devices]
