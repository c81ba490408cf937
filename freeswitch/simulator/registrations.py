"""Who is registered, as mod_sofia knows it and tells of it.

Enters: phones that sign on and off, or fail to; `flush_inbound_reg`. Leaves: sofia:: events, contacts, the rows of
`show registrations`. Source: sofia_reg.c, switch_core_sqldb.c (switch_core_add_registration).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from freeswitch.simulator.calls.profile import Headers
from freeswitch.simulator.events import Core
from freeswitch.simulator.far_ends.people import Phone

EXPIRES_S = 3600
LATE_S = 60
"""So long after its time a registration is still kept (sip-expires-late-margin)."""
WRITTEN_AFTER_US = 10_000
CALL_EXPIRES_S = "300"


@dataclass
class Entry:
    """One registration."""

    phone: Phone
    call_id: str
    expires_us: int
    expires_s: int = EXPIRES_S
    since_us: int = 0

    @property
    def contact(self) -> str:
        """Where the phone is."""
        return f"sip:{self.phone.id}@127.0.0.1:{self.phone.port}"


class Registrar:
    """The registrations of one switch. Phones keep signing on of themselves, so nothing expires by the clock."""

    def __init__(self, core: Core, phones: Mapping[str, Phone]) -> None:
        self._core = core
        self._phones = phones
        self._entries: dict[str, Entry] = {}
        self._listed: dict[str, Entry] = {}
        """What `show registrations` says: entries stay there after a flush."""
        self.presence_hosts = "n/a"
        """Of the profile of the phones."""

    def start(self) -> None:
        """The phones that are on sign on again."""
        self._entries.clear()
        self._listed.clear()
        for phone in self._phones.values():
            if phone.registered:
                self.register(phone)

    def listed(self) -> Iterator[Entry]:
        """As `show registrations` has them: the core writes its tables a little later than sofia tells of it."""
        now_us = self._core.clock.now_us()
        yield from (one for one in self._listed.values() if now_us - one.since_us >= WRITTEN_AFTER_US)

    def remember(self, phone: Phone, expires_us: int | None = None) -> None:
        """An entry from before, of which nothing is told; with the end of its time if that is known."""
        entry = replace(self._entry(phone), since_us=0)
        if expires_us is not None:
            self._entries[phone.address] = entry = replace(entry, expires_us=expires_us)
        self._listed[phone.address] = entry

    def registered(self) -> Iterator[Entry]:
        """Who can be called."""
        yield from (self._entry(phone) for phone in self._phones.values() if phone.registered)

    def contact(self, address: str) -> str:
        """`sofia/internal/sip:…`, or the error that dialling it would be."""
        found = [one for one in self.registered() if one.phone.address == address]
        return f"sofia/internal/{found[0].contact}" if found else "error/user_not_registered"

    def register(self, phone: Phone, expires_s: int = EXPIRES_S) -> None:
        """REGISTER with the right password."""
        phone.registered = True
        now_us = self._core.clock.now_us()
        entry = Entry(phone, _call_id(phone), now_us + (expires_s + LATE_S) * 1_000_000, expires_s, now_us)
        # The list of the core is a table: an entry is deleted and written anew, behind all others.
        self._listed.pop(phone.address, None)
        self._entries[phone.address] = self._listed[phone.address] = entry
        self._attempt(entry, expires_s, "RENEWED")
        about = _told(entry) | {"presence-hosts": self.presence_hosts}
        about |= {"status": "Registered(UDP)", "expires": str(expires_s)}
        self._fire("register", about | _where(entry) | _user(phone))

    def unregister(self, phone: Phone) -> None:
        """REGISTER with expiry 0."""
        entry = self._entry(phone)
        phone.registered = False
        self._forget(phone)
        self._attempt(entry, 0, "RENEWED")
        where = _where(entry)
        about: Headers = {"profile-name": "internal", "username": phone.id} | _told(entry)
        about |= {"realm": phone.domain} | {name: where[name] for name in ("network-ip", "network-port", "user-agent")}
        self._fire("unregister", about | {"expires": "0"} | _user(phone))

    def refuse(self, phone: Phone, expires_s: int = EXPIRES_S) -> None:
        """REGISTER with a wrong password."""
        entry = Entry(phone, _call_id(phone), 0)
        self._attempt(entry, expires_s, "FORBIDDEN")
        about: Headers = {"profile-name": "internal", "to-user": phone.id, "to-host": phone.domain}
        about |= {"network-ip": "127.0.0.1", "user-agent": phone.user_agent, "network-port": str(phone.port)}
        self._fire("register_failure", about | {"registration-type": "REGISTER"})

    def call(self, phone: Phone, number: str) -> None:
        """An INVITE with the right password counts as an attempt too, under the dialled number."""
        entry = self._entry(phone)
        about = {"profile-name": "internal"} | _told(entry) | {"from-user": number, "status": "Registered(UDP)"}
        about |= {"expires": CALL_EXPIRES_S} | _where(entry) | {"auth-result": "RENEWED"}
        self._fire("register_attempt", about)

    def refuse_call(self, phone: Phone, number: str) -> None:
        """An INVITE with a wrong password."""
        entry = self._entry(phone)
        about = {"profile-name": "internal"} | _told(entry) | {"from-user": number, "status": "Registered(UDP)"}
        about |= {"expires": CALL_EXPIRES_S} | _where(entry) | {"auth-result": "FORBIDDEN"}
        self._fire("register_attempt", about)
        about = {"profile-name": "internal", "to-user": number, "to-host": phone.domain, "network-ip": "127.0.0.1"}
        about |= {"user-agent": "unknown", "network-port": str(phone.port), "registration-type": "INVITE"}
        self._fire("register_failure", about)

    def expire(self, phone: Phone) -> None:
        """Not heard of for too long."""
        self._gone(phone)
        self._listed.pop(phone.address, None)

    def flush(self, wanted: str) -> None:
        """`flush_inbound_reg [call id | user@domain]`; the list of the core keeps what is flushed."""
        for phone in list(self._phones.values()):
            if phone.registered and wanted in ("", phone.address, self._entry(phone).call_id):
                self._gone(phone)

    def _gone(self, phone: Phone) -> None:
        entry = self._entry(phone)
        phone.registered = False
        self._entries.pop(phone.address, None)
        where = _where(entry)
        about: Headers = {
            "profile-name": "internal",
            "call-id": entry.call_id,
            "user": phone.id,
            "username": phone.id,
            "host": phone.domain,
            "contact": f'"" <{entry.contact}>',
            "expires": str(entry.expires_us // 1_000_000),
            "user-agent": phone.user_agent,
            "realm": phone.domain,
            "network-ip": where["network-ip"],
            "network-port": where["network-port"],
        }
        self._fire("expire", about)

    def _entry(self, phone: Phone) -> Entry:
        """Also of a phone that was simply declared to be registered."""
        now_us = self._core.clock.now_us()
        until_us = now_us + (EXPIRES_S + LATE_S) * 1_000_000
        return self._entries.get(phone.address) or Entry(phone, f"reg-{phone.id}", until_us)

    def _forget(self, phone: Phone) -> None:
        self._entries.pop(phone.address, None)
        self._listed.pop(phone.address, None)

    def _attempt(self, entry: Entry, expires_s: int, result: str) -> None:
        about = {"profile-name": "internal"} | _told(entry) | {"status": "Registered(UDP)", "expires": str(expires_s)}
        self._fire("register_attempt", about | _where(entry) | {"auth-result": result})

    def _fire(self, name: str, about: Headers) -> None:
        self._core.fire("CUSTOM", {"profile-name": "internal"} | about, f"sofia::{name}")


def _told(entry: Entry) -> Headers:
    phone = entry.phone
    found: Headers = {"from-user": phone.id, "from-host": phone.domain}
    return found | {"contact": f'"" <{entry.contact}>', "call-id": entry.call_id, "rpid": "unknown"}


def _where(entry: Entry) -> Headers:
    phone = entry.phone
    return {
        "to-user": phone.id,
        "to-host": phone.domain,
        "network-ip": "127.0.0.1",
        "network-port": str(phone.port),
        "username": phone.id,
        "realm": phone.domain,
        "user-agent": phone.user_agent,
    }


def _user(phone: Phone) -> Headers:
    """What the directory entry adds."""
    found: Headers = {
        "sip_number_alias": phone.id,
        "sip_auth_username": phone.id,
        "sip_auth_realm": phone.domain,
        "number_alias": phone.id,
        "user_name": phone.id,
        "domain_name": phone.domain,
        "user_context": "default",
    }
    return found | phone.variables


def _call_id(phone: Phone) -> str:
    return phone.call_id or uuid.uuid4().hex[:16]
