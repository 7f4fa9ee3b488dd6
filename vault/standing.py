"""May this workload identity act for this person at this provider, now?

Asked at each release and at each step of a consent, of the database and of no cache, so that
switching something off takes effect with the next request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, cast

from django.db import connection
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from agents.errors import AgentDisabled, PersonDisabled, PersonNotAdmitted, WorkloadDisabled
from agents.models import WorkloadIdentity
from agents.selectors import is_open_to
from core.models import User
from core.subject import Subject
from vault.errors import ProviderDisabled, ProviderNotAllowed, ProviderUnknown
from vault.models import CredentialProvider

_Provider = TypeVar("_Provider", bound=Model)


@dataclass(frozen=True, slots=True)
class Parties:
    """Who acts, for whom, and where. Only `admitted` makes one."""

    workload: WorkloadIdentity
    subject: Subject
    provider: CredentialProvider
    groups: frozenset[str] | None

    @property
    def agent_id(self) -> str:
        """Return the id of the agent that the workload identity belongs to, or an empty string."""
        agent = getattr(self.workload, "agent", None)
        return agent.agent_id if agent else ""

    @property
    def columns(self) -> dict[str, Any]:
        """Return the columns of the rows that are these three's, and nobody else's."""
        return {
            "workload_identity": self.workload,
            "provider": self.provider,
            "user_iss": self.subject.iss,
            "user_sub": self.subject.sub,
        }

    def hold(self) -> None:
        """Make others of these same three wait until this transaction ends."""
        owner = f"{self.workload.pk}:{self.provider.pk}:{self.subject.owner}"
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [owner])


def admitted(
    *, workload_id: int, subject: Subject, provider: Q, groups: frozenset[str] | None = None
) -> Parties:
    """Return the parties, each of them switched on and the provider open to the workload identity.

    Raises:
        As `acting` and `opened_to`.
    """
    workload = acting(workload_id=workload_id, subject=subject, groups=groups)
    found = opened_to(workload, CredentialProvider.objects.filter(provider))
    return Parties(workload, subject, found, groups)


def acting(
    *, workload_id: int, subject: Subject, groups: frozenset[str] | None
) -> WorkloadIdentity:
    """Return the workload identity, if it may act for `subject` now.

    `groups` are those by which the agent's rule let the person in, if one did.

    Raises:
        WorkloadDisabled, AgentDisabled, PersonDisabled: switched off, or gone.
        PersonNotAdmitted: the agent was closed to the person since.
    """
    workload = WorkloadIdentity.objects.select_related("agent").filter(pk=workload_id).first()
    if workload is None or not workload.enabled:
        raise WorkloadDisabled
    agent = getattr(workload, "agent", None)
    if agent is not None and not agent.enabled:
        raise AgentDisabled
    # Who has never signed in here is known by the token alone, and cannot have been switched off.
    known = User.objects.filter(iss=subject.iss, sub=subject.sub)
    if known.filter(is_active=False).exists():
        raise PersonDisabled
    admits = groups is None or agent is None or is_open_to(agent, subject=subject, groups=groups)
    if not admits:
        raise PersonNotAdmitted
    return workload


def opened_to(workload: WorkloadIdentity, named: QuerySet[_Provider]) -> _Provider:
    """Return the one provider in `named`, if it is switched on and open to `workload`.

    Raises:
        ProviderUnknown, ProviderNotAllowed: there is none, or none for this workload identity.
        ProviderDisabled: switched off.
    """
    listed = named.model._default_manager.filter(pk=OuterRef("pk"), workloads=workload)
    found: Any = named.annotate(is_listed=Exists(listed)).first()
    if found is None:
        raise ProviderUnknown
    if not (found.any_workload or found.is_listed):
        raise ProviderNotAllowed
    if not found.enabled:
        raise ProviderDisabled
    return cast(_Provider, found)


def ask_again(parties: Parties) -> None:
    """Return if the parties, admitted a while ago, still may. Raises as `admitted`."""
    admitted(
        workload_id=parties.workload.pk,
        subject=parties.subject,
        provider=Q(pk=parties.provider.pk),
        groups=parties.groups,
    )
