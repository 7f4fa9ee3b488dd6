"""May this workload identity act for this person at this provider, now?

Asked at each release and at each step of a consent, of the database and of no cache, so that
switching something off takes effect with the next request. The rule is SQL: asked alone, it
explains a refusal; as a part of the statement that releases a token, it admits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, cast

from django.db import connection
from django.db.models import Model, Q, QuerySet

from agents.errors import (
    AgentDisabled,
    ChainBroken,
    PersonDisabled,
    PersonNotAdmitted,
    WorkloadDisabled,
)
from agents.models import WorkloadIdentity
from agents.workload import Chain
from core.errors import AppError
from core.subject import Subject
from vault.errors import ProviderDisabled, ProviderNotAllowed, ProviderUnknown
from vault.models import CredentialProvider

_Provider = TypeVar("_Provider", bound=Model)
_REFUSALS: dict[str, type[AppError]] = {
    refusal.code: refusal
    for refusal in (
        *(WorkloadDisabled, AgentDisabled, ChainBroken, PersonDisabled, PersonNotAdmitted),
        *(ProviderUnknown, ProviderNotAllowed, ProviderDisabled),
    )
}

# What is asked about, as the rows of a JSON document.
ASKED = "workload bigint, iss text, sub text, groups text[], chain bigint[], provider text"
ACTING = """
    LEFT JOIN agents_workloadidentity AS workload ON workload.id = asked.workload
    LEFT JOIN agents_agent AS agent ON agent.workload_identity_id = workload.id
"""
# Who has never signed in here is known by the token alone, and cannot have been switched off. The
# groups are those by which the agent's rule let the person in; without them no such rule stood
# before the token. The chain is of those through whom the workload identity was called.
MAY_NOT_ACT = """
    CASE
        WHEN workload.enabled IS NOT TRUE THEN 'workload_disabled'
        WHEN agent.enabled IS FALSE THEN 'agent_disabled'
        WHEN EXISTS (
            SELECT FROM unnest(asked.chain) AS link (id)
            LEFT JOIN agents_workloadidentity AS through ON through.id = link.id
            LEFT JOIN agents_agent AS caller ON caller.workload_identity_id = through.id
            WHERE through.enabled IS NOT TRUE OR caller.enabled IS FALSE
        ) THEN 'chain_broken'
        WHEN (
            SELECT is_active FROM core_user WHERE iss = asked.iss AND sub = asked.sub
        ) IS FALSE THEN 'person_disabled'
        WHEN asked.groups IS NOT NULL AND agent.allow_everyone IS FALSE AND NOT EXISTS (
            SELECT FROM agents_agent_allowed_users AS allowed
            JOIN core_user AS person ON person.id = allowed.user_id
            WHERE allowed.agent_id = agent.id
                AND person.iss = asked.iss AND person.sub = asked.sub
        ) AND NOT EXISTS (
            SELECT FROM agents_agent_allowed_groups AS allowed
            JOIN auth_group ON auth_group.id = allowed.group_id
            WHERE allowed.agent_id = agent.id AND auth_group.name = ANY (asked.groups)
        ) THEN 'person_not_admitted'
    END
"""
_OPENED = "LEFT JOIN {provider} AS provider ON provider.name = asked.provider"
_IS_NOT_OPEN = """
    CASE
        WHEN provider.id IS NULL THEN 'provider_not_found'
        WHEN NOT provider.any_workload AND NOT EXISTS (
            SELECT FROM {listed} AS listed
            WHERE listed.{column} = provider.id AND listed.workloadidentity_id = asked.workload
        ) THEN 'provider_not_allowed'
        WHEN NOT provider.enabled THEN 'provider_disabled'
    END
"""


@cache
def opened(model: type[Model]) -> tuple[str, str]:
    """Return how providers of a kind are joined to `asked`, and why one may not be used: SQL."""
    [workloads] = [field for field in model._meta.many_to_many if field.name == "workloads"]
    names = {
        "provider": model._meta.db_table,
        "listed": workloads.m2m_db_table(),
        "column": workloads.m2m_column_name(),
    }
    return _OPENED.format(**names), _IS_NOT_OPEN.format(**names)


def question(
    *,
    workload_id: int,
    subject: Subject | None = None,
    groups: frozenset[str] | None = None,
    chain: Chain = (),
    provider_name: str = "",
) -> dict[str, Any]:
    """Return a row of `asked`."""
    return {
        "workload": workload_id,
        "iss": subject and subject.iss,
        "sub": subject and subject.sub,
        "groups": None if groups is None else sorted(groups),
        "chain": [link.workload_id for link in chain],
        "provider": provider_name,
    }


@dataclass(frozen=True, slots=True)
class Parties:
    """Who acts, for whom, and where. Only `admitted` makes one."""

    workload: WorkloadIdentity
    subject: Subject
    provider: CredentialProvider
    groups: frozenset[str] | None
    chain: Chain = ()

    @property
    def agent_id(self) -> str:
        """Return the id of the agent that the workload identity belongs to, or an empty string."""
        return self.workload.agent_id

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
    *,
    workload_id: int,
    subject: Subject,
    provider: Q,
    groups: frozenset[str] | None = None,
    chain: Chain = (),
) -> Parties:
    """Return the parties, each of them switched on and the provider open to the workload identity.

    Raises:
        As `acting` and `opened_to`.
    """
    workload = acting(workload_id=workload_id, subject=subject, groups=groups, chain=chain)
    found = opened_to(workload, CredentialProvider.objects.filter(provider))
    return Parties(workload, subject, found, groups, chain)


def acting(
    *, workload_id: int, subject: Subject, groups: frozenset[str] | None, chain: Chain = ()
) -> WorkloadIdentity:
    """Return the workload identity, if it may act for `subject` now.

    `groups` are those by which the agent's rule let the person in, if one did; `chain` is of those
    through whom the agent was called.

    Raises:
        WorkloadDisabled, AgentDisabled, ChainBroken, PersonDisabled: switched off, or gone.
        PersonNotAdmitted: the agent was closed to the person since.
    """
    workload = WorkloadIdentity.objects.select_related("agent").filter(pk=workload_id).first()
    asked = question(workload_id=workload_id, subject=subject, groups=groups, chain=chain)
    _refuse(MAY_NOT_ACT, ACTING, asked)
    if workload is None:
        raise WorkloadDisabled(detail="made just now")
    return workload


def opened_to(workload: WorkloadIdentity, named: QuerySet[_Provider]) -> _Provider:
    """Return the one provider in `named`, if it is switched on and open to `workload`.

    Raises:
        ProviderUnknown, ProviderNotAllowed: there is none, or none for this workload identity.
        ProviderDisabled: switched off.
    """
    found: Any = named.first()
    if found is None:
        raise ProviderUnknown
    join, refusal = opened(named.model)
    _refuse(refusal, join, question(workload_id=workload.pk, provider_name=found.name))
    return cast(_Provider, found)


def _refuse(refusal: str, joined: str, asked: dict[str, Any]) -> None:
    """Raise what the rule `refusal` says of one question."""
    statement = f"SELECT {refusal} FROM jsonb_to_recordset(%s) AS asked ({ASKED}) {joined}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [json.dumps([asked])])
        [code] = cursor.fetchone()
    if code is not None:
        raise _REFUSALS[code]


def ask_again(parties: Parties) -> None:
    """Return if the parties, admitted a while ago, still may. Raises as `admitted`."""
    admitted(
        workload_id=parties.workload.pk,
        subject=parties.subject,
        provider=Q(pk=parties.provider.pk),
        groups=parties.groups,
        chain=parties.chain,
    )
