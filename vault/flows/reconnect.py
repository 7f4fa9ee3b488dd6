"""Connecting again what was connected before, without an agent that asks for it."""

from __future__ import annotations

from django.db.models import Q

from vault.asked.wanted import Wanted
from vault.flows import consent, return_urls
from vault.models import ConsentSession, Grant
from vault.standing import admitted


def begin(*, grant: Grant) -> ConsentSession:
    """Return a consent session that asks its person for what `grant` held, and ends at this site.

    Raises:
        Forbidden: one of the parties is switched off.
    """
    parties = admitted(
        workload_id=grant.workload_identity_id,
        subject=grant.subject,
        provider=Q(pk=grant.provider_id),
    )
    wanted = Wanted(
        scopes=tuple(grant.scopes),
        return_url=return_urls.own(),
        custom_state=None,
        custom_parameters={},
        resources=tuple(grant.resources),
        audiences=tuple(grant.audiences),
        forced=False,
    )
    return consent.begin(parties=parties, wanted=wanted, client="")
