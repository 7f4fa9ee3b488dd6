"""Where events may be sent: over https, unless it is this very machine and an admin listed it."""

from __future__ import annotations

import ipaddress

from django.utils.translation import gettext as _

from core import http


def check(url: str) -> None:
    """Return if events may be sent to `url`, as far as that can be said before asking DNS.

    Raises:
        HttpRefused: it is not https and not loopback, not listed though private, holds credentials
            or a fragment, or is no URL.
    """
    parsed = http.check_url(url)
    if parsed.scheme != "https" and not _is_loopback(parsed.raw_host or ""):
        raise http.HttpRefused(
            _("Events are sent in clear to this machine alone. Use https."),
            detail=f"http to {parsed.raw_host}",
        )
    if parsed.raw_fragment:
        raise http.HttpRefused(_("A URL with a fragment cannot be sent to."), detail="a fragment")


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
