"""What is in the identity provider from its first start on."""

from __future__ import annotations

from allauth.idp.oidc.models import Client
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import transaction

from demo.idp import environment
from demo.idp.claims import SCOPES
from demo.idp.models import User
from demo.idp.roster import PEOPLE
from demo.sitekit.hashers import GeneratedSecretHasher


@transaction.atomic
def people_seed() -> None:
    """Put the three people in, or bring them up to date. Their `sub` is kept."""
    for person in PEOPLE:
        user, _ = User.objects.update_or_create(
            username=person.username,
            defaults={
                "first_name": person.first_name,
                "last_name": person.last_name,
                "is_active": True,
            },
        )
        user.groups.set([Group.objects.get_or_create(name=name)[0] for name in person.groups])
        if not user.check_password(environment.PASSWORDS[person.username]):
            user.set_password(environment.PASSWORDS[person.username])
            user.save(update_fields=["password"])


@transaction.atomic
def clients_seed() -> None:
    """Register the site, and a person's own program if there is one; forget every other client."""
    known = [environment.CLIENT_ID, environment.PROGRAM_CLIENT_ID]
    Client.objects.exclude(pk__in=known).delete()
    site = _client(environment.CLIENT_ID, "Daiko", environment.REDIRECT_URIS)
    site.type = Client.Type.CONFIDENTIAL
    site.set_post_logout_redirect_uris(environment.POST_LOGOUT_URIS)
    if not site.check_secret(environment.CLIENT_SECRET):
        site.secret = make_password(
            environment.CLIENT_SECRET, hasher=GeneratedSecretHasher.algorithm
        )
    site.save()
    if environment.PROGRAM_CLIENT_ID:
        program = _client(
            environment.PROGRAM_CLIENT_ID, "Daiko's agents", environment.PROGRAM_REDIRECT_URIS
        )
        program.type = Client.Type.PUBLIC
        program.save()


def _client(client_id: str, name: str, redirect_uris: list[str]) -> Client:
    client = Client.objects.filter(pk=client_id).first() or Client(pk=client_id)
    client.name = name
    client.skip_consent = True  # it is the same organisation's own
    client.set_scopes(list(SCOPES))
    client.set_default_scopes(["openid"])
    client.set_grant_types(["authorization_code", "refresh_token"])
    client.set_response_types(["code"])
    client.set_redirect_uris(redirect_uris)
    return client
