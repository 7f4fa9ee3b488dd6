"""What one check found, as it is shown to a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise


class State(StrEnum):
    """How a check ended. The first that refuses decides; the others were looked at all the same."""

    PASSED = "passed"
    REFUSED = "refused"
    NOT_ASKED = "not_asked"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what it expected, what it found, and what to do about it.

    `code`, `status` and `message` are those of the refusal, `decides` that it is the first one.
    """

    check: str
    state: State
    expected: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    code: str = ""
    status: int = 0
    message: str = ""
    fix: str = ""
    decides: bool = False

    @property
    def title(self) -> StrOrPromise:
        """Return what is checked, in words."""
        return TITLES.get(self.check, self.check)

    @property
    def state_words(self) -> StrOrPromise:
        """Return how it ended, in words."""
        return (
            _REFUSED_TOO if self.state == State.REFUSED and not self.decides else _ENDS[self.state]
        )

    @property
    def tone(self) -> str:
        """Return the colour of a label that says how it ended."""
        if self.state == State.PASSED:
            return "good"
        if self.state != State.REFUSED:
            return "quiet"
        return "bad" if self.decides else "warning"


_REFUSED_TOO = _("would refuse, too")
_ENDS: Mapping[State, StrOrPromise] = {
    State.PASSED: _("passed"),
    State.REFUSED: _("refuses"),
    State.NOT_ASKED: _("not asked for"),
    State.NOT_REACHED: _("cannot be told"),
}
TITLES: Mapping[str, StrOrPromise] = {
    "mode": _("How callers prove themselves"),
    "format": _("It is a signed token (JWT)"),
    "algorithm": _("Signature algorithm"),
    "critical": _("Nothing critical in the header"),
    "type": _("Type of token"),
    "issuer": _("Issuer (iss)"),
    "key": _("Signing key (kid)"),
    "key_use": _("The key is for this algorithm"),
    "signature": _("Signature"),
    "expiry": _("Expiry (exp)"),
    "not_before": _("Not before (nbf)"),
    "issued_at": _("Issued at (iat)"),
    "subject": _("Subject (sub)"),
    "audience": _("Audience (aud)"),
    "client": _("Client (client_id)"),
    "scopes": _("Scopes (scope, scp)"),
    "claims": _("Custom claims"),
    "account": _("The person's account is on"),
    "users": _("The person may use the agent"),
    "agent": _("The agent is switched on"),
    "workload": _("Its workload identity is switched on"),
    "policy": _("No resource policy denies it"),
}
