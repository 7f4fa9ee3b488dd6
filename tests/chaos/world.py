"""Who is in the storm: owners, each a workload identity for a person at a provider, and a grant."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from agents import workload
from agents.keys.access_keys import access_key_create
from agents.models import WorkloadIdentity
from core import audit, oauth
from core.audit import Actor
from core.models import User
from core.secret import Secret
from core.subject import Subject
from core.wire.model import SIGNING_NAME
from tests.chaos.provider import Provider
from vault.grants import keeping
from vault.models import ConsentSession, CredentialProvider, Grant
from vault.providers.services import provider_store
from vault.standing import admitted

ACTOR = Actor("storm")
_ISSUER = "https://idp.example"
_PEOPLE, _WORKLOADS = 12, 2
PATH = "/identities/oauth2/token"


@dataclass(frozen=True)
class Owner:
    """Whose a grant is."""

    identity: WorkloadIdentity
    subject: Subject
    provider: CredentialProvider

    def __str__(self) -> str:
        return f"{self.subject.sub}/{self.identity.name}/{self.provider.name}"

    def grant(self) -> Grant:
        """Return the newest grant, in whatever state."""
        return (
            Grant.objects.select_related("provider", "workload_identity")
            .filter(
                workload_identity=self.identity,
                user_sub=self.subject.sub,
                provider=self.provider,
            )
            .latest("created_at")
        )


@dataclass(frozen=True)
class World:
    """All owners, and the key of each workload identity."""

    owners: list[Owner]
    keys: dict[int, Credentials]


def made(providers: list[Provider]) -> World:
    """Return a new world, in which everybody has consented once."""
    identities = [
        WorkloadIdentity.objects.create(
            name=f"storm-{number}-0123456789",
            allowed_return_urls=["https://agent.example/done"],
        )
        for number in range(_WORKLOADS)
    ]
    people = [
        User.objects.create(
            username=f"person-{number:02}", iss=_ISSUER, sub=f"person-{number:02}"
        ).subject
        for number in range(_PEOPLE)
    ]
    there = [_provider(provider, identities) for provider in providers]
    owners = [Owner(*one) for one in product(identities, people, there)]
    keys = {}
    for identity in identities:
        key, secret = access_key_create(label="storm", workload_identity=identity, actor=ACTOR)
        keys[identity.pk] = Credentials(key.access_key_id, secret.reveal())
    by_name = {provider.name: provider for provider in providers}
    for owner in owners:
        consent_store(owner, by_name[owner.provider.name])
    return World(owners, keys)


def _provider(provider: Provider, identities: list[WorkloadIdentity]) -> CredentialProvider:
    return provider_store(
        provider=CredentialProvider(
            name=provider.name,
            display_name=provider.name.title(),
            client_id="daiko",
            client_auth="none",
            issuer=provider.url,
            authorization_endpoint=f"{provider.url}/authorize",
            token_endpoint=f"{provider.url}/token",
            revocation_endpoint=f"{provider.url}/revoke",
            refresh_grace_s=int(provider.grace_s),
            refresh_at_once=20,
        ),
        client_secret=None,
        workloads=identities,
        actor=ACTOR,
    )


def consent_store(owner: Owner, there: Provider) -> None:
    """Store what a consent of the owner brings, and close the cards that asked for it.

    Raises:
        Forbidden: somebody is switched off.
    """
    parties = admitted(
        workload_id=owner.identity.pk, subject=owner.subject, provider=Q(pk=owner.provider.pk)
    )
    given = there.consent(str(owner))
    tokens = oauth.Tokens(
        access=Secret(given["access_token"]),
        refresh=Secret(given["refresh_token"]),
        id_token=None,
        expires_in_s=given["expires_in"],
        scope=None,
    )
    with transaction.atomic(durable=True):
        parties.hold()
        stored = keeping.grant_store(parties=parties, tokens=tokens, scopes=[])
        detail = {"grant": str(stored.pk), "generation": stored.generation}
        audit.record(audit.Event("chaos.consent", subject=owner.subject, detail=detail))
        ConsentSession.objects.filter(
            workload_identity=owner.identity, user_sub=owner.subject.sub, provider=owner.provider
        ).delete()


def signed(world: World, owner: Owner, port: int) -> tuple[dict[str, str], bytes]:
    """Return headers and body of the request by which the agent asks for its owner's token.

    It is good for five minutes, and may be sent again.
    """
    token = workload.issue(
        workload_id=owner.identity.pk,
        workload_name=owner.identity.name,
        subject=owner.subject,
        session_id=f"storm-session-{owner.subject.sub:0>24}",
    )
    body = json.dumps(
        {
            "workloadIdentityToken": token.reveal(),
            "resourceCredentialProviderName": owner.provider.name,
            "scopes": [],
            "oauth2Flow": "USER_FEDERATION",
            "resourceOauth2ReturnUrl": "https://agent.example/done",
        }
    ).encode()
    url = f"http://127.0.0.1:{port}{PATH}"
    request = AWSRequest("POST", url, {"Content-Type": "application/json"}, body)
    SigV4Auth(world.keys[owner.identity.pk], SIGNING_NAME, settings.AWS_REGION).add_auth(request)
    return dict(request.headers), body
