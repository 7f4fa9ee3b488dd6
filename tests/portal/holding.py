"""What agents hold for people, as rows: how they come is told in the tests of the vault."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from agents.models import Agent
from core.models import User
from vault.models import CredentialProvider, Grant


def calendar(name: str = "acme") -> CredentialProvider:
    """Return a service that somebody can connect; it is not asked anything."""
    return CredentialProvider.objects.create(
        name=name,
        display_name="Acme Calendar",
        discovery_url="http://127.0.0.1:1/.well-known/openid-configuration",
        secret_source="EXTERNAL",
        external_secret_id="a",
        external_json_key="b",
        scope_words={"calendar.read": {"en": "See your calendar"}},
    )


def connected(person: User, agent: Agent, provider: CredentialProvider, **columns: Any) -> Grant:
    """Return what `person` granted to `agent` at `provider`."""
    return Grant.objects.create(
        workload_identity=agent.workload_identity,
        user_iss=person.iss,
        user_sub=person.sub,
        provider=provider,
        scopes=["calendar.read"],
        granted_at=timezone.now(),
        access_sealed=b"sealed-secret",
        **columns,
    )
