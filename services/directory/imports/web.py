"""Pages of imports (/imports): files are sent, looked at with every error by row, written while the page shows how far.

Enters: spreadsheets of platform operators. Leaves: clients' files in force, by `carry.py` in the background; rows by
`kept.py`, so that any process shows how far it is. Nothing is written before somebody has seen what would be made.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import Any, cast

import gevent
from flask import Blueprint, Response, abort, make_response, redirect, render_template, request
from flask_babel import format_datetime, lazy_gettext
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as Answer
from wtforms import MultipleFileField

from proto.values import to_datetime
from services.directory.imports import kept
from services.directory.imports.carry import MOST_FILES, Refused, by_name, carry_out, propose
from services.directory.imports.kept import Import, Result
from services.directory.imports.model import Lang, Made, Proposal
from services.directory.imports.template import template
from services.directory.imports.values import number_shown
from services.directory.people import rows as people
from services.directory.tenants import texts
from services.directory.tenants.changing import TRIES
from services.runtime import clock
from services.runtime.bus import Bus, Unavailable
from services.runtime.log import get_logger
from services.runtime.store import Conflict, Store
from services.runtime.threads import in_thread
from services.runtime.web import current_person, roles
from services.runtime.web.forms import uploads
from services.runtime.web.language import current_language

log = get_logger("directory.imports")
MOST_SENT = 8 << 20
"""Larger files come by the command."""
MOST_NOTES = 300
"""Notes that a page shows; it says how many there are."""
_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_operators = roles("platform_operator")


class Upload(FlaskForm):  # type: ignore[misc]
    """The files."""

    files = MultipleFileField(lazy_gettext("ExcelまたはCSVのファイル"))


@dataclass(frozen=True)
class Imports:
    """What the pages work with; `take` has the folder read at once."""

    store: Store
    bus: Bus
    folder: Path
    take: Callable[[], object]

    def one(self, wanted: str) -> Import:
        """The import, or 404."""
        return self.store.run(lambda tx: kept.find(tx, wanted)) or abort(404)

    def proposal(self, one: Import) -> Proposal | None:
        """What it would make now; None: its files are no longer kept."""
        files = self.store.run(lambda tx: kept.files_of(tx, one.id))
        return None if files is None else propose(self.store, files)

    def write(self, one: Import, made: tuple[Made, ...], who: str) -> None:
        """In the background: every client's file, then all of them in force; however it ends, the row says so."""
        try:
            result = self._written(one, made, who)
        except Refused as refused:
            result = Result(failure=str(refused.problems[0] if refused.problems else refused))
        except (OSError, Unavailable, Conflict) as error:
            log.warning("import broken off", reason=str(error))
            result = Result(failure=str(error))
        except Exception as error:  # whoever waits at the page must be told
            log.error("import broken off", exc_info=error)
            result = Result(failure=type(error).__name__)
        now_us = clock.now_us()
        try:
            self.store.run(lambda tx: kept.end(tx, one.id, who, result, now_us), TRIES)
        except (Unavailable, Conflict) as error:
            log.warning("import not noted", reason=str(error))  # the page finds it silent

    def _written(self, one: Import, made: tuple[Made, ...], who: str) -> Result:
        done = 0

        def wrote(_made: Made) -> None:
            nonlocal done
            done += 1
            with suppress(Unavailable, Conflict):  # how far it is, is no reason to go no further
                self.store.run(partial(kept.step, wanted=one.id, done=done, now_us=clock.now_us()), TRIES)

        outcome = carry_out(self.store, self.folder, made, who, f"import {one.names}", clock.now_us(), wrote)
        later = False
        try:
            self.take()
            people.tell(self.store, self.bus)
        except (OSError, Unavailable) as error:  # the watch of directory reads them once store and bus are back
            log.warning("an import takes effect later", reason=str(error))
            later = True
        left = outcome.left if later else {**outcome.left, **self._refused(made)}
        return Result(tuple((each.client, each.name) for each in made if each.client not in left), left, later)

    def _refused(self, made: tuple[Made, ...]) -> dict[str, str]:
        """Clients whose file stands there and has not taken effect: somebody else was faster with what it claims."""
        standing = self.store.run(texts.standing)
        digests = {name: entry.digest for name, entry in standing.items() if not entry.gone}
        late = [one for one in made if one.text and digests.get(one.client) != texts.digest_of(one.text)]
        return {one.client: "has not taken effect" for one in late}


