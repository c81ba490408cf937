"""Registrations, as mod_sofia tells of them.

Enters: a phone. Leaves: the headers of sofia::register, sofia::unregister and sofia::expire. Source: sofia_reg.c.
"""

from __future__ import annotations

import uuid

from freeswitch.simulator.people import Phone
from freeswitch.simulator.profile import Headers


def registration(phone: Phone) -> Headers:
    """What sofia tells of a phone that registers."""
    return {
        "profile-name": "internal",
        "from-user": phone.id,
        "from-host": phone.domain,
        "contact": f'"" <sip:{phone.id}@127.0.0.1:{phone.port}>',
        "call-id": uuid.uuid4().hex[:16],
        "rpid": "unknown",
        "expires": "3600",
        "to-user": phone.id,
        "to-host": phone.domain,
        "network-ip": "127.0.0.1",
        "network-port": str(phone.port),
        "username": phone.id,
        "realm": phone.domain,
        "user-agent": "Simulated/1.0",
        "user_name": phone.id,
        "domain_name": phone.domain,
        "user_context": "default",
    }
