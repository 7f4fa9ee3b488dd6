"""A workload identity's own access (the wire API's M2M flow; RFC 6749 section 4.4).

The token is bound to the workload identity and is never a person's. It may be asked for with a
workload access token of a person all the same, as in the middle of a conversation: then this person
must be one for whom the agent may act, and the record names them, but everybody's conversations
share the one token.
"""

from __future__ import annotations

from dataclasses import replace

from core import oauth
from core.subject import Subject
from vault.asked import token_params
from vault.asked.wanted import ResourceToken, Wanted
from vault.errors import FlowNotSupported
from vault.flows import obtaining
from vault.flows.obtaining import Question
from vault.models import ObtainedToken
from vault.providers.endpoints import endpoints_of
from vault.standing import Parties

M2M = "M2M"


def token_get(
    *, parties: Parties, person: Subject | None, wanted: Wanted, client: str
) -> ResourceToken:
    """Return the workload identity's own token, kept or new, once its release is on record.

    `parties` were admitted for this very request; `person` is who the agent was called for, if
    anybody.

    Raises:
        As `token_obtain`, `obtaining.token_get`.
    """
    question = question_of(parties=parties, person=person, wanted=wanted)
    return obtaining.token_get(
        question, parties=parties, client=client, obtained=lambda: token_obtain(question)
    )


def question_of(*, parties: Parties, person: Subject | None, wanted: Wanted) -> Question:
    """Return the question whose answer is the workload identity's own."""
    own = replace(parties, subject=Subject.of_workload(parties.workload.name))
    return Question(M2M, own, wanted, person)


def token_obtain(question: Question) -> ObtainedToken:
    """Return a new token for client credentials, or that of whoever asked for it at this moment.

    Raises:
        FlowNotSupported: this site has no credentials there.
        ProviderUnavailable, ProviderMetadataWrong: the provider cannot be asked now.
        As `obtaining.obtain`.
    """
    provider = question.parties.provider
    # Whatever may fail before the request leaves is done before it is marked as under way.
    client, endpoint = provider.client(), endpoints_of(provider).token
    if client.auth == "none":
        raise FlowNotSupported(
            f"{M2M} needs client credentials, and {provider.name!r} is set up as a public client. "
            "Give the credential provider a client authentication."
        )
    form = token_params.form_for({"grant_type": "client_credentials"}, wanted=question.wanted)
    return obtaining.obtain(
        question, ask=lambda: oauth.token_request(endpoint, client=client, form=form)
    )
