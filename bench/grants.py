"""A table of grants, each sealed for real for a person of its own who has signed in once.

The first row is stored as any other. PostgreSQL then says it as its COPY would, and every further
row is that one with an id, a person and sealed tokens of its own: what is the same in all is
rendered once, and no object of the ORM is made. It is sealed and copied by as many processes as
there are processors, each with a range of the numbers; the table keeps its indexes and its
triggers meanwhile, whose upkeep is the smaller part.
"""

from __future__ import annotations

import json
import os
import secrets
import time
import uuid
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg
from django.db import connection
from django.utils import timezone

from agents.models import WorkloadIdentity
from bench.children import answering, answers, say
from core.crypto import seal
from core.models import User
from core.subject import Subject
from vault.models import CredentialProvider, Grant

ISSUER = "https://issuer.invalid"
SCOPES = ["calendar.read", "contacts.read"]
_SEALED = ("access_sealed", "refresh_sealed")
# Copied and committed at once; a process is worth its start for no fewer.
_BATCH = 10_000
_EVERY_S = 5.0
_PEOPLE = """
    INSERT INTO core_user
        (password, is_superuser, username, first_name, last_name, email, is_staff, is_active,
         date_joined, iss, sub, name)
    SELECT '', false, 'u-' || sub, '', '', '', false, true, now(), %s, sub, ''
    FROM unnest(%s::text[]) AS signed_in (sub)
"""


def person(number: int, *, of: str) -> Subject:
    """Return the person who has the grant of this number, of those who are called `of`."""
    return Subject(ISSUER, f"{of}-{number:08}")


def fill(
    workload: WorkloadIdentity,
    provider: CredentialProvider,
    *,
    of: str,
    up_to: int,
    expires_at: datetime,
    next_refresh_at: datetime,
) -> None:
    """Bring the grants of `workload` at `provider` to `up_to`; says how far it is.

    Raises:
        Failed: one of the processes that fill ended before its end.
    """
    there = Grant.objects.filter(workload_identity=workload, provider=provider).count()
    if not there:
        _first(workload, provider, of=of, expires_at=expires_at, next_refresh_at=next_refresh_at)
        there = 1
    told = {"workload": workload.pk, "provider": str(provider.pk), "of": of}
    began = said_at = time.monotonic()
    done = there
    with closing(_filled(told, range(there, up_to))) as counts:
        for count in counts:
            done += count
            if time.monotonic() - said_at > _EVERY_S:
                said_at = time.monotonic()
                say({"progress": f"{done:,} of {up_to:,} grants, {said_at - began:.0f} s"})
    say({"progress": f"{done:,} grants in {time.monotonic() - began:.0f} s; vacuum and checkpoint"})
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) vault_grant, core_user")
        # What the fill has written is not written back while something is measured.
        cursor.execute("CHECKPOINT")
    say({"progress": f"{done:,} grants ready, {time.monotonic() - began:.0f} s"})


def main(told: dict[str, Any]) -> None:
    """Fill one range, in a process of its own; says how many rows each time some are stored."""
    for count in _copied(told, range(*told["numbers"])):
        say(count)


def _filled(told: dict[str, Any], numbers: range) -> Generator[int]:
    """Store the rows of `numbers`; yield how many each time some are."""
    processes = min(len(os.sched_getaffinity(0)), len(numbers) // _BATCH)
    if processes <= 1:
        yield from _copied(told, numbers)
        return
    share = -(-len(numbers) // processes)
    parts = (numbers[begin : begin + share] for begin in range(0, len(numbers), share))
    yield from answers(
        [
            answering(
                f"grants-{number}",
                [*("-m", "bench.room", "grants"), json.dumps(told | {"numbers": _ends(part)})],
                os.environ,
            )
            for number, part in enumerate(parts)
        ]
    )


def _ends(numbers: range) -> tuple[int, int]:
    return numbers.start, numbers.stop


def _first(
    workload: WorkloadIdentity,
    provider: CredentialProvider,
    *,
    of: str,
    expires_at: datetime,
    next_refresh_at: datetime,
) -> None:
    """Store the first grant and its person."""
    subject = person(0, of=of)
    grant = Grant(
        workload_identity=workload,
        provider=provider,
        user_iss=subject.iss,
        user_sub=subject.sub,
        scopes=SCOPES,
        granted_at=timezone.now(),
        access_expires_at=expires_at,
        next_refresh_at=next_refresh_at,
    )
    for column in _SEALED:
        setattr(grant, column, seal(_token(), bound_to=grant.binding(column)))
    grant.save()
    User.objects.create(username=f"u-{subject.sub}", iss=subject.iss, sub=subject.sub)


def _copied(told: dict[str, Any], numbers: range) -> Generator[int]:
    """Copy the rows of `numbers` and their people, some at once; yield how many."""
    # A connection of its own: sealing may ask the database for its key meanwhile.
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as own:
        first = Grant.objects.get(
            workload_identity_id=told["workload"],
            provider_id=told["provider"],
            user_sub=person(0, of=told["of"]).sub,
        )
        fields = _as_copied(own, first)
        for begin in range(0, len(numbers), _BATCH):
            batch = numbers[begin : begin + _BATCH]
            people = [person(number, of=told["of"]) for number in batch]
            with own.transaction():
                with own.cursor().copy(f"COPY vault_grant ({', '.join(fields)}) FROM STDIN") as to:
                    to.write(b"".join(_row(fields, first, subject) for subject in people))
                own.execute(_PEOPLE, [ISSUER, [subject.sub for subject in people]])
            yield len(batch)


def _as_copied(own: psycopg.Connection, grant: Grant) -> dict[str, bytes]:
    """Return a stored grant as the columns of a COPY, in PostgreSQL's own words."""
    columns = [field.get_attname() for field in Grant._meta.concrete_fields]
    row = f"COPY (SELECT {', '.join(columns)} FROM vault_grant WHERE id = '{grant.pk}') TO STDOUT"  # noqa: S608  (no name is anybody's)
    with own.cursor().copy(row) as out:
        line = b"".join(out).removesuffix(b"\n")
    return dict(zip(columns, line.split(b"\t"), strict=True))


def _row(fields: dict[str, bytes], like: Grant, subject: Subject) -> bytes:
    """Return the line of a COPY for one more grant, `like` that one but of another person."""
    pk = uuid.uuid4()
    access = Grant.place(
        "access_sealed",
        row=pk,
        workload_id=like.workload_identity_id,
        provider_id=like.provider_id,
        subject=subject,
    )
    own = {"id": str(pk).encode(), "user_sub": subject.sub.encode()}
    for column in _SEALED:
        sealed = seal(_token(), bound_to=replace(access, column=column))
        own[column] = b"\\\\x" + sealed.hex().encode()
    return b"\t".join((fields | own).values()) + b"\n"


def _token() -> str:
    return secrets.token_urlsafe(48)
