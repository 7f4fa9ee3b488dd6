"""Deleting that to which people granted something: what they granted ends first, here and there.

Here it is over with the deletion. The providers are told by the task that tells them of every
revocation, however long one of them is away.
"""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from agents import services
from agents.errors import WorkloadInUse
from agents.models import WorkloadIdentity
from core.audit import Actor
from vault import providers, revocations
from vault.errors import ProviderInUse
from vault.models import CredentialProvider, Grant, Revocation

# What one transaction ends without holding up anybody else.
MOST_GRANTS = 1000


def workload_identity_end(*, identity: WorkloadIdentity, actor: Actor) -> None:
    """Delete the identity, its access keys, and what people granted it.

    Raises:
        WorkloadInUse: an agent acts under it, or too many people granted it something.
        AuditUnavailable: nothing was changed.
    """
    with transaction.atomic():
        # With the key: a grant that is stored meanwhile refers to this row, and has to wait.
        WorkloadIdentity.objects.select_for_update(of=("self",), no_key=False).get(pk=identity.pk)
        grants = Grant.objects.filter(workload_identity=identity)
        held = list(
            grants.select_for_update(of=("self",), no_key=True)
            .select_related("workload_identity__agent", "provider")
            .exclude(state=Grant.State.REVOKED)[: MOST_GRANTS + 1]
        )
        if len(held) > MOST_GRANTS:
            message = _("More than %(most)d people have granted it access. Revoke that first.")
            raise WorkloadInUse(message % {"most": MOST_GRANTS})
        for grant in held:
            revocations.grant_forget(grant=grant, actor=actor)
        grants.delete()
        services.workload_identity_delete(identity=identity, actor=actor)


def provider_end(*, provider: CredentialProvider, actor: Actor) -> None:
    """Delete a provider at which nobody is connected, with what is left of older connections.

    Raises:
        ProviderInUse: somebody is connected, or it is still to be told that somebody was.
        AuditUnavailable: nothing was changed.
    """
    with transaction.atomic():
        # With the key: a grant that is stored meanwhile refers to this row, and has to wait.
        CredentialProvider.objects.select_for_update(of=("self",), no_key=False).get(pk=provider.pk)
        grants = Grant.objects.filter(provider=provider)
        if connected := grants.exclude(state=Grant.State.REVOKED).count():
            raise ProviderInUse.connected(connected)
        if untold := Revocation.objects.filter(provider=provider).count():
            raise ProviderInUse.untold(untold)
        grants.delete()
        providers.provider_delete(provider=provider, actor=actor)