def blueprint(store: Store, bus: Bus, folder: Path, take: Callable[[], object]) -> Blueprint:
    """Routes under /imports."""
    room = Blueprint("imports", __name__, template_folder="templates")
    imports = Imports(store, bus, folder, take)

    @room.get("/imports")
    @_operators
    def imports_list() -> str:
        return _list(imports, Upload(formdata=None))

    @room.post("/imports")
    @_operators
    @uploads(MOST_SENT)
    def imports_add() -> Answer:
        form = Upload()
        sent = [file for file in form.files.data or () if getattr(file, "filename", "")]
        if not form.validate() or not 0 < len(sent) <= MOST_FILES:
            form.files.errors = [lazy_gettext("ファイルを選んでください。")]
            return make_response(_list(imports, form), 422)
        files = by_name((_name(file.filename), file.read()) for file in sent)
        who, now_us = current_person().id, clock.now_us()
        imported = store.run(lambda tx: kept.add(tx, who, files, now_us), TRIES)
        return redirect(f"/imports/{imported}", code=303)

    @room.get("/imports/template.xlsx")
    @_operators
    def imports_template() -> Response:
        lang = _lang()
        answer = Response(in_thread(lambda: template(lang)), mimetype=_EXCEL)
        answer.headers["Content-Disposition"] = "attachment; filename=toritsugi-import.xlsx"
        return answer

    @room.get("/imports/<imported>")
    @_operators
    def imports_one(imported: str) -> str:
        return _page(imports, imports.one(imported))

    @room.post("/imports/<imported>")
    @_operators
    def imports_write(imported: str) -> Answer:
        one, who = imports.one(imported), current_person().id
        proposal = imports.proposal(one)
        made = () if proposal is None else proposal.to_write(request.form.get("skip") == "yes")
        if not made:
            return make_response(_page(imports, one), 409)
        if store.run(lambda tx: kept.begin(tx, imported, len(made), clock.now_us()), TRIES):
            gevent.spawn(imports.write, one, made, who)
        return redirect(f"/imports/{imported}", code=303)

    return room


def _name(sent: str) -> str:
    """A file's name without the folders of the visitor's machine, in one line."""
    name = PurePath(sent.replace("\\", "/")).name
    return "".join(c for c in name if c.isprintable())[:100] or "file"


def _list(imports: Imports, form: Upload) -> str:
    latest = imports.store.run(lambda tx: kept.latest(tx, 10))
    return render_template(
        "imports/list.html", form=form, latest=latest, at=_at, now_us=clock.now_us(), most_mb=MOST_SENT >> 20
    )


def _page(imports: Imports, one: Import) -> str:
    proposal = imports.proposal(one) if one.state in ("checked", "running") and not _runs(one) else None
    notes: Any = () if proposal is None else sorted(proposal.notes, key=lambda note: note.level)
    return render_template(
        "imports/one.html",
        one=one,
        runs=_runs(one),
        proposal=proposal,
        notes=notes[:MOST_NOTES],
        more=max(0, len(notes) - MOST_NOTES),
        to_write=0 if proposal is None else len(proposal.to_write(True)),
        hyphened=number_shown,
        spoken=_lang(),
    )


def _runs(one: Import) -> bool:
    return one.state == "running" and not one.silent(clock.now_us())


def _at(at_us: int) -> str:
    return str(format_datetime(to_datetime(at_us), "yyyy-MM-dd HH:mm"))


def _lang() -> Lang:
    return cast(Lang, current_language())
