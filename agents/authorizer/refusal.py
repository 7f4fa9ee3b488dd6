"""How verifying a token ends: with a caller, or with a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core import jose
from core.errors import AppError
from core.subject import Subject

_FORBIDDEN = 403
PREFIX = "OAuth authorization failed: "


@dataclass(frozen=True, slots=True)
class VerifiedCaller:
    """The person and client that a token stands for. Only `verify` makes one.

    The claims are those of every call with this token: they are read, and never changed.
    """

    subject: Subject
    client_id: str
    expires_at: float  # epoch seconds
    claims: jose.Claims


class TokenRefused(AppError):
    """The token may not call this agent. `code` says why, for the audit trail.

    Where it is a good token and only the agent's rule refuses it, `subject` is the person whom it
    stands for. `told` has what it says, and what was expected of it.
    """

    status = 401
    aws = "UnauthorizedException"

    def __init__(self, code: str, message: str, *, status: int = 401, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.code = code
        self.status = status
        self.subject: Subject | None = None
        self.told: dict[str, Any] = {}
        if status == _FORBIDDEN:
            self.aws = "AccessDeniedException"


def rejected(exc: jose.TokenRejected) -> TokenRefused:
    """Return the refusal of what its issuer did not sign."""
    return TokenRefused(exc.code, f"{PREFIX}{exc.message}", detail=exc.detail)


def unparsable(exc: jose.TokenRejected) -> TokenRefused:
    """Return the refusal of what is no token at all; 403 for it is the real service's choice."""
    return TokenRefused(exc.code, f"{PREFIX}{exc.message}", status=_FORBIDDEN, detail=exc.detail)
