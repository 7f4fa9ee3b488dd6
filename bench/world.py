"""Who reads and calls in the bench, and where: agents, people and providers."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import Group

from agents.keys.access_keys import access_key_create
from agents.models import Agent, AgentEndpoint, AgentVersion, WorkloadIdentity
from core.audit import Actor
from core.jose import discovery_url_of
from core.models import User
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


def called_agent(name: str, *, url: str, issuer: str, audience: str, client: str) -> Agent:
    """Return a new agent at `url` that everybody may call with a token of `issuer` for it."""
    agent = Agent.objects.create(
        agent_id=f"{name}-{'0' * 10}",
        name=name,
        display_name="Bench",
        workload_identity=workload(name),
        allow_everyone=True,
    )
    AgentVersion.objects.create(
        agent=agent,
        number=1,
        url=url,
        discovery_url=discovery_url_of(issuer),
        allowed_audience=[audience],
        allowed_clients=[client],
    )
    AgentEndpoint.objects.create(agent=agent)
    return agent


def people(issuer: str, subjects: Sequence[str]) -> None:
    """Let these people have signed in once."""
    User.objects.bulk_create(
        User(username=f"u-{sub}", iss=issuer, sub=sub, name=sub.title()) for sub in subjects
    )
