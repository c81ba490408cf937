"""What concerns the company as a whole: how it is answered in its name, and where ended calls are reported.

Enters: a sentence, addresses. Leaves: `answering.greeting` and `webhooks:`. Whether addresses may be reached, their
secrets and deliveries belong to connectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext
from wtforms import StringField, TextAreaField, ValidationError
from wtforms.validators import Length

from proto.tenant import Tenant
from services.directory.settings.frame import Change, Fields, Setting, one_line, readable
from services.directory.settings.typed import read_addresses
from services.directory.tenants.edit import ABSENT
from services.directory.tenants.words import Lang

MOST_ADDRESSES = 10


class Greeting(Setting):
    """名乗り: the sentence with which operators answer."""

    subject, title = "greeting", lazy_gettext("名乗り")

    def about(self, tenant: Tenant, name: str, lang: Lang) -> str:
        """There is one for the whole company."""
        return ""

    def fields(self, tenant: Tenant, name: str) -> Fields:
        """The sentence."""
        return {
            "greeting": StringField(
                lazy_gettext("電話に出るときの言葉"),
                one_line(300),
                description=lazy_gettext("電話代行のオペレーターが、この言葉で会社の名前を名乗って電話に出ます。"),
            )
        }

    def standing(self, tenant: Tenant, name: str) -> dict[str, Any]:
        """As the file has it."""
        return {"greeting": tenant.answering.greeting}

    def changes(self, tenant: Tenant, name: str, typed: Mapping[str, Any]) -> list[Change]:
        """The sentence, if it differs."""
        said = (typed["greeting"] or "").strip()
        if said == tenant.answering.greeting:
            return []
        return [Change("greeting", ("answering", "greeting"), said or ABSENT)]

    def numbers(self, tenant: Tenant, name: str) -> tuple[str, ...]:
        """No call goes elsewhere by it."""
        return ()


class Notices(Setting):
    """Addresses of the company's own programs that are told of each ended call (webhooks)."""

    subject, title = "notices", lazy_gettext("通話の通知先")

    def about(self, tenant: Tenant, name: str, lang: Lang) -> str:
        """There is one list for the whole company."""
        return ""

    def fields(self, tenant: Tenant, name: str) -> Fields:
        """One address per line."""
        stands = {webhook.url for webhook in tenant.webhooks}

        def by_tls(_form: Any, field: Any) -> None:
            found = read_addresses(field.data or "")
            if len(found) > MOST_ADDRESSES:
                raise ValidationError(lazy_gettext("通知先は %(most)s 件までです。", most=MOST_ADDRESSES))
            if any(not one.startswith("https://") and one not in stands for one in found):
                raise ValidationError(lazy_gettext("暗号化される https:// で始まるアドレスを入力してください。"))

        wrong = lazy_gettext("アドレスは一行に一つ、https://www.example.co.jp/calls のように入力してください。")
        return {
            "addresses": TextAreaField(
                lazy_gettext("通知先のアドレス"),
                [Length(max=6000), readable(read_addresses, wrong), by_tls],
                description=lazy_gettext(
                    "通話が終わるたびに、その内容を会社のシステムへ送ります（webhook）。一行に一つ。"
                    "受け取る側で確かめるための鍵は、運営者にお問い合わせください。"
                ),
            )
        }

    def standing(self, tenant: Tenant, name: str) -> dict[str, Any]:
        """As the file has it."""
        return {"addresses": "\n".join(webhook.url for webhook in tenant.webhooks)}

    def changes(self, tenant: Tenant, name: str, typed: Mapping[str, Any]) -> list[Change]:
        """The list, if it differs."""
        found = read_addresses(typed["addresses"] or "")
        if found == [webhook.url for webhook in tenant.webhooks]:
            return []
        return [Change("addresses", ("webhooks",), [{"url": one} for one in found])]

    def numbers(self, tenant: Tenant, name: str) -> tuple[str, ...]:
        """No call goes elsewhere by it."""
        return ()
