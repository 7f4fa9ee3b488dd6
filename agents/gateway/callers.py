"""Who calls an agent, proved: a person by their token, or a process by its access key."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from django_stubs_ext import StrOrPromise

from agents import admission, policies
from agents.arns import endpoint_arn, runtime_arn
from agents.errors import AuthModeMismatch
from agents.gateway import signed
from agents.gateway.messages import Inbound
from agents.gateway.upstream import Body
from agents.keys.operations import INVOKE, INVOKE_FOR_USER
from agents.models.registry import AgentVersion
from agents.policies import NO_FACTS, Principal, facts
from agents.snapshot import Deployed
from core.errors import Forbidden, Unauthorized
from core.secret import Secret
from core.subject import Subject

# Adds columns to the record of the call, as soon as they are known.
Learn = Callable[..., None]


class MissingToken(Unauthorized):
    """There is no bearer token."""

    code = "missing_token"
    message: StrOrPromise = "Missing Authentication Token"


class MissingSignature(Forbidden):
    """There are no credentials at all. No challenge: there is none for SigV4."""

    code = "missing_signature"
    message: StrOrPromise = "Missing Authentication Token"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and may. Only `admitted` makes one."""

    subject: Subject | None
    client: str
    name: str = ""
    groups: frozenset[str] = frozenset()
    admitted_by: frozenset[str] | None = None  # the groups that count here; None: by no rule
    user_token: Secret | None = None  # a person's own, verified


async def admitted(
    inbound: Inbound, deployed: Deployed, *, body: Body, held: AsyncExitStack, learn: Learn
) -> tuple[Caller, Body]:
    """Return who calls, and the request's body to be sent on, once they may call the agent.

    They proved themselves in the way that the agent's version asks for, the agent is switched on,
    and no policy denies it. `learn` is told who it is before they are refused.

    Raises:
        AppError: by whatever refuses.
    """
    if _is_signed(inbound, deployed):
        return await _by_signature(inbound, deployed, body=body, held=held, learn=learn)
    return await _by_token(inbound, deployed, learn=learn), body


async def _by_token(inbound: Inbound, deployed: Deployed, *, learn: Learn) -> Caller:
    token = _bearer_token(inbound)
    person = await admission.identify(token, deployed)
    client = person.verified.client_id
    learn(subject=person.subject, client=client)
    await admission.authorize(person, deployed)
    await _refuse_denied(deployed, policies.PERSON, person=person)
    counting = person.groups & deployed.groups
    return Caller(person.subject, client, person.name, person.groups, counting, Secret(token))


async def _by_signature(
    inbound: Inbound, deployed: Deployed, *, body: Body, held: AsyncExitStack, learn: Learn
) -> tuple[Caller, Body]:
    """Return who signed; for whom an operator calls is the operator's word, and opaque."""
    call = await signed.verified(inbound, body=aiter(body), held=held)
    learn(client=call.caller.access_key_id)
    call.caller.refuse_other(INVOKE)
    user_id = signed.user_id(inbound, call)
    subject = Subject.opaque(user_id) if user_id else None
    learn(subject=subject)
    admission.refuse_switched_off(deployed)
    await _refuse_denied(deployed, call.caller.principal, user_id=user_id)
    await call.signature.spend()
    return Caller(subject, call.caller.access_key_id), Body(call.body, length=call.size)


async def _refuse_denied(
    deployed: Deployed,
    principal: Principal,
    *,
    person: admission.Person | None = None,
    user_id: str | None = None,
) -> None:
    """Raise PolicyDenied where a policy of the agent or of its endpoint denies the call.

    A call in the name of a user is two things, each of which has to be allowed, as at AWS.
    """
    known = facts.of_token(person.verified) if person else NO_FACTS
    actions = [INVOKE]
    if user_id is not None:
        known = facts.of_user_id(user_id)
        actions.append(INVOKE_FOR_USER)
    resources = (
        runtime_arn(deployed.agent_id),
        endpoint_arn(deployed.agent_id, deployed.endpoint),
    )
    for action in actions:
        await policies.aevaluate(
            action=action, resources=resources, principal=principal, facts=known
        )


def _is_signed(inbound: Inbound, deployed: Deployed) -> bool:
    """Say whether the call is signed with an access key, as the agent's version has to ask for.

    Raises:
        AuthModeMismatch: the version asks for the other way.
        MissingSignature: it asks for a signature and there are no credentials.
    """
    credentials = inbound.header("authorization")
    presigned = "x-amz-signature=" in inbound.query.lower()
    is_signed = presigned or (credentials or "").startswith("AWS4-")
    if deployed.auth_mode == AgentVersion.AuthMode.JWT:
        if is_signed:
            raise AuthModeMismatch
        return False
    if not is_signed:
        raise MissingSignature if credentials is None else AuthModeMismatch
    return True


def _bearer_token(inbound: Inbound) -> str:
    """Return the bearer token (RFC 6750 section 2.1), unverified. Raises MissingToken."""
    scheme, _, token = (inbound.header("authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise MissingToken
    return token.strip()
