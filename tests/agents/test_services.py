from __future__ import annotations

import re
import threading
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction

from agents import services
from agents.configuration import Configuration, ConfigurationRefused
from agents.errors import AgentInUse, NameTaken
from agents.models import AccessKey, Agent, AgentEndpoint, AgentVersion, WorkloadIdentity
from core import audit
from core.audit import Actor
from core.errors import InvalidRequest
from core.models import AuditEvent, User
from tests.agents.conftest import ADMIN, configured, make_agent, recorded

pytestmark = pytest.mark.django_db


def test_an_agent_comes_with_a_version_an_endpoint_and_an_identity_of_its_name(
    bob: User, staff: Group
) -> None:
    agent = make_agent("concierge", groups=[staff], people=[bob], allowed_scopes=("a",))

    assert re.fullmatch(r"concierge-[A-Za-z0-9]{10}", agent.agent_id)
    assert agent.arn.endswith(f":runtime/{agent.agent_id}")
    assert agent.workload_identity.name == agent.agent_id
    assert agent.workload_identity.arn.endswith(f"/workload-identity/{agent.agent_id}")
    version = agent.versions.get()
    assert version.number == 1
    assert Configuration.of(version) == configured(allowed_scopes=("a",))
    assert [(e.name, e.version) for e in agent.endpoints.all()] == [("DEFAULT", None)]
    assert list(agent.allowed_groups.all()) == [staff]
    assert list(agent.allowed_users.all()) == [bob]


def test_registering_is_on_record_with_who_did_it(alice: User) -> None:
    agent = services.agent_register(
        name="concierge", display_name="C", asked=configured(), actor=Actor.person(alice)
    )

    event = AuditEvent.objects.get(action="admin.agent.registered")
    assert (event.actor, event.subject_sub, event.agent) == ("Alice", "alice", agent.agent_id)
    assert event.detail["allowed_clients"] == ["portal"]
    assert event.detail["groups"] == []


def test_a_bad_configuration_registers_nothing() -> None:
    with pytest.raises(ConfigurationRefused):
        make_agent(url="http://169.254.169.254/")

    assert not Agent.objects.exists()
    assert not WorkloadIdentity.objects.exists()
    assert recorded() == []


