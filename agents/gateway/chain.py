"""An agent that calls another one: for whom, through whom, and whether it may.

The caller shows the workload access token that it was called with itself. It says for whom it acts
and through whom it was called; the token that the called agent gets says the same, and names the
caller besides. So a chain is never longer than what this site has seen, nor made up by anybody.
"""

from __future__ import annotations

from dataclasses import dataclass

from django_stubs_ext import StrOrPromise

from agents import admission, snapshot, workload
from agents.errors import AgentsError, ChainBroken, PersonNotAdmitted, WorkloadTokenInvalid
from agents.gateway.messages import Inbound
from agents.gateway.signed import NotForAUser
from agents.models.registry import DEFAULT_ENDPOINT
from agents.snapshot import Deployed, Workload
from agents.workload import Chain, Link, VerifiedWorkload
from core import database
from core.errors import Forbidden
from core.subject import OPAQUE_ISSUER, Subject

HEADER = "x-amz-bedrock-agentcore-identity-wat"
# How many agents there may be before the one that is called. Agents that call each other in a
# circle end here: a longer chain than this is a mistake rather than a plan.
MAX_CALLERS = 5


class CallerTokenInvalid(AgentsError, Forbidden):
    """What came as the caller's workload access token is none. No 401: nothing to sign in to."""

    code = "caller_token_invalid"
    message: StrOrPromise = (
        "The value of X-Amz-Bedrock-AgentCore-Identity-WAT is no workload access token of this "
        "site, or its time is over. Send the one that the agent was called with, or none."
    )


class CallerTokenForeign(AgentsError, Forbidden):
    """The token is another workload identity's than the key that signed: it may be stolen."""

    code = "caller_token_foreign"
    message: StrOrPromise = (
        "The workload access token in X-Amz-Bedrock-AgentCore-Identity-WAT belongs to another "
        "workload identity than the access key that signed this call. An operator's key has none: "
        "sign with the calling agent's own key."
    )

    def __init__(self, token_of: str) -> None:
        super().__init__()
        self.told = {"token_of": token_of}


class CallerTokenOfAnother(AgentsError, Forbidden):
    """Bearer token and workload access token stand for two different persons."""

    code = "caller_token_of_another"
    message: StrOrPromise = (
        "The bearer token and the workload access token in X-Amz-Bedrock-AgentCore-Identity-WAT "
        "stand for different persons."
    )


class CallerNotListed(AgentsError, Forbidden):
    """The agent's version does not list the workload identity that calls."""

    code = "caller_not_listed"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The workload identity {name} may not call this agent on behalf of others. To allow "
            f"it, add {name} to those that may call it for people, on the agent's page or in "
            "allowedWorkloadConfiguration.workloadIdentities."
        )


class PersonOfCallerNotAdmitted(AgentsError, Forbidden):
    """The agent is not for the person on whose behalf another one calls it."""

    code = "person_of_caller_not_admitted"
    message: StrOrPromise = "This agent is not for the person on whose behalf it is called."


class PersonOfCallerUnknown(PersonOfCallerNotAdmitted):
    """The agent is for groups, and the person never signed in here, so that none are known."""

    code = "person_of_caller_unknown"
    message: StrOrPromise = (
        "This agent is not for the person on whose behalf it is called: they never signed in at "
        "this site, so that none of their groups are known. Let them sign in here once."
    )


class ChainTooLong(AgentsError, Forbidden):
    """Agents have called agents for long enough."""

    code = "chain_too_long"
    message: StrOrPromise = (
        f"Agents may call agents through at most {MAX_CALLERS} of them. This call would come "
        "through more, which is mostly a circle."
    )


@dataclass(frozen=True, slots=True)
class Came:
    """How a call came to an agent through others: what the token made for it says of that."""

    chain: Chain = ()
    # Of the first call, by the caller's token; None: the called agent's own count.
    session_id: str | None = None
    invocation: str = ""
    expires_by: int | None = None


