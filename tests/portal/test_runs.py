"""A turn, from the message to the last event, with a real agent and as any tab sees it."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import replace

import pytest

from agents import workload
from agents.models import Agent
from core import audit, reference
from core.models import AuditEvent
from core.secret import Secret
from portal.models import SignIn
from portal.runs import events
from portal.runs.stream import key_of, sync_client
from portal.signins import access_token_for
from tests.portal.agent import AgentServer, Called, Reply, silent
from tests.portal.conftest import MakePerson
from tests.portal.site import PATIENCE_S, Site, ended

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_person_asks_and_is_answered(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    def answering(reply: Reply) -> None:
        reply.stream()
        for word in ("Hel", "lo, **Bob**", ".\n\n- one\n", "- two\n"):
            reply.text(word)

    agent_server.behaviour = answering
    bob = person("bob")
    conversation = bob.begin(agent)
    run = bob.say(conversation, "Hello?")

    got = site.events(run, bob.browser)

    assert (got.status, got.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert [state["status"] for state in got.named("status")] == ["queued", "running"]
    assert got.blocks == [
        "<p>Hello, <strong>Bob</strong>.</p>",
        "<ul>\n<li>one</li>\n<li>two</li>\n</ul>",
    ]
    assert got.events[-1].name == "finished"
    assert got.events[-1].data == ended("done")
    answer = bob.answer(conversation)
    assert answer["text"] == "Hello, **Bob**.\n\n- one\n- two\n"
    assert answer["run"]["status"] == "done"


def test_the_agent_is_called_as_the_person_through_the_same_gate_as_any_client(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    site.events(bob.say(conversation, "First"), bob.browser)
    site.events(bob.say(conversation, "Second"), bob.browser)

    first, second = agent_server.calls
    assert [first.prompt, second.prompt] == ["First", "Second"]
    assert "authorization" not in first.headers
    assert "cookie" not in first.headers
    session = "x-amzn-bedrock-agentcore-runtime-session-id"
    assert first.headers[session] == second.headers[session]
    assert len(first.headers[session]) >= 33
    allowed = AuditEvent.objects.filter(action="agent.invocation", outcome="allowed")
    assert {(e.subject_sub, e.agent, e.client) for e in allowed} == {
        ("bob", agent.agent_id, "portal")
    }


def test_a_token_is_got_where_others_may_be_waited_for(
    site: Site, agent: Agent, person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_on: list[str] = []

    def noting(signin: SignIn) -> Secret:
        asked_on.append(threading.current_thread().name)
        return access_token_for(signin)

    monkeypatch.setattr("portal.runs.turn.access_token_for", noting)
    bob = person("bob")
    site.events(bob.say(bob.begin(agent), "Hello?"), bob.browser)

    assert [name.rpartition("_")[0] for name in asked_on] == ["orm-patient"]


def test_tools_stand_where_they_were_used(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    def using_tools(reply: Reply) -> None:
        reply.stream()
        reply.text("Let me look.")
        start = {"toolUse": {"toolUseId": "t1", "name": "read_calendar"}}
        reply.event({"event": {"contentBlockStart": {"start": start}}})
        called_with = {"toolUse": {"input": json.dumps({"day": 1, "token": "s3cret"})}}
        reply.event({"event": {"contentBlockDelta": {"delta": called_with}}})
        reply.event({"event": {"contentBlockStop": {}}})
        result = {"toolResult": {"toolUseId": "t1", "status": "success"}}
        reply.event({"message": {"role": "user", "content": [result]}})
        reply.text("Nothing today.")

    agent_server.behaviour = using_tools
    bob = person("bob")
    conversation = bob.begin(agent)

    got = site.events(bob.say(conversation, "Calendar?"), bob.browser)

    assert got.parts("tool") == [
        {"index": 1, "kind": "tool", "state": "running"},
        {"index": 1, "kind": "tool", "state": "running"},
        {"index": 1, "kind": "tool", "state": "done"},
    ]
    assert {block["part"] for block in got.named("block")} == {0, 2}
    assert got.blocks == ["<p>Let me look.</p>", "<p>Nothing today.</p>"]
    before, tool, after = bob.answer(conversation)["parts"]
    assert before == {"kind": "text", "text": "Let me look."}
    assert tool.pop("began_at") <= tool.pop("ended_at")
    assert tool == {
        "kind": "tool",
        "title": "Read calendar",
        "state": "done",
        "name": "read_calendar",
        "input": '{\n  "day": 1,\n  "token": "[redacted]"\n}',
    }
    assert after == {"kind": "text", "text": "Nothing today."}
    assert "s3cret" not in json.dumps([event.data for event in got.events])
    assert bob.answer(conversation)["text"] == "Let me look.\n\nNothing today."


def released(
    call: Called, provider: str, scopes: list[str], *, sub: str = "bob", invocation: str = ""
) -> None:
    """Put on record what the vault records when an agent asks it for a token during `call`."""
    verified = workload.read(call.headers["workloadaccesstoken"])
    assert verified.subject is not None
    with reference.during(invocation or verified.invocation):
        audit.record(
            audit.Event(
                "vault.token.released",
                subject=replace(verified.subject, sub=sub),
                provider=provider,
                detail={"scopes": scopes},
            )
        )


def test_a_tool_says_what_was_used_on_the_persons_behalf_meanwhile(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    def using_tools(reply: Reply) -> None:
        reply.stream()
        for number in (1, 2):
            use = {"toolUseId": f"t{number}", "name": f"tool_{number}"}
            reply.event({"event": {"contentBlockStart": {"start": {"toolUse": use}}}})
            if number == 1:
                call = agent_server.calls[-1]
                released(call, "acme-keys", ["calendar.read", "calendar.list"])
                released(call, "acme-keys", ["calendar.read"])
                released(call, "not-bobs", ["calendar.read"], sub="alice")
                released(call, "not-of-this-call", ["a"], invocation="another")
            result = {"toolResult": {"toolUseId": f"t{number}", "status": "success"}}
            reply.event({"message": {"role": "user", "content": [result]}})
        reply.text("Done.")

    agent_server.behaviour = using_tools
    bob = person("bob")
    conversation = bob.begin(agent)

    site.events(bob.say(conversation, "Calendar?"), bob.browser)

    first, second, _ = bob.answer(conversation)["parts"]
    assert first["used"] == [
        {
            "provider": "acme-keys",
            "scopes": [
                {"name": "calendar.read", "words": ""},
                {"name": "calendar.list", "words": ""},
            ],
        }
    ]
    assert "used" not in second
    page = bob.browser.get(f"/chat/{conversation}/").content.decode()
    assert "<code>calendar.list</code>" in page
    assert "not-bobs" not in page
    assert "not-of-this-call" not in page


def test_what_was_used_beside_any_tool_is_told_for_the_answer(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    def answering(reply: Reply) -> None:
        reply.stream()
        released(agent_server.calls[-1], "acme-keys", ["calendar.read"])
        released(agent_server.calls[-1], "not-bobs", ["calendar.read"], sub="alice")
        reply.text("Nothing today.")

    agent_server.behaviour = answering
    bob = person("bob")
    conversation = bob.begin(agent)

    got = site.events(bob.say(conversation, "Calendar?"), bob.browser)

    used = {"provider": "acme-keys", "scopes": [{"name": "calendar.read", "words": ""}]}
    assert bob.answer(conversation)["parts"] == [
        {"kind": "text", "text": "Nothing today."},
        {"kind": "access", "used": [used]},
    ]
    [told] = got.named("part")
    assert (told["index"], told["kind"]) == (1, "access")
    assert "acme-keys" in told["html"]
    assert told["html"] in bob.browser.get(f"/chat/{conversation}/").content.decode()
    file = bob.browser.get(f"/chat/{conversation}/export/markdown/").content.decode()
    assert file.endswith("Nothing today.\n\n> On your behalf: acme-keys: calendar.read\n")


def test_the_stream_a_stream_without_redis_and_the_page_show_the_same(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    def using_tools(reply: Reply) -> None:
        reply.stream()
        reply.text("Let me look:\n\n- here\n\n[and][there]\n\n[there]: https://a.example")
        start = {"toolUse": {"toolUseId": "t1", "name": "read_calendar"}}
        reply.event({"event": {"contentBlockStart": {"start": start}}})
        reply.text("Nothing.")

    agent_server.behaviour = using_tools
    bob = person("bob")
    conversation = bob.begin(agent)
    run = bob.say(conversation, "Calendar?")

    told = site.events(run, bob.browser)
    sync_client().delete(key_of(uuid.UUID(run["id"])))
    told_from_the_row = site.events(run, bob.browser)
    page = bob.browser.get(f"/chat/{conversation}/").content.decode()

    assert told.blocks == told_from_the_row.blocks
    assert told.named("part")[-1] == told_from_the_row.named("part")[-1]
    tool = told.named("part")[-1]["html"]
    assert 'data-state="cut"' in tool
    places = [page.index(html) for html in [*told.blocks[:-1], tool, told.blocks[-1]]]
    assert places == sorted(places)


def test_a_failed_answer_names_the_reference_of_its_audit_events(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    agent_server.behaviour = lambda reply: reply.start("application/json", status=500)
    bob = person("bob")
    conversation = bob.begin(agent)

    finished = site.events(bob.say(conversation, "Hello?"), bob.browser).events[-1].data

    about = AuditEvent.objects.filter(agent=agent.agent_id, subject_sub="bob")
    assert about.filter(action="agent.invocation").exists()
    of_the_run = about.filter(action__startswith="agent.invocation")
    assert {event.reference for event in of_the_run} == {finished["reference"]}
    assert bob.answer(conversation)["run"]["reference"] == finished["reference"]
    assert finished["reference"] in bob.browser.get(f"/chat/{conversation}/").content.decode()


def test_stop_closes_the_way_to_the_agent_and_keeps_what_came(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    def talking(reply: Reply) -> None:
        reply.stream()
        reply.text("Half an ans")
        reply.wait_until_left()

    agent_server.behaviour = talking
    bob = person("bob")
    conversation = bob.begin(agent)
    run = bob.say(conversation, "Talk")
    site.events(run, bob.browser, until=lambda got: bool(got.blocks))

    assert bob.post(f"runs/{run['id']}/stop").status_code == 202

    assert agent_server.left.wait(1.5)
    got = site.events(run, bob.browser)
    assert got.events[-1].data["status"] == "stopped"
    answer = bob.answer(conversation)
    assert (answer["text"], answer["run"]["status"]) == ("Half an ans", "stopped")


def test_a_run_that_nobody_has_begun_is_stopped_at_once(
    agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    bob = person("bob")
    conversation = bob.begin(agent)
    run = bob.say(conversation, "Hello?")

    assert bob.post(f"runs/{run['id']}/stop").status_code == 202

    assert bob.answer(conversation)["run"]["status"] == "stopped"
    assert agent_server.calls == []


def test_a_tab_that_comes_back_misses_nothing_and_sees_nothing_twice(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    def in_two_parts(reply: Reply) -> None:
        reply.stream()
        reply.text("First part.\n\n")
        reply.wait_to_go_on()
        reply.text("Second part.")

    agent_server.behaviour = in_two_parts
    bob = person("bob")
    run = bob.say(bob.begin(agent), "Go")
    before = site.events(run, bob.browser, until=lambda got: bool(got.blocks))
    agent_server.may_go_on.set()

    after = site.events(run, bob.browser, headers={"last-event-id": before.events[-1].id})
    whole = site.events(run, bob.browser)

    assert before.blocks == ["<p>First part.</p>"]
    assert [block["index"] for block in after.named("block")] == [1]
    assert not {event.id for event in before.events} & {event.id for event in after.events}
    assert whole.blocks == ["<p>First part.</p>", "<p>Second part.</p>"]


def test_a_run_whose_events_are_gone_is_told_from_its_row(
    site: Site, agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    run = bob.say(bob.begin(agent), "Hello?")
    site.events(run, bob.browser)
    sync_client().delete(key_of(uuid.UUID(run["id"])))

    got = site.events(run, bob.browser)

    assert got.blocks == ["<p>Hello.</p>"]
    assert got.named("finished") == [ended("done")]


def test_somebody_else_gets_nothing_of_it(site: Site, agent: Agent, person: MakePerson) -> None:
    bob, alice = person("bob"), person("alice")
    conversation = bob.begin(agent)
    run = bob.say(conversation, "Hello?")

    assert site.events(run, alice.browser).status == 404
    assert site.ask(run["events"]).status == 401
    assert alice.post(f"runs/{run['id']}/stop").status_code == 404
    assert alice.post(f"runs/{run['id']}/retry").status_code == 404
    assert alice.get(f"conversations/{conversation}").status_code == 404
    assert alice.browser.get(f"/chat/{conversation}/").status_code == 404
    body = {"text": "Hi", "client_key": str(uuid.uuid4())}
    assert alice.post(f"conversations/{conversation}/messages", body).status_code == 404
    assert alice.get("conversations").json() == []
    assert site.events(run, bob.browser).events[-1].data["status"] == "done"


@pytest.mark.parametrize("path", ["no-uuid", "00000000-0000-0000-0000-000000000000"])
def test_there_are_no_events_of_what_does_not_exist(
    path: str, site: Site, person: MakePerson
) -> None:
    got = site.ask(f"/api/v1/runs/{path}/events", person("bob").browser)

    assert got.status == 404


def test_the_events_stop_once_the_sign_in_is_over(
    site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    agent_server.behaviour = silent
    bob = person("bob")
    run = bob.say(bob.begin(agent), "Hello?")
    site.events(run, bob.browser, until=lambda got: len(got.events) == 2)

    bob.user.is_active = False
    bob.user.save(update_fields=["is_active"])

    assert site.events(run, bob.browser).status == 401


def test_an_open_stream_says_that_the_sign_in_is_over(
    site: Site,
    agent: Agent,
    agent_server: AgentServer,
    person: MakePerson,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "_LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(events, "_WAIT_S", 0.05)

    agent_server.behaviour = silent
    bob = person("bob")
    watching = site.watch(bob.say(bob.begin(agent), "Hello?"), bob.browser)
    page = bob.browser.get("/connections/")

    bob.browser.post("/oidc/logout/", {"csrfmiddlewaretoken": str(page.context["csrf_token"])})

    assert watching.result(PATIENCE_S).events[-1].name == "signed_out"


@pytest.mark.parametrize(
    "last", ["x", "1", "1-1-1", "1-x", "9" * 30, f"1-{2**64}", "1-1\x00", "1" * 5000 + "-0"]
)
def test_an_id_that_no_stream_gives_is_refused(
    last: str, site: Site, agent: Agent, person: MakePerson
) -> None:
    bob = person("bob")
    run = bob.say(bob.begin(agent), "Hello?")

    got = site.ask(run["events"], bob.browser, headers={"last-event-id": last})

    assert (got.status, got.headers["content-type"]) == (400, "application/json")
    assert json.loads(got.body)["error"] == "invalid_request"
