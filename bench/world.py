"""Who reads in the bench: one agent, open to one group, and a table of grants, sealed for real."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from django.contrib.auth.models import Group

from agents.access_keys import access_key_create
from agents.models import Agent, WorkloadIdentity
from core.audit import Actor
from core.crypto import seal
from core.secret import Secret
from core.subject import Subject
from vault.models import CredentialProvider, Grant
from vault.providers.services import provider_store

ISSUER = "https://issuer.invalid"
GROUP = "readers"
SCOPES = ["calendar.read", "contacts.read"]
_ACTOR = Actor("bench")
_FIELDS = Grant._meta.concrete_fields
_PEOPLE = """
    INSERT INTO core_user
        (password, is_superuser, username, first_name, last_name, email, is_staff, is_active,
         date_joined, iss, sub, name)
    SELECT '', false, 'u-' || user_sub, '', '', '', false, true, granted_at, user_iss, user_sub, ''
    FROM vault_grant ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class World:
    """The agent, its key, and where it reads tokens."""

    identity: WorkloadIdentity
    provider: CredentialProvider
    access_key_id: str
    secret_access_key: Secret


def person(number: int) -> Subject:
    """Return the person who has the grant of this number."""
    return Subject(ISSUER, f"person-{number:08}")


def made() -> World:
    """Return a new world without a grant."""
    identity = WorkloadIdentity.objects.create(name="bench-agent")
    agent = Agent.objects.create(
        agent_id="bench-agent", name="bench", display_name="Bench", workload_identity=identity
    )
    agent.allowed_groups.add(Group.objects.create(name=GROUP))
    provider = provider_store(
        provider=CredentialProvider(
            name="bench",
            display_name="Bench",
            client_id="bench",
            client_auth="none",
            issuer=ISSUER,
            authorization_endpoint=f"{ISSUER}/authorize",
            token_endpoint=f"{ISSUER}/token",
        ),
        client_secret=None,
        workloads=[identity],
        actor=_ACTOR,
    )
    key, secret = access_key_create(label="bench", workload_identity=identity, actor=_ACTOR)
    return World(identity, provider, key.access_key_id, secret)


def fill(world: World, *, up_to: int) -> None:
    """Bring the table to `up_to` grants, each of another person who has signed in once."""
    there = Grant.objects.count()
    listed = ", ".join(field.get_attname() for field in _FIELDS)
    # A connection of its own: sealing may ask the database for its key meanwhile.
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as own:
        with own.cursor().copy(f"COPY vault_grant ({listed}) FROM STDIN") as copy:
            for row in _rows(world, range(there, up_to)):
                copy.write_row(row)
        own.execute(_PEOPLE)
        own.execute("VACUUM (ANALYZE) vault_grant, core_user")


def _rows(world: World, numbers: Iterable[int]) -> Iterator[tuple[object, ...]]:
    now = datetime.now(UTC)
    expires = now + timedelta(hours=12)
    for number in numbers:
        subject = person(number)
        grant = Grant(
            workload_identity_id=world.identity.pk,
            provider_id=world.provider.pk,
            user_iss=subject.iss,
            user_sub=subject.sub,
            scopes=SCOPES,
            access_expires_at=expires,
            next_refresh_at=expires - timedelta(minutes=10),
            created_at=now,
            granted_at=now,
        )
        for column in ("access_sealed", "refresh_sealed"):
            sealed = seal(secrets.token_urlsafe(48), bound_to=grant.binding(column))
            setattr(grant, column, sealed)
        yield tuple(getattr(grant, field.attname) for field in _FIELDS)
