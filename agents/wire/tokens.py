"""Workload access tokens in the wire API (AgentCore Identity).

A key that is bound to a workload identity may be used for that one alone. Handlers say so, and not
guards, since a refusal is put on record before it is answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agents import admission, issuers, policies, snapshot, workload
from agents.arns import workload_identity_arn
from agents.authorizer import TokenRefused
from agents.errors import AgentDisabled, WorkloadDisabled, WorkloadUnknown
from agents.keys.callers import Caller
from agents.models import AgentVersion
from agents.models.registry import DEFAULT_ENDPOINT
from agents.policies import facts
from agents.policies.facts import Facts
from agents.snapshot import Workload
from agents.wire.calls import WireCall, holders_of_a_key, refuse_foreign
from core import audit
from core.secret import Secret
from core.subject import Subject
from core.wire.app import Operation, Output


@dataclass(frozen=True, slots=True)
class _For:
    """For whom a token is issued; `groups` are those by which the agent's rule let them in."""

    subject: Subject | None
    groups: frozenset[str] | None = None
    facts: Facts = field(default_factory=dict)  # what conditions of a policy may ask for
    admit: Callable[[], Awaitable[None]] | None = None  # refuses them where they may not come in
    user_token: Secret | None = None  # the JWT that says so


async def token_get(call: WireCall) -> Output:
    """Return a token with which the workload identity acts for itself alone."""

    async def nobody(_: Workload) -> _For:
        return _For(None)

    return await _issued(call, nobody)


async def token_get_for_jwt(call: WireCall) -> Output:
    """Return a token with which the workload identity acts for the person of a user token.

    Where the identity belongs to an agent that asks for tokens, the person has to be one who may
    call this agent with it.
    """
    user_token: Secret = call.input["userToken"]
    token = user_token.reveal()

    async def person(acting: Workload) -> _For:
        agent = acting.agent_id and await snapshot.deployed(acting.agent_id, DEFAULT_ENDPOINT)
        if not agent or agent.auth_mode != AgentVersion.AuthMode.JWT:
            verified = await issuers.verify(token)
            subject = verified.subject
            return _For(
                subject,
                None,
                facts.of_token(verified),
                lambda: admission.refuse_disabled(subject),
                user_token,
            )
        identified = await admission.identify(token, agent)
        return _For(
            identified.subject,
            identified.groups & agent.groups,
            facts.of_token(identified.verified),
            lambda: admission.authorize(identified, agent),
            user_token,
        )

    return await _issued(call, person)


async def token_get_for_user_id(call: WireCall) -> Output:
    """Return a token with which the workload identity acts for whom the caller names.

    The name is the caller's word. It stands in a namespace of its own, in which no person who
    signed in anywhere can be named.
    """

    async def named(_: Workload) -> _For:
        user_id = call.input["userId"]
        return _For(Subject.opaque(user_id), facts=facts.of_user_id(user_id))

    return await _issued(call, named)


OPERATIONS: list[Operation[Caller]] = [
    Operation("GetWorkloadAccessToken", token_get, guard=holders_of_a_key),
    Operation("GetWorkloadAccessTokenForJWT", token_get_for_jwt, guard=holders_of_a_key),
    Operation("GetWorkloadAccessTokenForUserId", token_get_for_user_id, guard=holders_of_a_key),
]


async def _issued(call: WireCall, found_for: Callable[[Workload], Awaitable[_For]]) -> Output:
    """Return a token for whom `found_for` finds; it is on record before it leaves.

    Raises:
        ForeignWorkload, WorkloadUnknown, WorkloadDisabled, AgentDisabled: on record as well.
        AuditUnavailable: nothing is issued.
        Whatever `found_for` raises.
    """
    name = call.input["workloadName"]
    event = audit.Event(
        "workload.token.issued",
        workload=name,
        client=call.caller.access_key_id,
        detail={"operation": call.operation},
    )
    async with audit.Attempt(event) as attempt:
        refuse_foreign(call, name)
        acting = await snapshot.workload(name)
        if acting is None:
            raise WorkloadUnknown
        attempt.learn(agent=acting.agent_id)
        if not acting.enabled:
            raise WorkloadDisabled
        if not acting.agent_enabled:
            raise AgentDisabled
        try:
            found = await found_for(acting)
        except TokenRefused as error:
            attempt.learn(subject=error.subject)
            raise
        attempt.learn(subject=found.subject)
        if found.admit is not None:
            await found.admit()
        await policies.aevaluate(
            action=call.operation,
            resources=(workload_identity_arn(name),),
            principal=call.caller.principal,
            facts=found.facts,
        )
    token = await workload.aissue(
        workload_id=acting.id,
        workload_name=acting.name,
        subject=found.subject,
        groups=found.groups,
        user_token=found.user_token,
    )
    await audit.arecord(attempt.event)
    return {"workloadAccessToken": token}
