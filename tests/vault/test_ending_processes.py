"""Several workers end access at once, and one of them is killed in the middle of a batch."""

from __future__ import annotations

import pytest
from django.utils import timezone

from core.oauth import Tokens
from core.secret import Secret
from tests.vault.conftest import ADMIN, World, events
from tests.vault.workers import Start, said
from vault.ending.cascade import access_end
from vault.models import AccessEnding, Grant, Revocation

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = 23


def grants_of(world: World) -> None:
    for number in range(COUNT):
        grant = Grant(
            workload_identity=world.identity,
            provider=world.provider,
            user_iss="https://idp.example",
            user_sub=f"person-{number}",
            granted_at=timezone.now(),
        )
        tokens = Tokens(Secret(f"at-{number}"), Secret(f"rt-{number}"), None, 3600, None)
        for column, value in grant.columns_of(tokens).items():
            setattr(grant, column, value)
        grant.save(force_insert=True)


def test_each_grant_ends_once_though_a_worker_is_killed_and_two_go_on(
    world: World, start: Start
) -> None:
    grants_of(world)
    access_end(of=world.provider, actor=ADMIN)

    killed = start("ending_worker", "stop")
    assert said(killed) == "stopped"
    killed.kill()
    killed.wait()
    assert AccessEnding.objects.get().ended == 5
    assert Grant.objects.filter(state=Grant.State.REVOKED).count() == 5

    workers = [start("ending_worker") for _ in range(2)]
    steps = [int(worker.communicate()[0]) for worker in workers]

    assert sum(steps) >= 4
    assert set(Grant.objects.values_list("state", flat=True)) == {"revoked"}
    assert AccessEnding.objects.get().ended == COUNT
    assert len(events("vault.grant.revoked")) == COUNT
    told = [row.access_token().reveal() for row in Revocation.objects.all()]
    assert sorted(told) == sorted(f"at-{number}" for number in range(COUNT))
