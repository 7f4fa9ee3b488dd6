"""A page that was left open goes on by itself, as far as the identity provider lets it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Agent
from core.models import AuditEvent
from portal.models import Run, SignIn
from tests.portal.agent import AgentServer
from tests.portal.conftest import MakePerson
from tests.portal.identity_provider import Provider
from tests.portal.site import Site, soon

pytestmark = pytest.mark.django_db(transaction=True)

HOURS_AGO = timedelta(hours=3)


def test_a_question_that_comes_after_the_access_token_expired_is_answered_all_the_same(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson, provider: Provider
) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    SignIn.objects.update(access_expires_at=timezone.now() - HOURS_AGO)
    before = SignIn.objects.get().access_token()

    run = bob.say(conversation, "Are you still there?")

    soon(lambda: Run.objects.get(pk=run["id"]).status == "done")
    assert provider.refreshed == 1
    assert len(agent_server.calls) == 1
    signin = SignIn.objects.get()
    assert (signin.state, signin.access_token() == before) == ("live", False)
    assert AuditEvent.objects.filter(action="person.signed_in").count() == 1


def test_while_the_provider_is_away_the_page_says_so_and_nobody_is_signed_out(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson, provider: Provider
) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    SignIn.objects.update(access_expires_at=timezone.now() - HOURS_AGO)
    provider.token_status = 503

    run = bob.say(conversation, "Are you still there?")

    soon(lambda: Run.objects.get(pk=run["id"]).status == "failed")
    [finished] = site.events(run, bob.browser).named("finished")
    assert finished["notice"].startswith("Your identity provider does not answer.")
    assert finished["again"] == "retry"
    assert agent_server.calls == []
    assert bob.get("agents").status_code == 200
