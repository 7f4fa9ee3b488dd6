"""Where an issuer may publish its metadata, and whose a document may be."""

from __future__ import annotations

from urllib.parse import urlsplit

_WELL_KNOWN = "/.well-known/"


def discovery_url_of(issuer: str) -> str:
    """Return where `issuer` publishes its metadata (OpenID Connect Discovery 1.0 section 4)."""
    return issuer.rstrip("/") + _WELL_KNOWN + "openid-configuration"


def discovery_urls_of(issuer: str) -> tuple[str, ...]:
    """Return every place where `issuer` may publish its metadata.

    They are those of OpenID Connect Discovery 1.0 section 4, of RFC 8414 section 3.1, where the
    path of the issuer comes last, and the crossings of the two that are in use. What is no URL has
    none.
    """
    try:
        parts = urlsplit(issuer)
    except ValueError:
        return ()
    if any(c.isspace() for c in issuer):
        return ()  # urlsplit passes over some blanks
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    names = ("openid-configuration", "oauth-authorization-server")
    appended = [origin + path + _WELL_KNOWN + name for name in names]
    inserted = [origin + _WELL_KNOWN + name + path for name in names]
    return tuple(dict.fromkeys(appended + inserted))


def is_issuer_at(issuer: str, discovery_url: str) -> bool:
    """Say whether a document at `discovery_url` may speak for `issuer` (RFC 8414 section 3.3).

    Otherwise whoever runs one provider could issue tokens in the name of another.
    """
    return discovery_url in discovery_urls_of(issuer)
