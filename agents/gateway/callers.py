"""Who calls an agent, proved: a person by their token, or a process by its access key.

Either may come through another agent, which shows the token that it was called with; see `chain`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from django_stubs_ext import StrOrPromise

from agents import admission, policies
from agents.errors import AuthModeMismatch
from agents.gateway import chain, signed
from agents.gateway.chain import DIRECTLY, Came
from agents.gateway.messages import Inbound
from agents.gateway.upstream import Body
from agents.keys.operations import INVOKE, INVOKE_FOR_USER
from agents.models.registry import AgentVersion
from agents.policies import NO_FACTS, Principal, facts, principals
from agents.policies.facts import Facts
from agents.sessions.owners import owner_of
from agents.snapshot import Deployed
from agents.workload import VerifiedWorkload
from core import reference
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
    came: Came = DIRECTLY
    key_of: str | None = None  # the workload identity whose key signed; None: no such key did

    @property
    def owner(self) -> Subject:
        """Return whose the runtime sessions of the call are."""
        return owner_of(self.subject, workload_name=self.key_of)

    @property
    def is_operator(self) -> bool:
        """Say whether an operator calls, and in nobody's name."""
        return self.subject is None and self.key_of is None


async def admitted(
    inbound: Inbound,
    deployed: Deployed,
    *,
    body: Body,
    held: AsyncExitStack,
    learn: Learn,
    operation: str = INVOKE,
) -> tuple[Caller, Body]:
    """Return who calls, and the request's body to be sent on, once they may do `operation`.

    They proved themselves in the way that the agent's version asks for, the agent is switched on,
    and no policy denies it. `learn` is told who it is before they are refused.

    Raises:
        AppError: by whatever refuses.
    """
    if _is_signed(inbound, deployed):
        return await _by_signature(
            inbound, deployed, body=body, held=held, learn=learn, operation=operation
        )
    caller = await _by_token(inbound, deployed, held=held, learn=learn, operation=operation)
    return caller, body


async def _by_token(
    inbound: Inbound, deployed: Deployed, *, held: AsyncExitStack, learn: Learn, operation: str
) -> Caller:
    token = _bearer_token(inbound)
    person = await admission.identify(token, deployed)
    client = person.verified.client_id
    learn(subject=person.subject, client=client)
    await admission.authorize(person, deployed)
    known = facts.of_token(person.verified)
    by, came = await chain.shown(inbound), DIRECTLY
    if by is not None:
        if by.subject != person.subject:
            raise chain.CallerTokenOfAnother
        came = await _through(by, deployed, held=held)
        # Here the token alone says which agent calls: whoever else has both could call without it.
        agent = principals.of_workload(by.workload_name)
        await refuse_denied(deployed, agent, actions=[operation], known=known)
    await refuse_denied(deployed, policies.PERSON, actions=[operation], known=known)
    return Caller(
        subject=person.subject,
        client=client,
        name=person.name,
        groups=person.groups,
        admitted_by=person.groups & deployed.groups,
        user_token=Secret(token),
        came=came,
    )


async def _by_signature(
    inbound: Inbound,
    deployed: Deployed,
    *,
    body: Body,
    held: AsyncExitStack,
    learn: Learn,
    operation: str,
) -> tuple[Caller, Body]:
    """Return who signed; for whom an operator calls is the operator's word, and opaque.

    For whom an agent's process calls is said by the token that this site gave it, and by no more.
    """
    call = await signed.verified(inbound, body=aiter(body), held=held)
    learn(client=call.caller.access_key_id)
    call.caller.refuse_other(operation)
    user_id = signed.user_id(inbound, call)
    by = await chain.shown(inbound)
    if by is not None:
        caller = await _on_behalf(by, call, deployed, held=held, learn=learn)
    else:
        subject = Subject.opaque(user_id) if user_id else None
        learn(subject=subject)
        own = call.caller.workload_name
        came = DIRECTLY if own is None else await chain.for_itself(own)
        caller = Caller(subject, call.caller.access_key_id, came=came, key_of=own)
    admission.refuse_switched_off(deployed)
    known, actions = NO_FACTS, [operation]
    if caller.subject is not None:
        # A call in the name of a user is two things, each of which has to be allowed, as at AWS.
        known, actions = facts.of_subject(caller.subject), [operation, INVOKE_FOR_USER]
    await refuse_denied(deployed, call.caller.principal, actions=actions, known=known)
    await call.signature.spend()
    return caller, Body(call.body, length=call.size)


async def _on_behalf(
    by: VerifiedWorkload,
    call: signed.Signed,
    deployed: Deployed,
    *,
    held: AsyncExitStack,
    learn: Learn,
) -> Caller:
    """Return the agent whose key signed, calling for whom its token stands for.

    Raises:
        CallerTokenForeign: the token is not the key's: whoever shows it may have found it.
        NotForAUser, PersonOfCallerNotAdmitted, and whatever `chain.through` raises.
    """
    learn(subject=by.subject)
    if call.caller.workload_name != by.workload_name:
        raise chain.CallerTokenForeign(by.workload_name)
    chain.refuse_word(by)
    came = await _through(by, deployed, held=held)
    client = call.caller.access_key_id
    if by.subject is None:
        return Caller(None, client, came=came, key_of=by.workload_name)
    name, groups = await chain.person(by.subject, deployed)
    return Caller(by.subject, client, name, groups, groups & deployed.groups, came=came)


async def _through(by: VerifiedWorkload, deployed: Deployed, *, held: AsyncExitStack) -> Came:
    """Return what `chain.through` does; whatever is recorded from now on names the chain."""
    names = tuple(link.name for link in by.actors)
    held.enter_context(reference.during(by.invocation, names))
    return await chain.through(by, deployed)


async def refuse_denied(
    deployed: Deployed, principal: Principal, *, actions: list[str], known: Facts
) -> None:
    """Raise PolicyDenied where a policy of the agent or of its endpoint denies the call."""
    for action in actions:
        await policies.aevaluate(
            action=action, resources=deployed.arns, principal=principal, facts=known
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
