"""Credential providers: where they answer, and changing and testing them."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin

from django.db import transaction
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from agents import resources
from agents.arns import oauth2_provider_arn
from agents.models import WorkloadIdentity
from agents.probe import Finding
from agents.tags import tags_add
from core import audit, oauth, pkce
from core.audit import Actor
from core.errors import AppError
from core.secret import Secret
from vault.models import CredentialProvider
from vault.models.kept_secret import SecretReference
from vault.providers import discovery, readiness

_ANY_TENANT = "common"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider answers, and who it says it is."""

    issuer: str
    authorization: str
    token: str
    revocation: str | None
    announces_iss: bool


def endpoints_of(provider: CredentialProvider) -> Endpoints:
    """Return the endpoints that `provider` publishes, that an admin wrote down, or its vendor's.

    Raises:
        ProviderUnavailable, ProviderMetadataWrong: its metadata cannot be had, or is not usable.
    """
    if not provider.metadata_url:
        return _known_endpoints(provider)
    said = discovery.metadata_at(provider.metadata_url)
    readiness.succeeded(provider)
    return Endpoints(
        issuer=said.issuer,
        authorization=said.authorization_endpoint,
        token=said.token_endpoint,
        revocation=provider.revocation_endpoint or said.revocation_endpoint,
        announces_iss=said.announces_iss or provider.issuer_announces_iss,
    )


def _known_endpoints(provider: CredentialProvider) -> Endpoints:
    vendor = provider.traits
    # Quoted, although `clean` lets nothing pass that would need it: it becomes part of an address.
    tenant = quote(provider.tenant_id or _ANY_TENANT, safe="")
    token = provider.token_endpoint or vendor.token.format(tenant=tenant)
    told = provider.revocation_endpoint or vendor.revocation
    return Endpoints(
        issuer=provider.issuer or vendor.issuer.format(tenant=tenant),
        authorization=(
            provider.authorization_endpoint or vendor.authorization.format(tenant=tenant)
        ),
        token=token,
        revocation=urljoin(token, told) if told else None,
        announces_iss=provider.issuer_announces_iss,
    )


def is_told_of_ends(provider: CredentialProvider) -> bool | None:
    """Say whether `provider` takes word that an access has ended; None: not known now.

    Answers within two seconds.
    """
    if not provider.metadata_url or provider.revocation_endpoint:
        return _known_endpoints(provider).revocation is not None
    said = discovery.glance_at(provider.metadata_url)
    return None if said is None else said.revocation_endpoint is not None


def provider_store(
    *,
    provider: CredentialProvider,
    client_secret: Secret | SecretReference | None,
    actor: Actor,
    workloads: Collection[WorkloadIdentity] | None = None,
    tags: Mapping[str, str] | None = None,
) -> CredentialProvider:
    """Save `provider`, who may use it, and more `tags`, and put the change on record.

    Without a new `client_secret`, or the place in AWS Secrets Manager where it is, the one that is
    kept stays; that of a client that needs none goes. Without `workloads` those that may use it
    stay as they were. Its metadata need not be there yet; its status says whether they are.

    Raises:
        ValidationError: a field breaks a rule.
        InvalidRequest: a tag's key is reserved.
        AuditUnavailable: the change cannot be put on record, so it is not made.
    """
    if not provider.uses_secret:
        provider.keep_secret(None)
    elif isinstance(client_secret, SecretReference):
        provider.keep_reference(client_secret.secret_id, client_secret.json_key)
    elif client_secret is not None:
        provider.keep_secret(client_secret)
    provider.full_clean()
    readiness.begin(provider)
    detail: dict[str, Any] = {
        "enabled": provider.enabled,
        "client_id": provider.client_id,
        "any_workload": provider.any_workload,
        "new_secret": client_secret is not None,
    }
    if workloads is not None:
        detail["workloads"] = sorted(workload.name for workload in workloads)
    with transaction.atomic():
        _record("added" if provider._state.adding else "changed", provider, actor, detail)
        provider.save()
        if workloads is not None:
            provider.workloads.set(workloads)
        if tags:
            tags_add(resource_arn=oauth2_provider_arn(provider.name), tags=tags, actor=actor)
    readiness.check(provider)
    return provider


def provider_switch_off(*, provider: CredentialProvider, actor: Actor) -> None:
    """Switch a provider off, which ends no access for good, and put that on record."""
    with transaction.atomic():
        on = CredentialProvider.objects.filter(pk=provider.pk, enabled=True)
        if on.update(enabled=False):
            _record("disabled", provider, actor, {})
    provider.enabled = False


def provider_delete(*, provider: CredentialProvider, actor: Actor) -> None:
    """Delete a provider at which nobody ever consented, and put that on record.

    Raises:
        ProtectedError: somebody did. Switch it off instead.
    """
    with transaction.atomic():
        _record("deleted", provider, actor, {})
        resources.attached_delete(arn=oauth2_provider_arn(provider.name))
        provider.delete()


def _record(done: str, provider: CredentialProvider, actor: Actor, detail: dict[str, Any]) -> None:
    audit.record(
        audit.Event(
            f"admin.provider.{done}",
            actor=actor.name,
            subject=actor.subject,
            provider=provider.name,
            detail=detail,
        )
    )


def provider_probe(*, provider: CredentialProvider) -> list[Finding]:
    """Return what an admin should know before the first person is asked. Calls the provider twice.

    The client is tried with a code that cannot exist: `invalid_grant` means that the provider knew
    the client (RFC 6749 section 5.2), `invalid_client` that it did not.
    """
    try:
        endpoints = endpoints_of(provider)
    except AppError as exc:
        return [Finding(False, exc.message)]
    found = [Finding(True, format_lazy(_("Its issuer is {issuer}."), issuer=endpoints.issuer))]
    if endpoints.revocation is None:
        lacking = _("It has no revocation endpoint: disconnecting cannot end access there.")
        found.append(Finding(False, lacking))
    form = {
        "grant_type": "authorization_code",
        "code": f"daiko-trial-{secrets.token_urlsafe(16)}",
        "redirect_uri": provider.callback_url,
        "code_verifier": pkce.new_verifier().reveal(),
    }
    try:
        oauth.token_request(endpoints.token, client=provider.client(), form=form)
    except oauth.GrantRejected:
        found.append(Finding(True, _("It knows this client and accepts its authentication.")))
    except AppError as exc:
        found.append(Finding(False, exc.message))
    else:
        found.append(Finding(False, _("It gave a token for a code that was made up.")))
    return found
