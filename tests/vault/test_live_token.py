"""The read on the event loop: it hands out what the explaining way hands out, and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agents import workload
from agents.errors import ChainBroken
from agents.keys.callers import Caller
from agents.models import Agent, WorkloadIdentity
from core import audit
from core.crypto import SealBroken
from core.errors import AppError
from core.models import AuditEvent, User
from core.secret import Secret
from tests.fixtures.loops import Run
from tests.vault.conftest import SESSION, World, events, token_of, wanted
from vault.asked.wanted import ResourceToken
from vault.models import CredentialProvider, Grant
from vault.token_read import live_token, token_read

pytestmark = pytest.mark.django_db(transaction=True)

_COUNTED = ("vault.token.released", "vault.token.refused")


def _question(world: World, person: User, **changed: Any) -> dict[str, Any]:
    return {
        "caller": Caller("AKIATEST", world.identity.name),
        "unverified_token": token_of(world.identity, person),
        "flow": "USER_FEDERATION",
        "provider_name": world.provider.name,
        "wanted": wanted(),
        **changed,
    }


@dataclass(frozen=True)
class Switches:
    """Everything that decides whether alice's token is handed out."""

    workload_on: bool
    agent_on: bool
    person_on: bool
    provider_on: bool
    listed: bool
    any_workload: bool
    everyone: bool
    named: bool
    group_allowed: bool
    groups: frozenset[str] | None
    scope: str
    own_key: bool

    def turn(self, world: World, alice: User, staff: Group) -> None:
        """Bring the database to this."""
        WorkloadIdentity.objects.filter(pk=world.identity.pk).update(enabled=self.workload_on)
        User.objects.filter(pk=alice.pk).update(is_active=self.person_on)
        CredentialProvider.objects.update(enabled=self.provider_on, any_workload=self.any_workload)
        world.provider.workloads.set([world.identity] if self.listed else [])
        Agent.objects.update(enabled=self.agent_on, allow_everyone=self.everyone)
        agent = Agent.objects.get()
        agent.allowed_users.set([alice] if self.named else [])
        agent.allowed_groups.set([staff] if self.group_allowed else [])

    def question(self, world: World, alice: User) -> dict[str, Any]:
        """Return what the agent asks."""
        token = workload.issue(
            workload_id=world.identity.pk,
            workload_name=world.identity.name,
            subject=alice.subject,
            groups=self.groups,
        )
        return _question(
            world,
            alice,
            caller=Caller("AKIATEST", world.identity.name if self.own_key else "another"),
            unverified_token=token,
            wanted=wanted(scopes=(self.scope,)),
        )


# Mostly on, so that each switch is seen to decide alone.
_ON = st.sampled_from([True, True, True, True, False])
_SWITCHES = st.builds(
    Switches,
    workload_on=_ON,
    agent_on=_ON,
    person_on=_ON,
    provider_on=_ON,
    listed=_ON,
    any_workload=st.booleans(),
    everyone=st.booleans(),
    named=st.booleans(),
    group_allowed=st.booleans(),
    groups=st.sampled_from([None, frozenset(), frozenset({"staff"}), frozenset({"others"})]),
    scope=st.sampled_from(["calendar.read", "calendar.read", "contacts.read"]),
    own_key=_ON,
)


