"""A person's access, in exchange for the token with which they called the agent.

By RFC 8693 (token exchange) or RFC 7523 section 2.1 (JWT bearer grant), as the provider is set up.
Nobody is asked: the authorization server decides, and a person sees what was exchanged among their
connections. The token that they called with comes sealed inside the workload access token.

What was exchanged is kept for that one token of the person's, since another may stand for less, and
until it expires itself. A new exchange wants a token that is still good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from agents import issuers
from agents.authorizer import TokenRefused
from core import jose, oauth
from core.secret import Secret
from core.subject import Subject
from vault.asked import token_params
from vault.asked.wanted import ResourceToken, Wanted
from vault.errors import FlowNotSupported, SubjectTokenMissing, SubjectTokenRefused
from vault.flows import client_credentials, obtaining
from vault.flows.obtaining import Question
from vault.models import CredentialProvider, ObtainedToken
from vault.providers.endpoints import Endpoints, endpoints_of
from vault.standing import Parties

ON_BEHALF_OF = "ON_BEHALF_OF_TOKEN_EXCHANGE"

# RFC 8693 section 3. The first is for a token of the very server that is asked.
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  (a name)
_JWT = "urn:ietf:params:oauth:token-type:jwt"
# Entra ID has a parameter of its own, without which it takes the request for another one.
_ENTRA_HOSTS = (".microsoftonline.com", ".microsoftonline.us", ".microsoftonline.cn")


def token_get(
    *, parties: Parties, user_token: Secret | None, wanted: Wanted, client: str
) -> ResourceToken:
    """Return a token of the person for `user_token`, kept or new, once its release is on record.

    `parties` were admitted for this very request; `user_token` came with it, sealed by this site.

    Raises:
        SubjectTokenMissing: nothing came that could be exchanged.
        As `token_exchange`, `obtaining.token_get`.
    """
    if user_token is None:
        raise SubjectTokenMissing
    question = Question(ON_BEHALF_OF, parties, wanted, parties.subject, user_token)
    return obtaining.token_get(
        question,
        parties=parties,
        client=client,
        obtained=lambda: token_exchange(question, user_token),
    )


def token_exchange(question: Question, user_token: Secret) -> ObtainedToken:
    """Return a new token for `user_token`, or that of whoever exchanged it at this moment.

    Raises:
        FlowNotSupported: the provider is not set up for it.
        SubjectTokenRefused: the person's token is not good any more, here or for the provider.
        ProviderUnavailable, ProviderMetadataWrong: the provider cannot be asked now.
        As `obtaining.obtain`, also for the actor's token.
    """
    provider = question.parties.provider
    if not provider.obo_grant_type:
        raise FlowNotSupported(
            f"The credential provider {provider.name!r} is not set up for {ON_BEHALF_OF}. Choose "
            "the grant of its on-behalf-of exchange."
        )
    _check_still_good(user_token, question.parties.subject)
    # Whatever may fail before the request leaves is done before it is marked as under way.
    client, endpoints = provider.client(), endpoints_of(provider)
    if provider.obo_client_auth == CredentialProvider.OboAuthentication.NO_CLIENT:
        client = replace(client, secret=None, assertion=None, auth="none")
    form = token_params.form_for(_grant(question, user_token, endpoints), wanted=question.wanted)
    try:
        return obtaining.obtain(
            question, ask=lambda: oauth.token_request(endpoints.token, client=client, form=form)
        )
    except oauth.GrantRejected as exc:
        # Asking again would not help, as the API has it for a failure of the provider.
        raise SubjectTokenRefused.there(exc) from exc


def _check_still_good(user_token: Secret, person: Subject) -> None:
    """Refuse a token that nobody would take any more; it was verified when it was sealed."""
    try:
        verified = issuers.verify_sync(user_token.reveal())
    except TokenRefused as exc:
        raise SubjectTokenRefused.here(exc.code) from exc
    if verified.subject != person:
        raise SubjectTokenRefused.here("another person's")


def _grant(question: Question, user_token: Secret, endpoints: Endpoints) -> Mapping[str, str]:
    """Return what the request is made by the right of."""
    provider = question.parties.provider
    if provider.obo_grant_type == CredentialProvider.OboGrantType.JWT_AUTHORIZATION_GRANT:
        grant = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": user_token.reveal(),
        }
        if (urlsplit(endpoints.token).hostname or "").endswith(_ENTRA_HOSTS):
            grant |= {"requested_token_use": "on_behalf_of"}
        return grant
    is_its_own = jose.parse(user_token.reveal()).claims.get("iss") == endpoints.issuer
    grant = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": user_token.reveal(),
        "subject_token_type": _ACCESS_TOKEN if is_its_own else _JWT,
    }
    if provider.obo_actor == CredentialProvider.OboActor.M2M:
        grant["actor_token"] = _actor_token(question).reveal()
        grant["actor_token_type"] = _ACCESS_TOKEN
    return grant


def _actor_token(question: Question) -> Secret:
    """Return the workload identity's own token there, which says who acts for the person.

    It goes back to the server that issued it and to nobody else.
    """
    wanted = Wanted(
        scopes=tuple(sorted(set(question.parties.provider.obo_actor_scopes))),
        return_url=None,
        custom_state=None,
        custom_parameters={},
        resources=(),
        forced=False,
    )
    own = client_credentials.question_of(
        parties=question.parties, person=question.person, wanted=wanted
    )
    row = obtaining.kept(own) or client_credentials.token_obtain(own)
    return row.access_token()
