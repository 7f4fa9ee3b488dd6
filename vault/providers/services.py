"""Changing OAuth2 credential providers."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.core.exceptions import ValidationError
from django.db import transaction

from agents.arns import oauth2_provider_arn
from agents.models import WorkloadIdentity
from core.audit import Actor
from core.secret import Secret
from vault.models import CredentialProvider
from vault.models.kept_secret import SecretReference
from vault.providers import moving, readiness
from vault.providers.kept import Kept

_kept = Kept(
    oauth2_provider_arn,
    added="admin.provider.added",
    changed="admin.provider.changed",
    deleted="admin.provider.deleted",
)


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
        ValidationError: a field breaks a rule, or what is kept would be sent to another server than
            until now.
        InvalidRequest: a tag's key is reserved.
        AuditUnavailable: the change cannot be put on record, so it is not made.
    """
    secret_stays = provider.uses_secret and client_secret is None
    if provider.uses_secret:
        provider.keep_new(client_secret)
    else:
        provider.keep_secret(None)
    provider.full_clean()
    readiness.begin(provider)
    detail = {
        "client_id": provider.client_id,
        "new_secret": client_secret is not None,
        "servers": sorted(moving.servers_of(vars(provider))),
    }
    with transaction.atomic():
        _refuse_to_move(provider, secret_stays=secret_stays)
        _kept.save(provider, detail, workloads=workloads, tags=tags, actor=actor)
    readiness.check(provider)
    return provider


def _refuse_to_move(provider: CredentialProvider, *, secret_stays: bool) -> None:
    # With the key: a grant that is stored meanwhile refers to this row, and has to wait.
    rows = CredentialProvider.objects.select_for_update(of=("self",), no_key=False)
    known = rows.filter(pk=provider.pk).first()
    problems = known and moving.problems_of(known, vars(provider), secret_stays=secret_stays)
    if problems:
        raise ValidationError(problems)


def provider_switch_off(*, provider: CredentialProvider, actor: Actor) -> None:
    """Switch a provider off, which ends no access for good, and put that on record."""
    with transaction.atomic():
        on = CredentialProvider.objects.filter(pk=provider.pk, enabled=True)
        if on.update(enabled=False):
            _kept.record("admin.provider.disabled", provider, actor)
    provider.enabled = False


def provider_delete(*, provider: CredentialProvider, actor: Actor) -> None:
    """Delete a provider at which nobody ever consented, and put that on record.

    Raises:
        ProtectedError: somebody did. Switch it off instead.
    """
    _kept.delete(provider, actor=actor)


def providers_open(
    *,
    to: WorkloadIdentity,
    opened: Collection[CredentialProvider],
    closed: Collection[CredentialProvider],
    actor: Actor,
) -> None:
    """Let `to` ask people for what is `opened`, and not for what is `closed`, and put it on record.

    Nothing else of these changes. What people granted stays, and is of no use to an agent that is
    not listed.

    Raises:
        AuditUnavailable: a change cannot be put on record, and none is made.
    """
    changed = [provider.pk for provider in (*opened, *closed)]
    with transaction.atomic():
        # Held, so that nobody else's change of the same list is undone by this.
        held = CredentialProvider.objects.select_for_update(of=("self",), no_key=True)
        for provider in held.filter(pk__in=changed).order_by("pk"):
            listed = list(provider.workloads.all())
            asked = [*(one for one in listed if one != to), *([to] if provider in opened else [])]
            if set(asked) != set(listed):
                _kept.save(provider, {}, workloads=asked, tags=None, actor=actor)
