"""What the seed registers, also where ports have moved and where an admin decided otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.configuration import Configuration
from agents.models import Agent, AgentVersion
from demo.roster import AGENTS, FOR_PROGRAMS
from demo.run.ports import PARTS
from demo.run.state import load
from demo.seed import seed
from vault.models import CredentialProvider

pytestmark = pytest.mark.django_db
JWT, SIGV4 = AgentVersion.AuthMode.JWT, AgentVersion.AuthMode.SIGV4


@pytest.fixture
def state(tmp_path: Path, settings: Any) -> dict[str, Any]:
    """What the supervisor remembers, of parts of which none runs."""
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["localhost"]
    remembered = load(tmp_path / "state.json")
    return remembered | {"urls": urls_from(1)}


def urls_from(port: int) -> dict[str, str]:
    return {part: f"http://localhost:{port + number}" for number, part in enumerate(PARTS)}


def newest(name: str) -> AgentVersion:
    return Agent.objects.get(name=name).versions.latest("number")


def for_programs(name: str) -> AgentVersion:
    version = Agent.objects.get(name=name).endpoints.get(name=FOR_PROGRAMS).version
    assert version is not None
    return version


def test_each_agent_asks_people_for_their_token_and_programs_for_a_signature(
    state: dict[str, Any],
) -> None:
    seed(state)

    for name, about in AGENTS.items():
        version = newest(name)
        assert (version.auth_mode, version.protocol) == (JWT, about.protocol)
        assert set(version.allowed_clients) == {"daiko", "daiko-ask"}
        assert version.allowed_workloads == []
        if about.for_programs:
            assert for_programs(name).auth_mode == SIGV4
            assert for_programs(name).allowed_clients == []


def test_each_called_agent_lists_its_caller_and_nobody_else(state: dict[str, Any]) -> None:
    told = {agent["name"]: agent["workload_name"] for agent in seed(state)["agents"]}

    assert for_programs("scheduler").allowed_workloads == [told["planner"]]
    assert for_programs("calendar_tools").allowed_workloads == [told["scheduler"]]
    assert for_programs("greeter").allowed_workloads == []


def test_a_second_start_changes_nothing(state: dict[str, Any]) -> None:
    first = seed(state)
    versions = AgentVersion.objects.count()

    assert seed(state) == first
    assert AgentVersion.objects.count() == versions


def test_where_ports_have_moved_both_endpoints_follow(state: dict[str, Any]) -> None:
    seed(state)

    seed(state | {"urls": urls_from(100)})

    for name, about in AGENTS.items():
        url = urls_from(100)[name]
        assert (newest(name).url, newest(name).auth_mode) == (url, JWT)
        if about.for_programs:
            assert Configuration.of(for_programs(name)).url == url
            assert for_programs(name).auth_mode == SIGV4


def test_what_an_admin_took_from_an_agent_is_not_given_back(state: dict[str, Any]) -> None:
    seed(state)
    provider = CredentialProvider.objects.get(name="acme-calendar")
    who = {workload.name.rpartition("-")[0] for workload in provider.workloads.all()}
    assert who == {"concierge", "calendar_tools"}
    provider.workloads.clear()

    seed(state)

    assert not provider.workloads.exists()
