"""A run is executed once, whatever is queued twice, gets lost, or is left by a dying process."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from agents.models import Agent
from core.models import AuditEvent
from portal.errors import RunOver
from portal.models import Run
from portal.runs import lease, parts, queue, records
from portal.runs.stream import sync_client
from portal.timeline import Text
from tests.portal.agent import AgentServer, Reply
from tests.portal.conftest import MakePerson
from tests.portal.site import Site, running_site, soon

pytestmark = pytest.mark.django_db(transaction=True)


def half_an_answer(reply: Reply) -> None:
    reply.stream()
    reply.text("Half an answer")
    reply.wait_until_left()


def test_a_run_that_is_queued_twice_is_executed_once(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    bob = person("bob")
    run = bob.say(bob.begin(agent), "Hello?")
    queue.put(UUID(run["id"]))
    site.events(run, bob.browser)
    queue.put(UUID(run["id"]))
    soon(lambda: sync_client().xlen("daiko:runs") == 0)

    other = bob.say(bob.begin(agent), "Another")
    site.events(other, bob.browser)

    assert [call.prompt for call in agent_server.calls] == ["Hello?", "Another"]


def test_only_one_process_begins_a_run(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    run_id = UUID(bob.say(bob.begin(agent), "Hello?")["id"])

    first, second = records.run_begin(run_id), records.run_begin(run_id)

    assert (first is not None, second) == (True, None)


def test_a_run_that_the_queue_lost_is_executed_all_the_same(
    agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    bob = person("bob")
    run = bob.say(bob.begin(agent), "Hello?")
    sync_client().delete("daiko:runs")
    Run.objects.update(created_at=timezone.now() - timedelta(seconds=11))

    with running_site() as site:
        got = site.events(run, bob.browser)

    assert got.events[-1].data["status"] == "done"
    assert len(agent_server.calls) == 1


def test_what_a_killed_process_left_behind_is_ended_and_can_be_asked_again(
    agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    run = bob.say(conversation, "Hello?")
    # As a process leaves it that was killed: begun, half an answer stored, and no lease.
    assert records.run_begin(UUID(run["id"]))
    parts.place(UUID(run["id"]), Text("Half an answer"))
    sync_client().delete("daiko:runs")
    Run.objects.update(started_at=timezone.now() - timedelta(seconds=7))

    with running_site() as site:
        finished = site.events(run, bob.browser).events[-1].data
        assert finished["code"] == "interrupted"
        assert finished["notice"].endswith("Please try again.")
        assert finished["reference"] == Run.objects.get(pk=run["id"]).reference != ""
        on_record = AuditEvent.objects.get(action="run.failed")
        assert (on_record.reason, on_record.reference) == ("interrupted", finished["reference"])
        assert bob.answer(conversation)["text"] == "Half an answer"
        assert agent_server.calls == []

        again = bob.post(f"runs/{run['id']}/retry").json()["run"]
        assert site.events(again, bob.browser).events[-1].data["status"] == "done"


def test_a_run_with_a_lease_is_left_to_its_process(
    agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    bob = person("bob")
    run_id = UUID(bob.say(bob.begin(agent), "Hello?")["id"])
    assert records.run_begin(run_id)
    sync_client().delete("daiko:runs")
    Run.objects.update(started_at=timezone.now() - timedelta(minutes=5))

    with running_site() as site:
        site.run(lease.take(run_id))
        other = bob.say(bob.begin(agent), "Another")
        site.events(other, bob.browser)

        assert Run.objects.get(pk=run_id).status == "running"


def test_a_process_that_ends_ends_its_runs_itself(
    agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    agent_server.behaviour = half_an_answer
    bob = person("bob")
    conversation = bob.begin(agent)
    with running_site() as site:
        run = bob.say(conversation, "Talk")
        site.events(run, bob.browser, until=lambda got: bool(got.blocks))

    assert agent_server.left.wait(10)
    answer = bob.answer(conversation)
    assert (answer["run"]["code"], answer["text"]) == ("interrupted", "Half an answer")


def test_a_process_that_lost_its_lease_stops_and_does_not_overwrite_what_others_decided(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    agent_server.behaviour = half_an_answer
    bob = person("bob")
    conversation = bob.begin(agent)
    run = bob.say(conversation, "Talk")
    site.events(run, bob.browser, until=lambda got: bool(got.blocks))
    run_id = UUID(run["id"])
    records.run_finish(records.Outcome(run_id, "failed", "interrupted"))
    decided = bob.answer(conversation)

    site.run(lease.drop(run_id))

    assert agent_server.left.wait(10)
    assert decided["run"]["code"] == "interrupted"
    assert bob.answer(conversation) == decided


def test_a_run_that_has_ended_is_not_ended_again(agent: Agent, person: MakePerson) -> None:
    bob = person("bob")
    run_id = UUID(bob.say(bob.begin(agent), "Hello?")["id"])

    assert records.run_begin(run_id)
    parts.place(run_id, Text("All"))

    assert records.run_finish(records.Outcome(run_id, "done", parts={0: Text("All of it.")}))
    assert not records.run_finish(records.Outcome(run_id, "failed", parts={0: Text("")}))
    parts.store(run_id, {0: Text("Late.")})
    with pytest.raises(RunOver):
        parts.place(run_id, Text("Late."))

    run = Run.objects.select_related("answer").get()
    assert (run.status, run.code, run.answer.timeline) == ("done", "", [Text("All of it.")])


def test_an_answer_is_stored_while_it_grows(
    site: Site,
    agent: Agent,
    agent_server: AgentServer,
    person: MakePerson,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("portal.runs.turn._STORE_EVERY_S", 0.05)
    agent_server.behaviour = half_an_answer
    bob = person("bob")
    conversation = bob.begin(agent)
    run = bob.say(conversation, "Talk")

    soon(lambda: bob.answer(conversation)["text"] == "Half an answer")

    assert Run.objects.get(pk=run["id"]).status == "running"
