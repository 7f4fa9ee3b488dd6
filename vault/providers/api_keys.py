"""API key providers: keeping them, and handing a key to an agent that may have it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import replace

from agents import policies, workload
from agents.arns import api_key_provider_arn
from agents.errors import ForeignWorkload
from agents.keys.callers import Caller
from agents.models import WorkloadIdentity
from core import audit, reference
from core.audit import Actor
from core.secret import Secret
from core.subject import Subject
from vault.models import ApiKeyProvider
from vault.models.kept_secret import SecretReference
from vault.providers.kept import Kept
from vault.resources import of_api_key_provider
from vault.standing import acting, opened_to

_kept = Kept(
    api_key_provider_arn,
    added="admin.api_key_provider.added",
    changed="admin.api_key_provider.changed",
    deleted="admin.api_key_provider.deleted",
)


def api_key_provider_store(
    *,
    provider: ApiKeyProvider,
    key: Secret | SecretReference | None,
    actor: Actor,
    workloads: Collection[WorkloadIdentity] | None = None,
    tags: Mapping[str, str] | None = None,
) -> ApiKeyProvider:
    """Save `provider`, who may have its key, and more `tags`, and put the change on record.

    Without a new `key`, or the place in AWS Secrets Manager where it is, the one that is kept
    stays. Without `workloads` those that may have it stay as they were.

    Raises:
        ValidationError: a field breaks a rule, or there is no key.
        InvalidRequest: a tag's key is reserved.
        AuditUnavailable: the change cannot be put on record, so it is not made.
    """
    provider.keep_new(key)
    provider.full_clean()
    detail = {"new_secret": key is not None}
    _kept.save(provider, detail, workloads=workloads, tags=tags, actor=actor)
    return provider


def api_key_provider_delete(*, provider: ApiKeyProvider, actor: Actor) -> None:
    """Delete a provider and its key, and put that on record."""
    _kept.delete(provider, actor=actor)


def api_key_release(*, caller: Caller, unverified_token: Secret, provider_name: str) -> Secret:
    """Return the key of a provider, for the workload identity that its access token names.

    Who may act is asked of the database, and the release is on record before the key is opened.

    Raises:
        WorkloadTokenInvalid, ForeignWorkload: the workload token is none, or another's.
        Forbidden, ProviderUnknown: one of the parties may not act; see `vault.standing`.
        PolicyDenied: a policy of the provider, or of the vault, says no.
        ExternalSecretUnavailable, ExternalSecretMissing: AWS Secrets Manager does not give it.
        AuditUnavailable: nothing was released.
    """
    event = audit.Event(
        "vault.api_key.refused", provider=provider_name, client=caller.access_key_id
    )
    # A refusal is on record before `named` forgets the call in whose course this is asked.
    with ExitStack() as named, audit.Attempt(event) as attempt:
        verified = workload.read(unverified_token.reveal())
        named.enter_context(reference.during(verified.invocation, verified.called_through))
        attempt.learn(subject=verified.subject, workload=verified.workload_name)
        if not caller.may_act_as(verified.workload_name):
            raise ForeignWorkload("This access key may not act for that workload identity.")
        identity = acting(
            workload_id=verified.workload_id,
            subject=verified.subject or Subject.of_workload(verified.workload_name),
            groups=verified.groups,
            chain=verified.chain,
        )
        attempt.learn(agent=identity.agent_id)
        provider = opened_to(identity, ApiKeyProvider.objects.filter(name=provider_name))
        policies.evaluate(
            action="GetResourceApiKey",
            resources=of_api_key_provider(provider_name),
            principal=caller.principal,
        )
        audit.record(replace(attempt.event, action="vault.api_key.released"))
        return provider.key()
