"""What is known of a token while it is judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agents.authorizer.rule import Authorizer
from core import jose


@dataclass(slots=True)
class Evidence:
    """A token, the rule that it is held against, and what was learned of its issuer so far.

    Nothing here is verified but by the checks.
    """

    rule: Authorizer
    now: float  # epoch seconds
    token: jose.UnverifiedToken | None = None
    problem: jose.TokenRejected | None = None  # why there is no token
    documents: jose.Documents | None = None
    key: jose.Key | None = None
    claims: jose.Claims = field(default_factory=lambda: jose.Claims({}))

    @classmethod
    def of(cls, unverified_token: str, rule: Authorizer, *, now: float) -> Evidence:
        """Return what the text of a token itself says."""
        try:
            token = jose.parse(unverified_token)
        except jose.TokenRejected as exc:
            return cls(rule, now, problem=exc)
        return cls(rule, now, token, claims=jose.Claims(token.claims))

    @property
    def header(self) -> dict[str, Any]:
        """Return the header, empty where there is no token."""
        return self.token.header if self.token else {}

    @property
    def parsed(self) -> jose.UnverifiedToken:
        """Return the token, where the checks before have seen that it is one."""
        assert self.token is not None  # noqa: S101  (for the type checker)
        return self.token