@pytest.mark.parametrize("name", ["", "1st", "a-b", "a b", "é", "a" * 49])
def test_a_bad_name_registers_nothing_and_is_told_at_the_name(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make_agent(name, display_name="Concierge")

    assert [error.name for error in caught.value.fields] == ["name"]
    assert not WorkloadIdentity.objects.exists()


def test_a_name_is_taken_once_and_the_refusal_leaves_nothing_behind() -> None:
    make_agent("concierge")
    before = recorded()

    with pytest.raises(NameTaken):
        make_agent("concierge")

    assert Agent.objects.count() == WorkloadIdentity.objects.count() == 1
    assert recorded() == before


def test_nothing_is_changed_that_cannot_be_recorded(
    monkeypatch: pytest.MonkeyPatch, concierge: Agent
) -> None:
    def away(_: audit.Event) -> None:
        raise audit.AuditUnavailable

    monkeypatch.setattr(audit, "record", away)

    for change in (
        lambda: make_agent("other"),
        lambda: services.agent_switch(agent=concierge, enabled=False, actor=ADMIN),
        lambda: services.agent_delete(agent=concierge, actor=ADMIN),
        lambda: services.agent_configure(
            agent=concierge, asked=configured(allowed_scopes=("a",)), actor=ADMIN
        ),
        lambda: services.agent_open_to(
            agent=concierge, everyone=True, groups=[], people=[], actor=ADMIN
        ),
        lambda: services.workload_identity_create(name="other", actor=ADMIN),
    ):
        with pytest.raises(audit.AuditUnavailable):
            change()

    there = Agent.objects.get()
    assert there.enabled
    assert not there.allow_everyone
    assert there.versions.count() == 1


def test_another_configuration_is_a_new_version(concierge: Agent) -> None:
    asked = configured(allowed_clients=("portal", "cli"))

    version = services.agent_configure(agent=concierge, asked=asked, actor=ADMIN)

    assert (version.number, concierge.versions.count()) == (2, 2)
    event = AuditEvent.objects.latest("pk")
    assert event.action == "admin.agent.configured"
    assert event.detail == {"version": 2, "allowed_clients": ["portal", "cli"]}


def test_the_same_configuration_is_the_same_version_and_not_on_record(concierge: Agent) -> None:
    before = recorded()

    version = services.agent_configure(agent=concierge, asked=configured(), actor=ADMIN)

    assert version.number == 1
    assert recorded() == before


def test_an_authorizer_is_dropped_only_where_somebody_says_so(concierge: Agent) -> None:
    open_one = replace(configured(), auth_mode="SIGV4", discovery_url="", allowed_clients=())

    with pytest.raises(ConfigurationRefused):
        services.agent_configure(agent=concierge, asked=open_one, actor=ADMIN)
    assert concierge.versions.count() == 1

    version = services.agent_configure(
        agent=concierge, asked=open_one, actor=ADMIN, may_drop_authorizer=True
    )
    assert (version.number, version.auth_mode) == (2, "SIGV4")


def test_a_bad_configuration_makes_no_version(concierge: Agent) -> None:
    with pytest.raises(ConfigurationRefused):
        services.agent_configure(agent=concierge, asked=configured(url="x"), actor=ADMIN)

    assert concierge.versions.count() == 1


def test_an_agent_that_lost_its_versions_gets_a_first_one(concierge: Agent) -> None:
    concierge.versions.all().delete()

    version = services.agent_configure(agent=concierge, asked=configured(), actor=ADMIN)

    assert version.number == 1


@pytest.mark.django_db(transaction=True)
def test_two_admins_at_once_make_two_versions() -> None:
    agent = make_agent()
    together = threading.Barrier(2)
    made: list[int] = []

    def configure(scope: str) -> None:
        try:
            together.wait()
            asked = configured(allowed_scopes=(scope,))
            made.append(services.agent_configure(agent=agent, asked=asked, actor=ADMIN).number)
        finally:
            connection.close()

    threads = [threading.Thread(target=configure, args=(scope,)) for scope in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(made) == [2, 3]


@pytest.mark.parametrize("change", ["save", "update"])
def test_the_database_refuses_to_change_a_version(concierge: Agent, change: str) -> None:
    version = concierge.versions.get()

    with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
        if change == "save":
            version.allowed_clients = ["anybody"]
            version.save()
        else:
            AgentVersion.objects.update(allowed_clients=["anybody"])

    assert concierge.versions.get().allowed_clients == ["portal"]


@pytest.mark.parametrize(
    ("broken", "constraint"),
    [
        ({"discovery_url": ""}, "names_its_issuer"),
        ({"allowed_clients": []}, "restricts_its_callers"),
        ({"number": 1}, "one_version_per_number"),
    ],
)
def test_the_database_holds_the_rules_of_a_version_too(
    concierge: Agent, broken: dict[str, Any], constraint: str
) -> None:
    columns = {**configured().columns(), "number": 2, **broken}

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        AgentVersion.objects.create(agent=concierge, **columns)


def test_the_default_endpoint_cannot_be_pinned(concierge: Agent) -> None:
    with pytest.raises(IntegrityError, match="follows_the_newest"), transaction.atomic():
        concierge.endpoints.update(version=concierge.versions.get())

    AgentEndpoint.objects.create(agent=concierge, name="v1", version=concierge.versions.get())
    assert [str(endpoint) for endpoint in concierge.endpoints.order_by("name")] == ["DEFAULT", "v1"]
    assert str(concierge.versions.get()) == f"{concierge.pk} v1"


def test_switching_is_on_record_once(concierge: Agent) -> None:
    for enabled in (False, False, True, True):
        services.agent_switch(agent=concierge, enabled=enabled, actor=ADMIN)
        assert Agent.objects.get().enabled is concierge.enabled is enabled

    actions = [action for action, *_ in recorded()][-2:]
    assert actions == ["admin.agent.disabled", "admin.agent.enabled"]


def test_describing_is_on_record_and_checked(concierge: Agent) -> None:
    services.agent_describe(
        agent=concierge, display_name="Porter", description="Ask me.", actor=ADMIN
    )
    services.agent_describe(
        agent=concierge, display_name="Porter", description="Ask me.", actor=ADMIN
    )

    assert Agent.objects.get().display_name == "Porter"
    assert [action for action, *_ in recorded()].count("admin.agent.described") == 1
    with pytest.raises(InvalidRequest):
        services.agent_describe(agent=concierge, display_name="", description="", actor=ADMIN)


def test_opening_an_agent_says_who_could_and_who_can(
    concierge: Agent, bob: User, staff: Group
) -> None:
    for _ in range(2):
        services.agent_open_to(
            agent=concierge, everyone=False, groups=[], people=[bob], actor=ADMIN
        )

    event = AuditEvent.objects.get(action="admin.agent.opened_to")
    assert event.detail["before"] == {"everyone": False, "groups": ["staff"], "people": []}
    assert event.detail["after"]["people"] == [bob.subject.owner]
    assert list(concierge.allowed_groups.all()) == []


def test_deleting_takes_versions_identity_and_keys_along(concierge: Agent) -> None:
    AccessKey.objects.create(
        access_key_id="AKIA",
        secret_sealed=b"",
        kind=AccessKey.Kind.AGENT,
        workload_identity=concierge.workload_identity,
    )

    services.agent_delete(agent=concierge, actor=ADMIN)

    for model in (Agent, AgentVersion, AgentEndpoint, WorkloadIdentity, AccessKey):
        assert not model._default_manager.exists()
    assert recorded()[-1] == ("admin.agent.deleted", "allowed", "")


@pytest.mark.parametrize("name", ["", "ab", "a b", "é" * 3, "a/b/c", "a" * 256])
def test_a_workload_identity_has_a_name_that_fits_an_arn(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        services.workload_identity_create(name=name, actor=ADMIN)

    assert [error.name for error in caught.value.fields] == ["name"]
    assert not WorkloadIdentity.objects.exists()


def test_a_workload_identitys_name_is_taken_once() -> None:
    services.workload_identity_create(name="batch", actor=ADMIN)

    with pytest.raises(NameTaken):
        services.workload_identity_create(name="batch", actor=ADMIN)

    assert recorded() == [("admin.workload_identity.created", "allowed", "")]


@pytest.mark.parametrize(
    "url",
    [
        *("", "app", "javascript:alert(1)", "data:text/html,x", "ftp://app.example/done"),
        *("https://", "https:///done", "https://u:p@app.example/", "https://app.example/#x"),
        *("https://app.example/a b", "https://app.example\\@evil.example/", "//app.example"),
        "https://app.example/" + "a" * 2048,
    ],
)
def test_a_return_url_that_nobody_can_be_sent_to_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        services.workload_identity_create(name="batch", allowed_return_urls=[url], actor=ADMIN)

    assert [error.name for error in caught.value.fields] == ["allowed_return_urls"]
    assert not WorkloadIdentity.objects.exists()


def test_return_urls_are_replaced_as_a_whole() -> None:
    identity = services.workload_identity_create(
        name="batch", allowed_return_urls=["http://localhost:8081/oauth2/callback"], actor=ADMIN
    )
    for _ in range(2):
        services.workload_identity_change(
            identity=identity, allowed_return_urls=["https://app.example/done?x=1"], actor=ADMIN
        )

    stored = WorkloadIdentity.objects.get()
    assert stored.allowed_return_urls == ["https://app.example/done?x=1"]
    assert [action for action, *_ in recorded()].count("admin.workload_identity.changed") == 1
    with pytest.raises(InvalidRequest):
        services.workload_identity_change(
            identity=identity, allowed_return_urls=["app"], actor=ADMIN
        )


def test_an_identity_is_switched_on_record() -> None:
    identity = services.workload_identity_create(name="batch", actor=ADMIN)
    for enabled in (False, False, True):
        services.workload_identity_switch(identity=identity, enabled=enabled, actor=ADMIN)

    assert WorkloadIdentity.objects.get().enabled
    assert [action for action, *_ in recorded()][1:] == [
        "admin.workload_identity.disabled",
        "admin.workload_identity.enabled",
    ]


def test_an_identity_in_use_protects_its_agent(
    concierge: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_agent("greeter")
    greeter = Agent.objects.get(name="greeter")

    # Grants and conversations refer to an identity or an agent and protect it; so does an agent.
    monkeypatch.setattr(concierge, "workload_identity", greeter.workload_identity)
    with pytest.raises(AgentInUse):
        services.agent_delete(agent=concierge, actor=ADMIN)

    assert Agent.objects.count() == 2
    assert "admin.agent.deleted" not in [action for action, *_ in recorded()]
