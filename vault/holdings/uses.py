"""What was used on somebody's behalf during one call to an agent: services, and no secret."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from core.models.audit import AuditEvent
from core.subject import Subject
from vault.asked.scopes import ScopeInWords, in_words
from vault.models import CredentialProvider

_RELEASES = ("vault.token.released", "vault.api_key.released")
_MAX_EVENTS = 100


@dataclass(frozen=True, slots=True)
class Use:
    """A service of which an agent was given access, and the scopes of that; a key has none."""

    provider: str
    scopes: list[ScopeInWords]


def uses(*, subject: Subject, invocation: str, since: datetime, until: datetime) -> list[Use]:
    """Return what was released between two moments during the call `invocation` for `subject`.

    As the audit trail has it, in which each release stands before it happens; scopes are in the
    language of the reader.
    """
    events = AuditEvent.objects.filter(
        subject_sub=subject.sub,
        subject_iss=subject.iss,
        at__range=(since, until),
        action__in=_RELEASES,
        detail__invocation=invocation,
    ).order_by("at")[:_MAX_EVENTS]
    scopes: dict[str, dict[str, None]] = {}
    for event in events:
        found = scopes.setdefault(event.provider, {})
        found.update(dict.fromkeys(event.detail.get("scopes", [])))
    return _in_words(scopes)


def _in_words(scopes: dict[str, dict[str, None]]) -> list[Use]:
    known = {each.name: each for each in CredentialProvider.objects.filter(name__in=scopes)}
    return [_use(known.get(name), name, found) for name, found in scopes.items()]


def _use(provider: CredentialProvider | None, name: str, scopes: Iterable[str]) -> Use:
    if provider is None:
        return Use(name, in_words(scopes, {}))
    return Use(provider.display_name, in_words(scopes, provider.scope_words))
