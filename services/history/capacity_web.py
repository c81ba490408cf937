"""The page of capacity (/capacity): channels and people that a client needs, from its busiest hours or typed figures.

Enters: requests of people who may see histories of calls, figures in the address. Leaves: HTML. What is worked out
stands in `capacity.py`.
"""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask_babel import gettext, lazy_gettext
from markupsafe import Markup
from werkzeug.wrappers import Response
from wtforms import FloatField, Form
from wtforms.validators import NumberRange, Optional

from services.history.capacity import DEFAULTS, Asked, CapacityPage, capacity, hours, picture, since
from services.history.of_whom import chosen, client
from services.history.report_web import readers
from services.history.taken import outside, spoken_by_phones
from services.runtime import clock
from services.runtime.store import Store
from services.runtime.threads import in_thread

PATH = "/capacity"
_SHOWN = 10


def _without(usual: int) -> object:
    return lazy_gettext("空欄は %(usual)s。", usual=usual)


class Figures(Form):  # type: ignore[misc]
    """Read from the address; empty: as measured, or as usual."""

    calls = FloatField(lazy_gettext("1時間の通話数"), [Optional(), NumberRange(0, 100_000)])
    talk_s = FloatField(
        lazy_gettext("1通話の長さ（秒、後処理を含む）"), [Optional(), NumberRange(1, 86_400)], description=_without(180)
    )
    blocking = FloatField(
        lazy_gettext("話中になってよい割合（%）"), [Optional(), NumberRange(0.01, 50)], description=_without(1)
    )
    within_s = FloatField(
        lazy_gettext("応答までの目標（秒）"), [Optional(), NumberRange(0, 3600)], description=_without(20)
    )
    share = FloatField(
        lazy_gettext("目標内に応答する割合（%）"), [Optional(), NumberRange(1, 99.9)], description=_without(80)
    )

    def asked(self) -> Asked | None:
        """The figures, if calls were typed."""
        if self.calls.data is None:
            return None
        return Asked(calls=self.calls.data, talk_s=self.talk_s.data or DEFAULTS.talk_s, **self.goals())

    def goals(self) -> dict[str, float]:
        """What is aimed at, whatever the traffic is."""
        return {
            "blocking": (self.blocking.data or DEFAULTS.blocking * 100) / 100,
            "within_s": DEFAULTS.within_s if self.within_s.data is None else self.within_s.data,
            "share": (self.share.data or DEFAULTS.share * 100) / 100,
        }


def add_routes(room: Blueprint, store: Store) -> None:
    """Below PATH."""

    @room.get(PATH)
    @readers
    def capacity_of_whom() -> Response | str:
        return chosen(store, PATH, gettext("回線と人の必要数"))

    @room.get(f"{PATH}/<tenant>")
    @readers
    def capacity_of(tenant: str) -> str:
        known = client(store, tenant)
        form = Figures(request.args)
        good = form.validate()
        typed, goals = (
            (form.asked(), Asked(DEFAULTS.calls, DEFAULTS.talk_s, **form.goals())) if good else (None, DEFAULTS)
        )
        from_us = since(clock.now_us(), known.timezone)
        channels, spoken = store.run(lambda tx: (outside(tx, tenant, from_us), spoken_by_phones(tx, tenant, from_us)))

        def worked_out(asked: Asked | None, goals: Asked) -> CapacityPage:
            return capacity(hours(channels, known.timezone), hours(spoken, known.timezone), asked, goals)

        try:  # beside the hub, which has calls to decide: a month of a busy client takes its time
            page = in_thread(lambda: worked_out(typed, goals))
        except ValueError:
            form.calls.errors = [gettext("これほど多くの通話は計算できません。")]
            page = in_thread(lambda: worked_out(None, DEFAULTS))
        return render_template(
            "history/capacity.html", page=page, client=known, form=form, picture=_picture(page), shown=_SHOWN
        )


def _picture(page: CapacityPage) -> Markup:
    says = ", ".join(f"{hour}: {erlangs:.1f}" for hour, erlangs in enumerate(page.course) if erlangs)
    return Markup(
        picture(
            page,
            gettext("時刻ごとの最大の通話量（アーラン）"),
            says,
            gettext("必要なチャネル数"),
        )
    )
