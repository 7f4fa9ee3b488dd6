"""An open stream of events tells nothing more to somebody who may not know it any more."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connections

from agents.models import Agent
from core.models import User
from portal.models import SignIn
from portal.runs import events
from portal.signins import signin_end
from tests.portal.agent import AgentServer, Reply
from tests.portal.conftest import MakePerson, Person
from tests.portal.site import Got, Site

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "told after it was withdrawn"


def _sign_out(bob: Person) -> None:
    signin_end(SignIn.objects.get(user=bob.user))


def _switch_off(bob: Person) -> None:
    User.objects.filter(pk=bob.user.pk).update(is_active=False)


@pytest.fixture(autouse=True)
def _half_a_second_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "FRESH_S", 0.0)


@pytest.mark.parametrize("withdraw", [_sign_out, _switch_off])
def test_a_stream_ends_before_it_tells_somebody_what_came_after(
    withdraw: Callable[[Person], None],
    site: Site,
    agent: Agent,
    agent_server: AgentServer,
    person: MakePerson,
) -> None:
    withdrawn = threading.Event()

    def in_two_halves(reply: Reply) -> None:
        reply.stream("First.")
        reply.wait_to_go_on()
        reply.event(SECRET)

    agent_server.behaviour = in_two_halves
    bob = person("bob")
    run = bob.say(bob.begin(agent), "Hello")

    def once_begun(got: Got) -> bool:
        if got.named("block") and not withdrawn.is_set():
            withdrawn.set()
        return False

    def withdraw_and_go_on() -> None:
        assert withdrawn.wait(10)
        withdraw(bob)
        connections.close_all()
        agent_server.may_go_on.set()

    withdrawing = threading.Thread(target=withdraw_and_go_on)
    withdrawing.start()
    got = site.events(run, bob.browser, until=once_begun)
    withdrawing.join()

    assert got.blocks
    assert SECRET not in got.body.decode()
    assert not got.named("finished")
