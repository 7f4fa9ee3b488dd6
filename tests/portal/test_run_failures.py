"""A run that does not end well: a sentence for the person, and nothing of what went wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.configuration import Configuration
from agents.models import Agent, RuntimeSession
from agents.services import agent_configure
from agents.sessions.stopping import session_stop
from core.audit import Actor
from core.models import AuditEvent
from portal.models import Run, SignIn
from portal.runs.answer import MAX_CHARS
from portal.runs.decoders import MAX_WHOLE_BYTES
from tests.agents.gateway.faults import far_agent, will
from tests.portal.agent import PATIENCE_S, AgentServer, Behaviour, Reply
from tests.portal.conftest import MakePerson
from tests.portal.identity_provider import Provider
from tests.portal.site import Site, ended, soon

pytestmark = pytest.mark.django_db(transaction=True)


def _refused(reply: Reply) -> None:
    reply.start("application/json", status=500)
    reply.write(b'{"detail": "Traceback of the agent"}')


def _garbage(reply: Reply) -> None:
    reply.start("application/octet-stream")
    reply.write(b"\x00\x01")


def _no_json(reply: Reply) -> None:
    reply.start("application/json")
    reply.write(b"{not json")


def _no_text(reply: Reply) -> None:
    reply.start("text/plain")
    reply.write(b"\xff\xfe")


def _nothing(reply: Reply) -> None:
    reply.stream()


def _own_error(reply: Reply) -> None:
    reply.stream({"error": "Traceback of the agent", "error_type": "ValueError"})


def _html(reply: Reply) -> None:
    reply.start("text/html")
    reply.write(b"<script>alert(1)</script>")


@pytest.mark.parametrize(
    "failure",
    [
        (_refused, "agent_failed"),
        (_garbage, "answer_unreadable"),
        (_no_json, "answer_unreadable"),
        (_no_text, "answer_unreadable"),
        (_html, "answer_unreadable"),
        (_nothing, "answer_empty"),
        (_own_error, "agent_reported_error"),
    ],
)
def test_an_agent_that_fails_is_a_sentence_and_not_its_traceback(
    failure: tuple[Behaviour, str],
    site: Site,
    agent: Agent,
    agent_server: AgentServer,
    person: MakePerson,
) -> None:
    agent_server.behaviour, code = failure
    bob = person("bob")
    conversation = bob.begin(agent)

    got = site.events(bob.say(conversation, "Hello?"), bob.browser)

    finished = got.events[-1].data
    assert (finished["status"], finished["code"]) == ("failed", code)
    assert finished["notice"].endswith(".")
    assert b"Traceback" not in got.body
    assert b"script" not in got.body
    assert bob.answer(conversation)["run"]["notice"] == finished["notice"]
    on_record = AuditEvent.objects.get(action="run.failed", reference=finished["reference"])
    assert (on_record.outcome, on_record.reason) == ("failed", code)
    assert (on_record.subject_sub, on_record.agent) == (bob.user.sub, agent.agent_id)


def configure(agent: Agent, **changes: Any) -> None:
    newest = agent.versions.latest("number")
    agent_configure(
        agent=agent,
        asked=replace(Configuration.of(newest), **changes),
        actor=Actor("a test"),
    )


def test_an_agent_that_is_down_is_a_sentence(site: Site, agent: Agent, person: MakePerson) -> None:
    configure(agent, url="http://127.0.0.1:9")
    bob = person("bob")

    finished = site.events(bob.say(bob.begin(agent), "Hello?"), bob.browser).events[-1].data

    assert finished["code"] == "agent_unreachable"


def test_an_agent_that_is_killed_while_it_answers_is_a_sentence_after_what_it_said(
    site: Site, agent: Agent, person: MakePerson
) -> None:
    with far_agent() as far:
        configure(agent, url=far.url)
        bob = person("bob")
        run = bob.say(bob.begin(agent), "Hello?")
        assert will(lambda: "0" in far.arrived)
        far.kill()

        finished = site.events(run, bob.browser).events[-1].data

    assert (finished["status"], finished["code"]) == ("failed", "agent_failed")
    assert finished["notice"].endswith(".")
    on_record = AuditEvent.objects.get(action="run.failed", reference=finished["reference"])
    assert (on_record.outcome, on_record.reason) == ("failed", "agent_failed")


def test_an_agent_that_does_not_take_this_sites_tokens_is_a_matter_for_the_administrators(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    configure(agent, allowed_clients=(), allowed_audience=("another",))
    bob = person("bob")

    finished = site.events(bob.say(bob.begin(agent), "Hello?"), bob.browser).events[-1].data

    assert finished["code"] == "audience_mismatch"
    assert "administrators" in finished["notice"]
    assert agent_server.calls == []


def test_a_disabled_agent_refuses_the_next_message_in_words(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    Agent.objects.update(enabled=False)

    finished = site.events(bob.say(conversation, "Hello?"), bob.browser).events[-1].data

    said = "This agent has been switched off by an administrator."
    assert finished == ended(
        "failed", code="agent_disabled", closed=said, reference=finished["reference"]
    )
    assert agent_server.calls == []
    page = bob.browser.get(f"/chat/{conversation}/").content.decode()
    assert page.count(said) == 1
    assert 'data-again=""' in page
    assert finished["reference"] in page


def test_an_answer_that_failed_before_the_agent_was_switched_off_offers_no_retry(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    agent_server.behaviour = _nothing
    bob = person("bob")
    conversation = bob.begin(agent)
    finished = site.events(bob.say(conversation, "Hello?"), bob.browser).events[-1].data
    assert finished["again"] == "retry"
    assert 'data-again="retry"' in bob.browser.get(f"/chat/{conversation}/").content.decode()

    Agent.objects.update(enabled=False)

    assert 'data-again="retry"' not in bob.browser.get(f"/chat/{conversation}/").content.decode()


def test_an_expired_sign_in_ends_the_run_and_calls_nobody(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson, provider: Provider
) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    provider.forget_refresh_tokens()
    SignIn.objects.update(access_expires_at=timezone.now() + timedelta(seconds=5))

    run = bob.say(conversation, "Hello?")

    soon(lambda: Run.objects.get(pk=run["id"]).status == "failed")
    assert Run.objects.get().code == "sign_in_expired"
    assert agent_server.calls == []
    assert bob.get("agents").status_code == 401


def test_an_answer_that_is_too_long_is_cut_off_and_kept(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    def endless(reply: Reply) -> None:
        reply.stream(*(["word " * 10_000] * 9))
        reply.wait_until_left()

    agent_server.behaviour = endless
    bob = person("bob")
    conversation = bob.begin(agent)

    finished = site.events(bob.say(conversation, "Talk"), bob.browser).events[-1].data

    assert finished["code"] == "answer_too_long"
    assert len(bob.answer(conversation)["text"]) == MAX_CHARS
    assert agent_server.left.wait(10)


def test_a_document_that_is_too_large_is_not_read_to_its_end(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    def huge(reply: Reply) -> None:
        reply.start("application/json")
        reply.write(b'"' + b"x" * MAX_WHOLE_BYTES)
        reply.wait_until_left()

    agent_server.behaviour = huge
    bob = person("bob")

    finished = site.events(bob.say(bob.begin(agent), "Talk"), bob.browser).events[-1].data

    assert finished["code"] == "answer_too_long"
    assert agent_server.left.wait(10)


def test_a_session_that_an_admin_stops_ends_the_answer_in_words(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    def behaviour(reply: Reply) -> None:
        reply.stream()
        reply.text("I begin")
        reply.wait_until_left()

    agent_server.behaviour = behaviour
    bob = person("bob")
    conversation = bob.begin(agent)
    watching = site.watch(bob.say(conversation, "Hello?"), bob.browser)
    session = soon(RuntimeSession.objects.filter(agent=agent).first)
    assert session is not None

    session_stop(session=session, actor=Actor("an admin"))

    got = watching.result(PATIENCE_S)
    finished = got.events[-1].data
    assert (finished["status"], finished["code"]) == ("failed", "session_stopped")
    assert finished["notice"].endswith(".")
    assert "administrators" not in finished["notice"]
    assert agent_server.left.wait(PATIENCE_S)
    assert bob.answer(conversation)["run"]["notice"] == finished["notice"]

    agent_server.behaviour = lambda reply: reply.stream("here again")
    again = site.events(bob.say(conversation, "And now?"), bob.browser)
    assert again.events[-1].data["status"] == "done"
