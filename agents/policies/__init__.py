"""Resource policies: who may use one resource, beyond what the ordinary rules let through.

    await policies.aevaluate(
        action=call.operation, resources=(arn,), principal=call.caller.principal, facts=facts
    )

A policy only ever narrows. Of each resource that the request touches:

1. a Deny statement that applies refuses, whatever else is said;
2. where Allow statements are about this action on this resource, one of them has to apply;
3. otherwise, as without a policy, the ordinary rules decide alone.

The actions are those that use a resource. No policy says who may put, read or delete policies, so
none can keep an operator from repairing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from django.utils import timezone

from agents.errors import AgentsError
from agents.models import ResourcePolicy
from agents.policies import document, facts
from agents.policies.document import Policy
from agents.policies.facts import Facts
from agents.policies.principals import PERSON, Principal
from core import database
from core.errors import Forbidden, InvalidRequest
from core.recent import Recent
from core.together import Together

__all__ = ["PERSON", "PolicyDenied", "Principal", "aevaluate", "evaluate", "forget"]

NO_FACTS: Facts = {}


class PolicyDenied(AgentsError, Forbidden):
    """A resource policy denies it. Which statement does is for the trail alone (`told`)."""

    code = "policy_denied"

    def __init__(self, who: Principal, action: str, resource_arn: str, sid: str | None) -> None:
        because = (
            f"because no statement of its resource-based policy allows {action}"
            if sid is None
            else "with an explicit deny in its resource-based policy"
        )
        super().__init__(
            f"{who} is not authorized to perform: {document.ACTION_PREFIX}{action} "
            f"on resource: {resource_arn} {because}"
        )
        self.told: dict[str, str] = {"policy_of": resource_arn, "statement": sid or ""}


async def aevaluate(
    *, action: str, resources: Sequence[str], principal: Principal, facts: Facts = NO_FACTS
) -> None:
    """Return if no policy of `resources` denies `action` to `principal`. Half a second old at most.

    `facts` are what conditions may ask of this request, by `facts.of_token` or `of_user_id`; who,
    from where and when are added here.

    Raises:
        PolicyDenied: on record it is by the caller, with `told` in the detail.
        RegistryUnavailable: the policies cannot be asked for.
    """
    found = [(arn, await _policies.get(arn)) for arn in resources]
    _decide(found, action=action, principal=principal, told=facts)


def evaluate(
    *, action: str, resources: Sequence[str], principal: Principal, facts: Facts = NO_FACTS
) -> None:
    """Do the same on a thread, asking the database."""
    found = [(arn, _load(arn)) for arn in resources]
    _decide(found, action=action, principal=principal, told=facts)


def forget() -> None:
    """Drop every copy of a policy."""
    _policies.forget()


def _decide(
    found: Iterable[tuple[str, Policy | None]], *, action: str, principal: Principal, told: Facts
) -> None:
    for arn, policy in found:
        if policy is None:
            continue
        known = {**told, **facts.of_request(principal.arns, at=timezone.now())}
        about = [statement for statement in policy.statements if statement.is_about(action, arn)]
        applying = [each for each in about if each.applies(principal.names, known)]
        for statement in applying:
            if statement.denies:
                raise PolicyDenied(principal, action, arn, statement.sid)
        if any(not each.denies for each in about) and not applying:
            raise PolicyDenied(principal, action, arn, None)


def _load(resource_arn: str) -> Policy | None:
    row = ResourcePolicy.objects.filter(resource_arn=resource_arn).first()
    return _parsed(row.document) if row else None


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Policy:
    try:
        return document.parse(text)
    except InvalidRequest:
        # Kept by a release that understood more. Nobody gets past what cannot be read.
        return document.DENY_ALL


_DOCUMENTS = "SELECT resource_arn, document FROM agents_resourcepolicy WHERE resource_arn = ANY(%s)"


async def _load_all(arns: Sequence[str]) -> list[Policy | None]:
    pool = await database.pool()
    async with pool.connection() as mine:
        asked = (
            "SELECT resource_arn, document FROM agents_resourcepolicy WHERE resource_arn = ANY(%s)"
        )
        cursor = await mine.execute(asked, [list(arns)], prepare=True)
        found: dict[str, str] = dict(await cursor.fetchall())
    return [_parsed(found[arn]) if arn in found else None for arn in arns]


_policies: Recent[str, Policy | None]
_policies = Recent(Together(_load_all, apart=database.OF_ONE).get)
