"""The vault's operations of the wire API (AgentCore Identity, data plane)."""

from __future__ import annotations

from typing import Any

from agents import issuers, policies
from agents.keys.callers import Caller
from agents.policies import facts
from agents.policies.facts import Facts
from agents.wire.calls import WireCall, holders_of_a_key
from core import audit
from core.subject import Subject
from core.wire.app import Operation, Output
from vault.asked import scopes
from vault.asked.wanted import Wanted, resources_of
from vault.errors import SessionUnknown
from vault.flows import consent, sessions
from vault.resources import of_oauth2_provider
from vault.token_read import Waiting, live_token, token_read


def get_resource_oauth2_token(call: WireCall) -> Output:
    """Return an access token for a resource, or where to send the person who has to consent.

    Raises:
        InvalidRequest: a scope or a resource indicator is none.
        As `token_read`.
    """
    answer = token_read(**_question(call), session_uri=call.input.get("sessionUri"))
    if isinstance(answer, Waiting):
        return {
            "authorizationUrl": answer.authorization_url,
            "sessionUri": answer.session_uri,
            "sessionStatus": "IN_PROGRESS",
        }
    return {"accessToken": answer.access}


async def live_oauth2_token(call: WireCall) -> Output | None:
    """Return the token of a live grant, or None where there is more to do than to hand it out.

    Raises:
        InvalidRequest: a scope or a resource indicator is none.
        As `live_token`.
    """
    if "sessionUri" in call.input:
        return None
    answer = await live_token(**_question(call))
    return None if answer is None else {"accessToken": answer.access}


def _question(call: WireCall) -> dict[str, Any]:
    """Return what is asked for, by the words of `token_read`."""
    asked = call.input
    return {
        "caller": call.caller,
        "unverified_token": asked["workloadIdentityToken"],
        "flow": asked["oauth2Flow"],
        "provider_name": asked["resourceCredentialProviderName"],
        "wanted": Wanted(
            scopes=tuple(scopes.parsed(asked["scopes"])),
            return_url=asked.get("resourceOauth2ReturnUrl"),
            custom_state=asked.get("customState"),
            custom_parameters=asked.get("customParameters", {}),
            resources=resources_of(asked.get("resources", ())),
            audiences=tuple(sorted(set(asked.get("audiences", ())))),
            forced=asked.get("forceAuthentication", False),
        ),
    }


def complete_resource_token_auth(call: WireCall) -> Output:
    """Say, for the page that a consent returned to, who the person at that page is.

    Raises:
        SessionUnknown: there is no such session, or not for this key.
        TokenRefused: the user token is not a good one of an issuer that this site trusts.
        PolicyDenied: the provider's policy, or the vault's, denies it.
        As `consent.complete`.
    """
    client = call.caller.access_key_id
    with audit.Attempt(audit.Event("vault.consent.refused", client=client)):
        session = sessions.by_uri(call.input["sessionUri"])
        if not call.caller.may_act_as(session.workload_identity.name):
            raise SessionUnknown(detail="it is another workload identity's")
        subject, known = _named_by(call.input["userIdentifier"])
        policies.evaluate(
            action=call.operation,
            resources=of_oauth2_provider(session.provider.name),
            principal=call.caller.principal,
            facts=known,
        )
    consent.complete(session=session, subject=subject, client=client)
    return {}


def _named_by(identifier: dict[str, Any]) -> tuple[Subject, Facts]:
    """Return the person whom a `userIdentifier` names: by a token of theirs, or by an opaque id.

    Any good token of the same `(iss, sub)` will do, not only the one that the agent's came from.
    """
    if "userToken" in identifier:
        verified = issuers.verify_sync(identifier["userToken"].reveal())
        return verified.subject, facts.of_token(verified)
    user_id = identifier["userId"]
    return Subject.opaque(user_id), facts.of_user_id(user_id)


OPERATIONS: list[Operation[Caller]] = [
    Operation(
        "GetResourceOauth2Token",
        get_resource_oauth2_token,
        guard=holders_of_a_key,
        quick=live_oauth2_token,
    ),
    Operation("CompleteResourceTokenAuth", complete_resource_token_auth, guard=holders_of_a_key),
]