DIRECTLY = Came()


async def shown(inbound: Inbound) -> VerifiedWorkload | None:
    """Return what the workload access token says that came along; None: none came.

    Raises:
        CallerTokenInvalid: what came is no token of this site, or expired.
    """
    given = inbound.header(HEADER)
    if given is None:
        return None
    try:
        return await database.here_or_on_thread(workload.read, given)
    except WorkloadTokenInvalid as exc:
        raise CallerTokenInvalid(detail=exc.detail) from None


async def through(by: VerifiedWorkload, deployed: Deployed) -> Came:
    """Return how a call comes through the holder of token `by`, who may make it.

    Everybody before it is switched on still, and the person may use the agent that passes them on.

    Raises:
        ChainBroken, PersonDisabled, PersonNotAdmitted: somebody or something is switched off.
        CallerNotListed: the agent's version does not name the caller.
        ChainTooLong: there are too many before it.
    """
    await _refuse_broken(by)
    if by.workload_name not in deployed.allowed_workloads:
        raise CallerNotListed(by.workload_name)
    if len(by.actors) > MAX_CALLERS:
        raise ChainTooLong
    return Came(by.actors, by.session_id, by.invocation, by.expires_at)


async def for_itself(workload_name: str) -> Came:
    """Return how a call comes that an agent's process makes for nobody, showing no token.

    Raises:
        ChainBroken: the agent is switched off, and calls nobody.
    """
    acting = await _standing(workload_name)
    return Came((Link(acting.id, acting.name),))


async def _refuse_broken(by: VerifiedWorkload) -> None:
    """Refuse a token if anybody whom it names may not act any more.

    That is the holder, everybody through whom it was called, and the person. The holder's agent has
    to be one for the person still, if its rule let them in.
    """
    for link in by.actors:
        acting = await _standing(link.name)
        if acting.id != link.workload_id:
            raise ChainBroken(detail=f"{link.name} is another one by now")
    if by.subject is None:
        return
    await admission.refuse_disabled(by.subject)
    holder = await _standing(by.workload_name)
    agent = await snapshot.deployed(holder.agent_id, DEFAULT_ENDPOINT) if holder.agent_id else None
    if agent and by.groups is not None and not agent.is_for(by.subject, by.groups):
        raise PersonNotAdmitted


async def _standing(workload_name: str) -> Workload:
    """Return a workload identity that is switched on, as its agent is. Raises ChainBroken."""
    acting = await snapshot.workload(workload_name)
    if acting is None:
        raise ChainBroken(detail=f"{workload_name} is gone")
    if not (acting.enabled and acting.agent_enabled):
        raise ChainBroken(detail=f"{workload_name} is switched off")
    return acting


def refuse_word(by: VerifiedWorkload) -> None:
    """Raise NotForAUser where the caller itself may have said for whom it acts.

    An operator may name a user when it calls an agent, and an agent of its own key may not. A token
    that was got by naming one, and not by being called, does not say whose word that was.
    """
    if by.subject is not None and by.subject.iss == OPAQUE_ISSUER and not by.invocation:
        raise NotForAUser(detail="the workload access token names a user by the caller's word")


async def person(subject: Subject, deployed: Deployed) -> tuple[str, frozenset[str]]:
    """Return the name and the groups of whom an agent is called for, if the agent is for them.

    Groups are those of the last sign-in here: what the caller's token knows are the groups that
    counted for another agent, up to an hour ago.

    Raises:
        PersonOfCallerUnknown: it is not, and they never signed in here.
        PersonOfCallerNotAdmitted: it is not.
    """
    known = await snapshot.person(subject)
    groups = known.groups if known else frozenset()
    if not deployed.is_for(subject, groups):
        if known is None and subject.iss != OPAQUE_ISSUER:
            raise PersonOfCallerUnknown
        raise PersonOfCallerNotAdmitted
    return known.name if known else "", groups
