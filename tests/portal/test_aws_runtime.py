"""What this site does with a runtime at AWS besides asking it: no token of its own, and the end."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

import pytest

from agents.aws import places
from agents.models import Agent, RuntimeSession
from agents.services import agent_open_to
from core.models import AuditEvent, DataKey
from tests.agents.plane import invocation_path
from tests.portal.aws_region import ACTOR, Region, hosted, running_region
from tests.portal.conftest import MakePerson
from tests.portal.identity_provider import Provider
from tests.portal.site import Got, Site

SESSION = "x-amzn-bedrock-agentcore-runtime-session-id"
CHOSEN = "session-" + "7" * 36

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def region(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Region]:
    with running_region(monkeypatch) as running:
        yield running


def call(site: Site, agent: Agent, provider: Provider) -> Got:
    """Call the agent as a program does for bob, who has never signed in to this site."""
    agent_open_to(agent=agent, everyone=True, groups=(), people=(), actor=ACTOR)
    return asked(site, invocation_path(agent), provider)


def stop(site: Site, agent: Agent, provider: Provider, *, sub: str = "bob") -> Got:
    path = invocation_path(agent).replace("/invocations", "/stopruntimesession")
    return asked(site, path, provider, sub=sub)


def asked(site: Site, path: str, provider: Provider, *, sub: str = "bob") -> Got:
    token = provider.issuer.token(sub=sub)
    headers = {"authorization": f"Bearer {token}", "content-length": "0", SESSION: CHOSEN}
    return site.ask(path, method="POST", headers=headers)


def recorded() -> list[tuple[str, str]]:
    events = AuditEvent.objects.filter(action="agent.session.stopped_at_aws").order_by("pk")
    return [(event.outcome, event.reason) for event in events]


def is_over() -> bool:
    return RuntimeSession.objects.get().ended_at is not None


def test_no_workload_access_token_is_made_for_an_agent_at_aws(
    site: Site, region: Region, provider: Provider
) -> None:
    got = call(site, hosted(provider), provider)

    assert got.status == 200, got.body
    (called,) = region.agent.calls
    assert not {"workloadaccesstoken", "x-amz-bedrock-agentcore-identity-wat"} & set(called.headers)
    # Nothing was sealed at all: there is no key yet to seal with.
    assert not DataKey.objects.exists()


def test_for_an_agent_of_ours_one_is_made(
    site: Site, agent: Agent, region: Region, provider: Provider
) -> None:
    got = call(site, agent, provider)

    assert got.status == 200, got.body
    assert DataKey.objects.exists()


@pytest.mark.parametrize("called_with", [places.BEARER, places.SIGV4])
def test_a_session_that_is_stopped_is_stopped_at_aws_too(
    called_with: str, site: Site, region: Region, provider: Provider
) -> None:
    agent = hosted(provider, called_with=called_with)
    call(site, agent, provider)

    got = stop(site, agent, provider)

    assert (got.status, got.body) == (200, b"{}")
    assert is_over()
    (there,) = region.stopped
    (called,) = region.agent.calls
    assert there.headers[SESSION] == called.headers[SESSION] != CHOSEN
    assert unquote(there.path) == (
        "/runtimes/arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/hosted-a1B2c3D4e5"
        "/stopruntimesession?qualifier=DEFAULT"
    )
    signed = "AWS4-HMAC-SHA256 " if called_with == places.SIGV4 else "Bearer "
    assert there.headers["authorization"].startswith(signed)
    assert recorded() == [("allowed", "")]
    # What AWS does not know any more is over.
    assert stop(site, agent, provider).status == 200
    assert len(region.stopped) == 2


def test_nobody_stops_the_session_of_another_at_aws(
    site: Site, region: Region, provider: Provider
) -> None:
    agent = hosted(provider)
    call(site, agent, provider)

    got = stop(site, agent, provider, sub="alice")

    assert got.status == 404
    assert region.stopped == []
    assert not is_over()
    assert recorded() == []


@pytest.mark.parametrize("called_with", [places.BEARER, places.SIGV4])
def test_while_aws_is_away_the_session_is_over_here_and_may_be_stopped_again(
    called_with: str, site: Site, region: Region, provider: Provider
) -> None:
    agent = hosted(provider, called_with=called_with)
    call(site, agent, provider)
    region.away = True

    got = stop(site, agent, provider)

    assert got.status == 424
    assert b"not at AWS" in got.body
    assert is_over()
    assert recorded() == [("allowed", ""), ("failed", "aws_refused")]
    region.away = False
    assert stop(site, agent, provider).status == 200
    assert recorded()[2:] == [("allowed", "")]


def test_the_session_of_an_agent_of_ours_is_no_matter_of_awss(
    site: Site, agent: Agent, region: Region, provider: Provider
) -> None:
    call(site, agent, provider)

    assert stop(site, agent, provider).status == 200

    assert region.stopped == []
    assert recorded() == []


def test_a_person_stops_their_own_by_the_sites_api(
    site: Site, region: Region, provider: Provider, person: MakePerson
) -> None:
    agent = hosted(provider)
    bob = person("bob")
    site.events(bob.say(bob.begin(agent), "Hello?"), bob.browser)
    page = bob.browser.get("/connections/")

    answer = bob.browser.delete(
        f"/api/v1/sessions/{RuntimeSession.objects.get().pk}",
        headers={"X-CSRFToken": str(page.context["csrf_token"])},
    )

    assert answer.status_code == 200, answer.content
    (there,) = region.stopped
    assert there.headers["authorization"] == region.agent.calls[0].headers["authorization"]
    assert is_over()


@pytest.mark.parametrize("called_with", [places.BEARER, places.SIGV4])
def test_an_admin_stops_it_at_aws_where_no_token_of_the_persons_is_needed(
    called_with: str, site: Site, region: Region, provider: Provider, person: MakePerson
) -> None:
    agent = hosted(provider, called_with=called_with)
    call(site, agent, provider)
    admin = person("alice").browser
    listed = "/admin/agents/runtimesession/"
    form = {
        "action": "stop",
        "confirmed": "yes",
        "_selected_action": str(RuntimeSession.objects.get().pk),
        "csrfmiddlewaretoken": str(admin.get(listed).context["csrf_token"]),
    }

    page = admin.post(listed, form, follow=True).content.decode()

    assert "1 session stopped." in page
    assert is_over()
    if called_with == places.SIGV4:
        assert len(region.stopped) == 1
        assert "goes on at AWS" not in page
    else:
        assert region.stopped == []
        assert "1 of them goes on at AWS" in page
        assert recorded() == [("allowed", ""), ("failed", "no_persons_token")]
