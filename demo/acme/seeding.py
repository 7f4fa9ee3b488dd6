"""What is at Acme from its first start on."""

from __future__ import annotations

from django.contrib.auth.hashers import make_password
from django.db import transaction

from demo.acme import environment
from demo.acme.models import Account, Client
from demo.acme.roster import ACCOUNTS
from demo.acme.scopes import SCOPES
from demo.sitekit.hashers import GeneratedSecretHasher


@transaction.atomic
def accounts_seed() -> None:
    """Put the accounts in, or bring them up to date."""
    for data in ACCOUNTS:
        account, _ = Account.objects.update_or_create(
            email=data.email, defaults={"name": data.name, "is_active": True}
        )
        if not account.check_password(environment.PASSWORDS[data.email]):
            account.set_password(environment.PASSWORDS[data.email])
            account.save(update_fields=["password"])


@transaction.atomic
def client_seed() -> None:
    """Register the one client of this site and forget every other, with what it was allowed."""
    Client.objects.exclude(client_id=environment.CLIENT_ID).delete()
    client = Client.objects.filter(client_id=environment.CLIENT_ID).first() or Client(
        client_id=environment.CLIENT_ID
    )
    client.name = "Daiko"
    client.redirect_uris = environment.REDIRECT_URIS
    client.scopes = list(SCOPES)
    if not client.check_client_secret(environment.CLIENT_SECRET):
        client.secret_hash = make_password(
            environment.CLIENT_SECRET, hasher=GeneratedSecretHasher.algorithm
        )
    client.save()
