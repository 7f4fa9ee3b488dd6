"""Who reads in the bench: one agent, open to one group, and a table of grants, sealed for real."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import Group
from django.db import connection

from agents.access_keys import access_key_create
from agents.models import Agent, WorkloadIdentity
from core.audit import Actor
from core.crypto import seal
from core.secret import Secret
from core.subject import Subject
from vault.models import CredentialProvider, Grant
from vault.providers import provider_store

ISSUER = "https://issuer.invalid"
GROUP = "readers"
SCOPES = ["calendar.read", "contacts.read"]
_ACTOR = Actor("bench")
_COLUMNS = (
    "id", "workload_identity_id", "provider_id", "user_iss", "user_sub", "scopes", "state",
    "access_sealed", "refresh_sealed", "access_expires_at", "next_refresh_at", "generation",
    "spending_retried", "failures", "last_failure", "created_at", "granted_at",
    "last_used_session",
)  # fmt: skip
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
    with connection.cursor() as cursor:
        listed = ", ".join(_COLUMNS)
        with cursor.copy(f"COPY vault_grant ({listed}) FROM STDIN") as copy:
            for row in _rows(world, range(there, up_to)):
                copy.write_row(row)
        cursor.execute(_PEOPLE)
        cursor.execute("VACUUM (ANALYZE) vault_grant, core_user")


def _rows(world: World, numbers: Iterable[int]) -> Iterator[tuple[object, ...]]:
    now = datetime.now(UTC)
    expires = now + timedelta(hours=12)
    for number in numbers:
        subject = person(number)
        grant = Grant(
            id=uuid.uuid4(),
            workload_identity_id=world.identity.pk,
            provider_id=world.provider.pk,
            user_iss=subject.iss,
            user_sub=subject.sub,
        )
        sealed = (
            seal(secrets.token_urlsafe(48), bound_to=grant.binding(column))
            for column in ("access_sealed", "refresh_sealed")
        )
        yield (
            grant.pk, world.identity.pk, world.provider.pk, subject.iss, subject.sub, SCOPES,
            "live", *sealed, expires, expires - timedelta(minutes=10), 0, False, 0, "", now, now,
            "",
        )  # fmt: skip
