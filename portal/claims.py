"""Checks of claims that an ID token and a logout token share.

OpenID Connect Core 1.0 section 3.1.3.7, to which Back-Channel Logout 1.0 section 2.6 points. Each
returns the stable code of what is wrong, or None.
"""

from __future__ import annotations

from core import jose

LEEWAY_S = 60
MAX_NAME_CHARS = 255


def issuer_problem(claims: jose.Claims, issuer: str) -> str | None:
    """Return that another issuer speaks."""
    return None if claims.get("iss") == issuer else "issuer_mismatch"


def audience_problem(claims: jose.Claims, client_id: str) -> str | None:
    """Return that the token is not for `client_id`, or was issued to another client."""
    audience = claims.get("aud")
    several = audience if isinstance(audience, list) else [audience]
    if client_id not in several:
        return "audience_mismatch"
    azp = claims.get("azp")
    if azp is None and len(several) > 1:
        return "authorized_party_missing"
    return None if azp in (None, client_id) else "authorized_party_mismatch"


def times_problem(claims: jose.Claims, now: float) -> str | None:
    """Return that the token is over, has not begun, or does not say so. `now` is epoch seconds."""
    expires, issued = (jose.numeric_date(claims.get(name)) for name in ("exp", "iat"))
    if expires is None or issued is None:
        return "no_times"
    if expires + LEEWAY_S <= now:
        return "expired"
    begins = jose.numeric_date(claims["nbf"]) if "nbf" in claims else issued
    if begins is None or max(begins, issued) - LEEWAY_S > now:
        return "not_yet_valid"
    return None


def is_name(value: object) -> bool:
    """Say whether a claim is the name of something: text that a column here holds."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARS and "\x00" not in value
