"""Which services an agent may ask people for, as they see it before they begin to talk with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db.models import Q

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
