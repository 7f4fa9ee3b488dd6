"""Who reads in the bench, and where: agents open to one group, and providers."""

from __future__ import annotations

from django.contrib.auth.models import Group

from agents.keys.access_keys import access_key_create
from agents.models import Agent, WorkloadIdentity
from core.audit import Actor
from core.secret import Secret
from vault.models import CredentialProvider
from vault.providers.services import provider_store

GROUP = "readers"
_ACTOR = Actor("bench")


def workload(name: str) -> WorkloadIdentity:
    """Return a new workload identity."""
    return WorkloadIdentity.objects.create(name=name)


def reader(name: str) -> tuple[WorkloadIdentity, str, Secret]:
    """Return the workload identity of a new agent, and an access key of its: id and secret."""
    identity = workload(name)
    agent = Agent.objects.create(
        agent_id=name, name="bench", display_name="Bench", workload_identity=identity
    )
    agent.allowed_groups.add(Group.objects.create(name=GROUP))
    key, secret = access_key_create(label="bench", workload_identity=identity, actor=_ACTOR)
    return identity, key.access_key_id, secret


def provider(
    name: str, *, url: str, workload: WorkloadIdentity, refresh_at_once: int | None = None
) -> CredentialProvider:
    """Return a new provider, whose token endpoint is at `url`, with a workload that may use it."""
    made = CredentialProvider(
        name=name,
        display_name=name.title(),
        client_id="bench",
        client_auth="none",
        issuer=url,
        authorization_endpoint=f"{url}/authorize",
        token_endpoint=f"{url}/",
    )
    if refresh_at_once is not None:
        made.refresh_at_once = refresh_at_once
    return provider_store(provider=made, client_secret=None, workloads=[workload], actor=_ACTOR)
