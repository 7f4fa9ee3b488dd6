"""Signatures on tokens of other issuers: discovery, key sets, and the checks themselves."""

from core.jose.issuers import (
    Documents,
    Issuer,
    IssuerUnavailable,
    forget_issuers,
    issuer_at,
)
from core.jose.keys import Key
from core.jose.metadata import discovery_url_of, discovery_urls_of, is_issuer_at
from core.jose.tokens import (
    ALGORITHMS,
    Claims,
    TokenRejected,
    UnverifiedToken,
    check_signature,
    numeric_date,
    parse,
)

__all__ = [
    "ALGORITHMS",
    "Claims",
    "Documents",
    "Issuer",
    "IssuerUnavailable",
    "Key",
    "TokenRejected",
    "UnverifiedToken",
    "check_signature",
    "discovery_url_of",
    "discovery_urls_of",
    "forget_issuers",
    "is_issuer_at",
    "issuer_at",
    "numeric_date",
    "parse",
]
