"""Nobody gets anything of somebody else's, by whatever flow and in whatever order they ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents import workload
from agents.keys.callers import Caller
from agents.models import WorkloadIdentity
from core.models import User
from core.secret import Secret
from core.subject import Subject
from tests.fixtures.issuer import Issuer, issuing
from tests.fixtures.provider import CLIENT_ID
from tests.vault.conftest import Browser, World, wanted
from vault.asked.wanted import ResourceToken
from vault.errors import SubjectTokenRefused
from vault.flows import consent
from vault.flows.client_credentials import M2M
from vault.flows.on_behalf_of import ON_BEHALF_OF
from vault.token_read import FLOWS, USER_FEDERATION, Waiting, token_read

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = ("alice", "bob")
TARGETS = ((), ("https://calendar.acme.example/",))


@dataclass(frozen=True)
class Asked:
    """One question; `owner` says whose the answer has to be."""

    workload: int
    person: str
    flow: str
    target: tuple[str, ...]
    forced: bool

    @property
    def owner(self) -> str:
        return CLIENT_ID if self.flow == M2M else self.person

    @property
    def kind(self) -> tuple[object, ...]:
        """Return what two questions have to agree in for one token to answer both."""
        return (self.workload, self.owner, self.flow, self.target)


QUESTIONS = st.builds(
    Asked,
    workload=st.integers(0, 1),
    person=st.sampled_from(PEOPLE),
    flow=st.sampled_from(FLOWS),
    target=st.sampled_from(TARGETS),
    forced=st.booleans(),
)


@dataclass
class Everybody:
    """Two people, two agents, and one provider at which both people have an account."""

    world: World
    issuer: Issuer
    workloads: list[WorkloadIdentity]
    jwts: dict[str, Secret]

    def ask(self, asked: Asked, **changed: Any) -> ResourceToken | Waiting:
        identity = self.workloads[asked.workload]
        token = workload.issue(
            workload_id=identity.pk,
            workload_name=identity.name,
            subject=self.subject(asked.person),
            user_token=self.jwts[asked.person],
        )
        # Where consent is forced, the answer is a request for consent and no token.
        forced = asked.forced and asked.flow != USER_FEDERATION
        return token_read(
            caller=Caller("AKIATEST", identity.name),
            unverified_token=token,
            flow=asked.flow,
            provider_name="acme",
            wanted=wanted(resources=asked.target, forced=forced),
            session_uri=None,
            **changed,
        )

    def subject(self, name: str) -> Subject:
        return Subject(self.issuer.url, name)

    def connect(self, asked: Asked) -> None:
        """Have the person consent to what is asked for."""
        waiting = self.ask(asked)
        assert isinstance(waiting, Waiting)
        person = User.objects.get(sub=asked.person)
        self.world.consent(waiting, Browser(person))
        consent.complete_here(session_uri=waiting.session_uri, subject=self.subject(asked.person))


@pytest.fixture
def everybody(world: World, greeter: WorkloadIdentity, settings: Any) -> Iterator[Everybody]:
    with issuing() as issuer:
        settings.DAIKO_TRUSTED_ISSUERS = [issuer.url]
        world.there.trusted_keys = issuer.keys
        world.there.access_s = 3600
        world.provider.obo_grant_type = "TOKEN_EXCHANGE"
        world.provider.save()
        world.provider.workloads.add(greeter)
        for name in PEOPLE:
            User.objects.create(username=name, iss=issuer.url, sub=name, name=name.title())
        jwts = {name: Secret(issuer.token(sub=name)) for name in PEOPLE}
        made = Everybody(world, issuer, [world.identity, greeter], jwts)
        # Bob has consented to one agent only, and for one resource only.
        for person, agents, targets in (("alice", (0, 1), TARGETS), ("bob", (1,), TARGETS[1:])):
            for agent in agents:
                for target in targets:
                    made.connect(Asked(agent, person, USER_FEDERATION, target, False))
        yield made


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(questions=st.lists(QUESTIONS, min_size=4, max_size=12))
def test_every_token_belongs_to_who_it_was_asked_for(
    everybody: Everybody, questions: list[Asked]
) -> None:
    answered: dict[str, tuple[object, ...]] = {}
    for asked in questions:
        answer = everybody.ask(asked)
        if isinstance(answer, Waiting):
            assert (asked.flow, asked.person) == (USER_FEDERATION, "bob")
            assert (asked.workload, asked.target) != (1, TARGETS[1])
            continue
        token = answer.access.reveal()
        assert everybody.world.there.knows(token) == asked.owner
        assert answered.setdefault(token, asked.kind) == asked.kind


def test_a_token_of_a_person_is_exchanged_for_that_person_alone(everybody: Everybody) -> None:
    everybody.jwts["bob"] = everybody.jwts["alice"]

    with pytest.raises(SubjectTokenRefused, match="another person"):
        everybody.ask(Asked(0, "bob", ON_BEHALF_OF, (), False))
