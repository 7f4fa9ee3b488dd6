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
def client_seed() -> None:
    """Register the one client of this site and forget every other."""
    Client.objects.exclude(pk=environment.CLIENT_ID).delete()
    client = Client.objects.filter(pk=environment.CLIENT_ID).first() or Client(
        pk=environment.CLIENT_ID
    )
    client.name = "Daiko"
    client.type = Client.Type.CONFIDENTIAL
    client.skip_consent = True  # it is the same organisation's own site
    client.set_scopes(list(SCOPES))
    client.set_default_scopes(["openid"])
    client.set_grant_types(["authorization_code", "refresh_token"])
    client.set_response_types(["code"])
    client.set_redirect_uris(environment.REDIRECT_URIS)
    client.set_post_logout_redirect_uris(environment.POST_LOGOUT_URIS)
    if not client.check_secret(environment.CLIENT_SECRET):
        client.secret = make_password(
            environment.CLIENT_SECRET, hasher=GeneratedSecretHasher.algorithm
        )
    client.save()
