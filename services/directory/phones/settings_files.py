"""PURE The settings of one phone in the languages that phones read.

Enters: an account. Leaves: Grandstream's XML (P-values: template for GXP1610 to GXP1630), Panasonic's text (KX-HDV
administrator guide, 2.4), Linphone's XML (lpconfig). Names come from the client's file and may hold anything: nothing
of them ends a value, a line or an element. Who may have a file stands in `web_provision.py`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal
from xml.sax.saxutils import escape

import msgspec

Format = Literal["grandstream", "panasonic", "linphone"]
TYPES: dict[Format, str] = {"grandstream": "text/xml", "panasonic": "text/plain", "linphone": "text/xml"}
LONGEST_NAME = 24
"""Characters; KX-HDV: DISPLAY_NAME."""
EXPIRES_S = 300
"""What the switch makes of it anyway (sip-force-expires)."""
PANASONIC_BEGINS = "# Panasonic SIP Phone Standard Format File # DO NOT CHANGE THIS LINE!"
_FILES: tuple[tuple[str, Format], ...] = (
    (r"(cfg)?[0-9a-f]{12}(\.xml)?", "grandstream"),
    (r"cfggxp[0-9a-z]{1,12}\.xml|cfg\.xml|grandstream\.xml", "grandstream"),
    (r"panasonic\.cfg|[0-9a-f]{12}\.cfg|config[0-9a-f]{12}\.cfg", "panasonic"),
    (r"linphone\.xml", "linphone"),
)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """How one phone registers. `secure`: with TLS, and voice with SRTP only."""

    id: str
    name: str
    domain: str
    server: str
    port: int
    secure: bool
    password: str

    def __repr__(self) -> str:
        return f"Account({self.id}@{self.domain})"


def format_of(file: str) -> Format | None:
    """What a phone that asks for a file of this name reads."""
    return next((kind for pattern, kind in _FILES if re.fullmatch(pattern, file[:64].lower())), None)


def written(kind: Format, account: Account) -> str:
    """The file."""
    return {"grandstream": grandstream, "panasonic": panasonic, "linphone": linphone}[kind](account)


def grandstream(account: Account) -> str:
    """`cfg<mac>.xml` without `<mac>`: any phone takes it. Account 1; what is not named stays as it is."""
    values = {
        "P271": "1",  # account active
        "P270": _shown(account.name),
        "P47": f"{account.server}:{account.port}",
        "P35": account.id,
        "P36": account.id,
        "P34": account.password,
        "P3": _shown(account.name),
        "P31": "1",  # registers
        "P32": str(EXPIRES_S // 60),  # minutes
        "P130": "2" if account.secure else "0",  # TLS, UDP
        "P2329": "0",  # sip: also with TLS
        "P183": "2" if account.secure else "0",  # SRTP forced, off
        "P57": "0",  # PCMU first
        "P2302": "1",  # keys as RFC 2833
    }
    if account.server != account.domain:  # the domain is what stands after the @, the server where it is found
        values |= {"P47": account.domain, "P48": f"{account.server}:{account.port}"}
    lines = [f"    <{name}>{_text(value)}</{name}>" for name, value in values.items()]
    head = ('<?xml version="1.0" encoding="UTF-8"?>', '<gs_provision version="1">', '  <config version="1">')
    return "\n".join([*head, *lines, "  </config>", "</gs_provision>", ""])


def panasonic(account: Account) -> str:
    """The standard configuration file: lines end with CR LF, values stand in double quotes, the last line is empty."""
    values = {
        "DISPLAY_NAME_1": _shown(account.name),
        "PHONE_NUMBER_1": account.id,
        "SIP_URI_1": f"{account.id}@{account.domain}",
        "SIP_AUTHID_1": account.id,
        "SIP_PASS_1": account.password,
        "SIP_RGSTR_ADDR_1": account.server,
        "SIP_RGSTR_PORT_1": str(account.port),
        "SIP_PRXY_ADDR_1": account.server,
        "SIP_PRXY_PORT_1": str(account.port),
        "SIP_SVCDOMAIN_1": account.domain,
        "SIP_TRANSPORT_1": "2" if account.secure else "0",  # TLS, UDP
        "SIP_TLS_MODE_1": "1" if account.secure else "0",
        "SRTP_CONNECT_MODE_1": "0" if account.secure else "1",  # SRTP, RTP
        "REG_EXPIRE_TIME_1": str(EXPIRES_S),
    }
    lines = [f'{name}="{_quoted(value)}"' for name, value in values.items()]
    return "\r\n".join([PANASONIC_BEGINS, *lines, "", ""])


def linphone(account: Account) -> str:
    """Remote provisioning: the sections that make one account."""
    transport = "tls" if account.secure else "udp"
    sections = {
        "sip": {
            "default_proxy": "0",
            "media_encryption": "srtp" if account.secure else "none",
            "media_encryption_mandatory": "1" if account.secure else "0",
        },
        "proxy_0": {
            "reg_identity": f'"{_quoted(_shown(account.name))}" <sip:{account.id}@{account.domain}>',
            "reg_proxy": f"<sip:{account.server}:{account.port};transport={transport}>",
            "reg_sendregister": "1",
            "reg_expires": str(EXPIRES_S),
            "realm": account.domain,
        },
        "auth_info_0": {
            "username": account.id,
            "passwd": account.password,
            "realm": account.domain,
            "domain": account.domain,
        },
    }
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<config xmlns="http://www.linphone.org/xsds/lpconfig.xsd">']
    for section, entries in sections.items():
        lines.append(f'  <section name="{section}">')
        lines += [
            f'    <entry name="{name}" overwrite="true">{_text(value)}</entry>' for name, value in entries.items()
        ]
        lines.append("  </section>")
    return "\n".join([*lines, "</config>", ""])


def _shown(name: str) -> str:
    """Letters of any script; control characters, line ends and the like become a blank."""
    kept = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in name)
    return " ".join(kept.split())[:LONGEST_NAME].strip()


def _text(value: str) -> str:
    return escape(_plain(value))


def _quoted(value: str) -> str:
    return _plain(value).replace('"', "'").replace("\\", "/")


def _plain(value: str) -> str:
    return "".join(char for char in value if char.isprintable())
