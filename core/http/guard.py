"""Which servers may be reached: public ones over https, and those that an admin listed.

Requests built from configuration must not become a way into the network this site runs in
(server-side request forgery). Addresses are checked after DNS, at the moment of connecting.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from django.conf import settings
from django.utils.translation import gettext as _
from yarl import URL

from core.http.errors import HttpRefused

# The only global unicast space there is (RFC 4291 section 2.4), and within it what wraps an IPv4
# address (6to4, RFC 3056) or is documentation (RFC 9637) and what Python 3.11 takes for global.
_IPV6_GLOBAL = ipaddress.ip_network("2000::/3")
_IPV6_NOT_GLOBAL = (ipaddress.ip_network("2002::/16"), ipaddress.ip_network("3fff::/20"))


def private_host_is_allowed(host: str) -> bool:
    """Say whether an admin listed `host` as one that may be private (and be spoken to in clear)."""
    return host.lower() in {listed.lower() for listed in settings.DAIKO_ALLOWED_PRIVATE_HOSTS}


def address_is_public(address: str) -> bool:
    """Say whether `address` is a public unicast address, also where IPv6 wraps an IPv4 one.

    Raises:
        ValueError: it is not an address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip not in _IPV6_GLOBAL or any(ip in network for network in _IPV6_NOT_GLOBAL):
            return False
    return ip.is_global and not ip.is_multicast


def check_url(url: str) -> URL:
    """Return `url` as the client will read it, unless it could not be requested whatever its
    host resolves to.

    The client's own parser reads it: where two parsers differ about a host, one of them is fooled.

    Raises:
        HttpRefused: not http(s), without a host, with a user name in it, in clear to a host that is
            not listed, or a literal address that is not public.
    """
    try:
        parsed = URL(url)
        host = parsed.raw_host or ""
    except ValueError:
        raise HttpRefused(_("This is not a URL."), detail="not a URL") from None
    if parsed.scheme not in {"http", "https"} or not host:
        raise HttpRefused(_("This is not an http or https URL."), detail="not an http(s) URL")
    if parsed.raw_user is not None or parsed.raw_password is not None:
        raise HttpRefused(_("A URL must not hold credentials."), detail=f"credentials for {host}")
    if private_host_is_allowed(host):
        return parsed
    if parsed.scheme != "https":
        raise HttpRefused(
            _("%(host)s is spoken to over https only, unless DAIKO_ALLOWED_PRIVATE_HOSTS lists it.")
            % {"host": host},
            detail=f"http to {host}",
        )
    if _is_numeric(host) and not _is_public_literal(host):
        raise _private(host)
    return parsed


def _is_numeric(host: str) -> bool:
    """Say whether `host` would be read as an address, as `127.0.0.1`, `2130706433` and `0x7f.1`."""
    return ":" in host or host.rstrip(".").rpartition(".")[2][:1].isdigit()


def _is_public_literal(host: str) -> bool:
    try:
        return address_is_public(host)
    except ValueError:
        return False  # an old way of writing an address; nobody needs it


def _private(host: str) -> HttpRefused:
    return HttpRefused(
        _("%(host)s is not a public address. DAIKO_ALLOWED_PRIVATE_HOSTS can list the host.")
        % {"host": host},
        detail=f"private address of {host}",
    )


class GuardedResolver(AbstractResolver):
    """Resolves names to public addresses only, so that nothing is checked and then changed."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if private_host_is_allowed(host):
            return found
        if not all(address_is_public(result["host"]) for result in found):
            raise _private(host)
        return found

    async def close(self) -> None:
        await self._inner.close()
