"""How we speak TLS: one place for what a client and a server of ours accept.

Enters: files of certificates and keys. Leaves: contexts that verify, from TLS 1.2 on (RFC 9325, 3.1.1). Which address
is spoken to, and which name its certificate must carry, belongs to whoever connects.
"""

from __future__ import annotations

import ssl
from pathlib import Path

LOWEST = ssl.TLSVersion.TLSv1_2


class UnusableCertificate(Exception):
    """A file of certificates or keys cannot be used; the text names the files and never shows what is in them."""


def client_context(
    ca_file: Path | None = None, certificate_file: Path | None = None, key_file: Path | None = None
) -> ssl.SSLContext:
    """Trusts `ca_file` alone, or the system's certificates; the name of the host must stand in the certificate.

    `certificate_file` (with `key_file`, if the key is not in it) is shown to a server that asks who we are. Raises
    UnusableCertificate.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ValueError) as error:
        raise _unusable(error, ca_file) from None
    context.minimum_version = LOWEST
    if certificate_file is not None:
        _show(context, certificate_file, key_file)
    return context


def server_context(certificate_file: Path, key_file: Path | None = None) -> ssl.SSLContext:
    """Shows the chain in `certificate_file`. Raises UnusableCertificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = LOWEST
    _show(context, certificate_file, key_file)
    return context


def _show(context: ssl.SSLContext, certificate_file: Path, key_file: Path | None) -> None:
    try:
        # An empty password: a key that needs one is refused; OpenSSL would otherwise ask at the terminal.
        context.load_cert_chain(certificate_file, key_file, password="")
    except (OSError, ValueError) as error:
        raise _unusable(error, certificate_file, key_file) from None


def _unusable(error: Exception, *files: Path | None) -> UnusableCertificate:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "no certificate or key"
    return UnusableCertificate(f"{', '.join(str(file) for file in files if file)}: cannot be used for TLS: {reason}")
