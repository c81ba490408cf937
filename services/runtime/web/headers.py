"""Headers that every answer carries.

Enters: answers. Leaves: the same with a content security policy that allows nothing but our own files (no inline
style or script, no other host), and no copy of a page in any cache.
"""

from __future__ import annotations

from flask import Flask, Response, current_app, request

from services.runtime.web.access import is_file

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""data: images are Bootstrap's own icons, which stand in its style sheet."""

_ALWAYS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}

_HTTPS_ONLY = "max-age=31536000"
"""A browser that was here by https comes by nothing else for a year (RFC 6797); other host names are not ours."""


def set_up(app: Flask) -> None:
    """Add the headers to every answer, errors included."""
    app.after_request(_add)


def _add(response: Response) -> Response:
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    if current_app.config["SESSION_COOKIE_SECURE"]:
        response.headers["Strict-Transport-Security"] = _HTTPS_ONLY
    if not is_file(current_app, request.endpoint):
        response.headers["Cache-Control"] = "no-store"
    return response