def test_both_ways_give_the_same_verdict_however_the_switches_stand(
    world: World, alice: User, run: Run[Any]
) -> None:
    staff = Group.objects.create(name="staff")
    grant = world.grant(alice)
    seen: set[bool] = set()

    @hypothesis_settings(
        max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(switches=_SWITCHES)
    def same(switches: Switches) -> None:
        switches.turn(world, alice, staff)
        question = switches.question(world, alice)
        before = AuditEvent.objects.filter(action__in=_COUNTED).count()

        quick: ResourceToken | None = run(live_token(**question))

        recorded = AuditEvent.objects.filter(action__in=_COUNTED).order_by("pk")[before:]
        assert [event.action for event in recorded] == (["vault.token.released"] if quick else [])
        try:
            slow = token_read(**question, session_uri=None)
        except AppError as exc:
            slow = None
            assert events("vault.token.refused")[-1].reason == exc.code
        assert quick == (slow if isinstance(slow, ResourceToken) else None)
        seen.add(quick is not None)

    same()

    assert seen == {True, False}
    assert Grant.objects.get(pk=grant.pk).state == Grant.State.LIVE


def test_both_ways_put_the_same_on_record(world: World, alice: User, run: Run[Any]) -> None:
    world.grant(alice)
    question = _question(world, alice)

    run(live_token(**question))
    token_read(**question, session_uri=None)

    one, other = (
        {name: getattr(event, name) for name in ("outcome", "subject_iss", "subject_sub", "agent",
         "workload", "provider", "client", "reason", "actor", "detail")}
        for event in events("vault.token.released")
    )  # fmt: skip
    assert one == other
    assert one["detail"]["session"] == SESSION


def test_many_at_once_each_get_their_own_and_each_is_on_record(
    world: World, alice: User, bob: User, run: Run[Any]
) -> None:
    people = [alice, bob] * 20
    for person in (alice, bob):
        world.grant(person)

    async def all_at_once() -> list[ResourceToken | None]:
        return await asyncio.gather(*(live_token(**_question(world, each)) for each in people))

    answers = run(all_at_once())

    assert [world.there.knows(answer.access.reveal()) for answer in answers] == [
        person.sub for person in people
    ]
    recorded = [event.subject_sub for event in events("vault.token.released")]
    assert sorted(recorded) == sorted(person.sub for person in people)


def test_without_a_record_nobody_is_handed_anything(
    world: World, alice: User, run: Run[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.grant(alice)
    opened: list[object] = []
    monkeypatch.setattr("vault.grants.release.open_sealed", lambda *a, **k: opened.append(a))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditevent ADD CONSTRAINT broken CHECK (false) NOT VALID")
    try:
        with pytest.raises(audit.AuditUnavailable):
            run(live_token(**_question(world, alice)))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE core_auditevent DROP CONSTRAINT broken")

    assert opened == []
    assert Grant.objects.get().last_used_at is None


def test_a_use_is_noted_once_a_minute(world: World, alice: User, run: Run[Any]) -> None:
    world.grant(alice)

    run(live_token(**_question(world, alice)))
    noted = Grant.objects.get().last_used_at
    run(live_token(**_question(world, alice)))

    assert noted is not None
    assert Grant.objects.get().last_used_at == noted
    assert len(events("vault.token.released")) == 2


def test_somebody_who_writes_to_the_grant_holds_no_reader_up(
    world: World, alice: User, run: Run[Any]
) -> None:
    world.grant(alice)

    async def read_meanwhile() -> ResourceToken | None:
        async with asyncio.timeout(5):
            return await live_token(**_question(world, alice))

    with transaction.atomic():
        Grant.objects.select_for_update().get()
        assert run(read_meanwhile()) is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"flow": "M2M"},
        {"flow": "ON_BEHALF_OF_TOKEN_EXCHANGE"},
        {"wanted": wanted(forced=True)},
        {"wanted": wanted(custom_parameters={"claims": Secret("more")})},
        {"wanted": wanted(resources=("https://elsewhere.example",))},
        {"unverified_token": Secret("wat1.made-up")},
    ],
    ids=["m2m", "obo", "forced", "reserved", "elsewhere", "no token"],
)
def test_what_is_more_than_a_read_is_left_to_the_other_way(
    changed: dict[str, Any], world: World, alice: User, run: Run[Any]
) -> None:
    world.grant(alice)

    assert run(live_token(**_question(world, alice, **changed))) is None
    assert not events("vault.token.released")


def test_a_token_that_is_about_to_expire_is_left_to_be_refreshed(
    world: World, alice: User, expire: Any, run: Run[Any]
) -> None:
    expire(world.grant(alice))

    assert run(live_token(**_question(world, alice))) is None


def test_a_sealed_token_moved_to_another_row_does_not_open(
    world: World, alice: User, bob: User, run: Run[Any]
) -> None:
    mine, others = world.grant(alice), world.grant(bob)
    Grant.objects.filter(pk=others.pk).update(access_sealed=mine.access_sealed)

    with pytest.raises(SealBroken):
        run(live_token(**_question(world, bob)))


def _called_through(world: World, person: User, caller: WorkloadIdentity) -> Secret:
    """Return the concierge's token, which was called for `person` by the agent of `caller`."""
    return workload.issue(
        workload_id=world.identity.pk,
        workload_name=world.identity.name,
        subject=person.subject,
        session_id=SESSION,
        invocation="f" * 20,
        chain=(workload.Link(caller.pk, caller.name),),
    )


@pytest.mark.parametrize("way", ["at once", "explaining"])
def test_a_release_to_an_agent_that_another_one_called_names_that_one(
    world: World, alice: User, greeter: WorkloadIdentity, run: Run[Any], way: str
) -> None:
    world.grant(alice)
    asked = _question(world, alice, unverified_token=_called_through(world, alice, greeter))

    if way == "at once":
        assert run(live_token(**asked)) is not None
    else:
        token_read(**asked, session_uri=None)

    [event] = events("vault.token.released")
    assert event.detail["chain"] == [greeter.name]
    assert event.detail["invocation"] == "f" * 20


@pytest.mark.parametrize("gone", [False, True])
def test_an_agent_whose_caller_may_not_act_any_more_gets_nothing(
    world: World, alice: User, greeter: WorkloadIdentity, run: Run[Any], gone: bool
) -> None:
    world.grant(alice)
    asked = _question(world, alice, unverified_token=_called_through(world, alice, greeter))
    if gone:
        greeter.delete()
    else:
        WorkloadIdentity.objects.filter(pk=greeter.pk).update(enabled=False)

    assert run(live_token(**asked)) is None
    with pytest.raises(ChainBroken):
        token_read(**asked, session_uri=None)

    assert events("vault.token.released") == []
    [event] = events("vault.token.refused")
    assert (event.reason, event.detail["chain"]) == ("chain_broken", [greeter.name])


def test_an_agent_whose_callers_agent_is_switched_off_gets_nothing(
    world: World, alice: User, greeter: WorkloadIdentity, run: Run[Any]
) -> None:
    world.grant(alice)
    asked = _question(world, alice, unverified_token=_called_through(world, alice, greeter))
    agent = Agent.objects.create(
        agent_id=greeter.name, name="switched_off", enabled=False, workload_identity=greeter
    )

    assert run(live_token(**asked)) is None
    agent.enabled = True
    agent.save()

    assert run(live_token(**asked)) is not None
