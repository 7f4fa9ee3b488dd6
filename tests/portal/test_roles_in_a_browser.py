"""What an operator, an auditor and a helper find on the admin site, and what they cannot do."""

from __future__ import annotations

import time

import pytest
from django.utils import timezone
from playwright.sync_api import expect
from pytest_django import Settings

from agents.models import Agent
from core.audit import Actor
from core.models import AuditEvent, User
from core.secret import Secret
from tests.agents.conftest import person
from tests.browser.in_words import Reader
from tests.portal.identity_provider import Provider
from tests.portal.in_a_browser import Browse
from vault.models import CredentialProvider, Grant
from vault.providers.services import provider_store

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def granted(agent: Agent, provider: Provider) -> Grant:
    """What Dora granted the agent, of a provider whose secret is kept."""
    dora: User = person("dora")
    acme = provider_store(
        provider=CredentialProvider(
            name="acme",
            display_name="Acme",
            client_id="daiko",
            discovery_url=provider.issuer.discovery_url,
        ),
        client_secret=Secret("a secret of the provider"),
        actor=Actor("a test"),
    )
    return Grant.objects.create(
        user_iss=dora.iss,
        user_sub=dora.sub,
        workload_identity=agent.workload_identity,
        provider=acme,
        scopes=["calendar.read"],
        granted_at=timezone.now(),
        access_sealed=b"sealed",
    )


def status(reader: Reader, where: str) -> int:
    answer = reader.page.goto(where)
    assert answer is not None
    return answer.status


@pytest.fixture
def bobs_role(request: pytest.FixtureRequest, house: Provider, settings: Settings) -> None:
    house.people["bob"].claims["groups"] = ["books"]
    house.forgery.claims = {"auth_time": int(time.time())}
    house.lets_in("bob")
    settings.DAIKO_ROLES = {request.param: frozenset({"books"})}


@pytest.mark.usefixtures("bobs_role")
@pytest.mark.parametrize("bobs_role", ["auditor"], indirect=True)
def test_an_auditor_reads_everything_but_secrets_and_changes_nothing(
    url: str, browse: Browse, agent: Agent, granted: Grant
) -> None:
    def work(reader: Reader) -> None:
        assert status(reader, f"{url}/admin/") == 200  # signed in on the way
        page = reader.page
        assert status(reader, f"{url}/admin/core/auditevent/") == 200
        expect(page.locator("#result_list tbody tr").first).to_be_visible()
        reader.fits()
        for where in (
            f"{url}/admin/agents/agent/{agent.pk}/change/",
            f"{url}/admin/vault/credentialprovider/{granted.provider_id}/change/",
            f"{url}/admin/vault/grant/{granted.pk}/change/",
        ):
            assert status(reader, where) == 200
            expect(page.locator("[name=_save], [type=password]")).to_have_count(0)
            assert "a secret of the provider" not in page.content()
            reader.fits()
        page.goto(f"{url}/admin/vault/grant/")
        expect(page.locator("select[name=action]")).to_have_count(0)
        assert status(reader, f"{url}/admin/agents/agent/add/") == 403
        reader.fits()

    browse(work)
    assert not AuditEvent.objects.filter(action__startswith="admin.agent.changed").exists()


@pytest.mark.usefixtures("bobs_role")
@pytest.mark.parametrize("bobs_role", ["help-desk"], indirect=True)
def test_the_help_desk_revokes_what_somebody_granted_and_reads_no_trail(
    url: str, browse: Browse, granted: Grant
) -> None:
    def work(reader: Reader) -> None:
        assert status(reader, f"{url}/admin/") == 200  # signed in on the way
        page = reader.page
        expect(page.locator("a[href='/admin/core/auditevent/']")).to_have_count(0)
        assert status(reader, f"{url}/admin/core/auditevent/") == 403
        page.goto(f"{url}/admin/vault/grant/")
        page.locator("#result_list tbody").get_by_role("checkbox").check()
        page.locator("select[name=action]").select_option(
            label=reader.words("Revoke the selected grants")
        )
        page.locator("button[name=index]").click()
        reader.fits()
        reader.press("Revoke")
        expect(page.locator(".messagelist")).to_be_visible()
        reader.fits()

    browse(work)
    granted.refresh_from_db()
    assert granted.state != "live"
    event = AuditEvent.objects.get(action="vault.grant.revoked")
    assert (event.subject_sub, event.actor) == ("dora", "Bob")


@pytest.mark.usefixtures("bobs_role")
@pytest.mark.parametrize("bobs_role", ["operator"], indirect=True)
def test_an_operator_runs_agents_and_switches_nobody_off(
    url: str, browse: Browse, agent: Agent, granted: Grant
) -> None:
    def work(reader: Reader) -> None:
        assert status(reader, f"{url}/admin/") == 200  # signed in on the way
        page = reader.page
        page.goto(f"{url}/admin/agents/agent/{agent.pk}/change/")
        page.locator("#id_description").fill("Helps more.")
        page.locator("[name=_save]").click()
        expect(page.locator(".messagelist .success")).to_be_visible()
        page.goto(f"{url}/admin/core/user/")
        offered = page.locator("select[name=action] option").all_inner_texts()
        assert reader.words("Sign the selected people out everywhere") in offered
        assert reader.words("Switch the selected accounts off") not in offered
        reader.fits()

    browse(work)
    agent.refresh_from_db()
    assert agent.description == "Helps more."
