"""Which services an agent may ask for: as people see it before they begin, and as admins do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from agents.models import WorkloadIdentity
from core.subject import Subject
from vault.models import CredentialProvider, Grant


@dataclass(frozen=True, slots=True)
class Service:
    """One service that an agent may ask a person for, and whether it holds their consent."""

    name: str
    connected: bool


def services_of(workload_ids: Collection[int], *, subject: Subject) -> Mapping[int, list[Service]]:
    """Return what each workload identity may ask `subject` for, by name; nothing that is off.

    Whether it gets a token is asked again when it asks for one (`vault.standing`).
    """
    listed = CredentialProvider.workloads.through.objects.filter(
        workloadidentity_id__in=workload_ids
    )
    pairs = set(listed.values_list("workloadidentity_id", "credentialprovider_id"))
    theirs = Q(any_workload=True) | Q(pk__in={provider for _, provider in pairs})
    providers = CredentialProvider.objects.filter(theirs, enabled=True).order_by("display_name")
    live = Grant.objects.of(subject).filter(state=Grant.State.LIVE)
    connected = set(live.values_list("workload_identity_id", "provider_id"))
    found: dict[int, list[Service]] = defaultdict(list)
    for pk, name, is_for_any in providers.values_list("pk", "display_name", "any_workload"):
        for workload_id in workload_ids:
            if is_for_any or (workload_id, pk) in pairs:
                found[workload_id].append(Service(name, (workload_id, pk) in connected))
    return found


@dataclass(frozen=True, slots=True)
class Reach:
    """A workload identity that may ask people for a provider, and how many connected the two."""

    workload: WorkloadIdentity
    provider: CredentialProvider
    connected: int

    @property
    def is_on(self) -> bool:
        """Return whether both are switched on; no token leaves while one is not."""
        return self.workload.enabled and self.provider.enabled


def providers_open_to(workload: WorkloadIdentity) -> list[Reach]:
    """Return what `workload` may ask people for, by name, what is switched off included."""
    open_to = Q(any_workload=True) | Q(workloads=workload)
    providers = CredentialProvider.objects.filter(open_to).distinct().order_by("display_name", "pk")
    counted = _connected(by="provider", workload_identity=workload)
    return [Reach(workload, each, counted.get(each.pk, 0)) for each in providers]


def workloads_of(provider: CredentialProvider) -> list[Reach]:
    """Return the workload identities that may ask people for `provider`, by name."""
    listed = WorkloadIdentity.objects.all() if provider.any_workload else provider.workloads.all()
    workloads = listed.select_related("agent").order_by("name")
    counted = _connected(by="workload_identity", provider=provider)
    return [Reach(each, provider, counted.get(each.pk, 0)) for each in workloads]


def _connected(*, by: str, **of: Any) -> dict[Any, int]:
    """Return how many live grants `of` one of the two there are, by the other."""
    live = Grant.objects.filter(**of, state=Grant.State.LIVE).order_by()
    return dict(live.values_list(by).annotate(Count("pk")))
