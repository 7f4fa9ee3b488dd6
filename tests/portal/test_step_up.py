"""Dangerous things take a fresh sign-in, which the provider has to vouch for."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from agents.keys import access_keys
from agents.models import AccessKey, Agent
from core.models import AuditEvent
from portal import step_up
from portal.models import SignIn
from tests.agents.conftest import ADMIN, make_agent
from tests.agents.test_admin import form
from tests.portal.identity_provider import Provider, sign_in
from tests.portal.test_roles import ACTIONS, pages

pytestmark = pytest.mark.django_db

# What is posted without: it shows, tests, stops or sends, or ends what may have leaked.
HARMLESS_PAGES = {
    *("index", "login", "logout", "autocomplete", "jsi18n", "app_list"),
    "agents_accesskey_switch",
    "agents_agent_access",
    "agents_agent_explain",
    "agents_agent_preview",  # saves nothing
    "agents_agent_seen",
    "agents_agent_test",
    "agents_agent_versions",
    "auth_group_add",  # nobody is in it
    "core_user_access",
    "vault_credentialprovider_access",
    "core_auditevent_export",  # what the list shows anyhow, and on record
    "vault_credentialprovider_test",
    "vault_webhookdelivery_resend",
    "vault_webhookendpoint_end_old",
    "vault_webhookendpoint_test",
}
HARMLESS_ACTIONS = {"sign_out_selected", "test_selected", "stop", "resend_selected"}


@pytest.fixture
def agent(db: None, settings: Settings) -> Agent:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1", "localhost"]
    return make_agent()


@pytest.fixture
def alice(visitor: Client, provider: Provider) -> Client:
    """The browser of an admin who signed in, nobody says when."""
    visitor = Client()
    sign_in(visitor, provider, "alice")
    return visitor


def url_of(view: str, row: Any) -> str:
    label = row._meta.label_lower.replace(".", "_")
    return reverse(f"admin:{label}_{view}", args=[row.pk])


def again(browser: Client, provider: Provider, person: str = "alice", to: str = "/admin/") -> Any:
    """Sign in again as `person`, and return the site's answer."""
    url = browser.get(step_up.url_to(to))["Location"]
    return browser.get("/oidc/callback/", provider.callback_for(url, person))


def stale(browser: Client, agent: Agent) -> bool:
    return bool(browser.get(url_of("delete", agent)).status_code == 302)


def test_it_is_said_of_every_page_and_action_whether_it_is_dangerous() -> None:
    never = ("_history", "_changelist")
    of_nobody = {
        f"{model._meta.app_label}_{model._meta.model_name}_{view}"
        for model, page in admin.site._registry.items()
        for view in ("add", "change", "delete")
        if f"{model._meta.app_label}_{model._meta.model_name}_{view}" in NEVER
    }
    told = step_up.PAGES | step_up.FORMS | HARMLESS_PAGES | of_nobody

    assert {name for name in pages() if not name.endswith(never)} == told
    assert {action for _model, action in ACTIONS} == step_up.ACTIONS | HARMLESS_ACTIONS


# Forms of rows that nobody adds, changes or deletes (tests/portal/test_roles.py).
NEVER = {
    *("agents_accesskey_change", "agents_accesskey_delete"),
    *(f"agents_runtimesession_{view}" for view in ("add", "change", "delete")),
    *("agents_workloadidentity_delete", "auth_group_change", "auth_group_delete"),
    *(f"core_auditevent_{view}" for view in ("add", "change", "delete")),
    *(f"core_user_{view}" for view in ("add", "change", "delete")),
    *(f"vault_accessending_{view}" for view in ("add", "change", "delete")),
    *(f"vault_consentsession_{view}" for view in ("add", "change", "delete")),
    *(f"vault_grant_{view}" for view in ("add", "change", "delete")),
    *(f"vault_webhookdelivery_{view}" for view in ("add", "change", "delete")),
}


def test_the_provider_is_asked_to_have_the_person_sign_in_again(
    alice: Client, agent: Agent
) -> None:
    page = url_of("delete", agent)

    answer = alice.get(page, follow=False)
    asked = alice.get(answer["Location"])["Location"]

    assert answer["Location"] == step_up.url_to(page)
    query = parse_qs(urlsplit(asked).query)
    assert (query["prompt"], query["max_age"]) == (["login"], ["0"])
    assert query["scope"] == ["openid profile email groups"]


def test_whoever_just_signed_in_again_goes_on_with_the_sign_in_that_there_was(
    alice: Client, agent: Agent, provider: Provider
) -> None:
    page, [signin] = url_of("delete", agent), SignIn.objects.all()
    provider.forgery.claims = {"auth_time": int(time.time())}
    before = alice.session.session_key

    answer = again(alice, provider, to=page)

    assert (answer.status_code, answer["Location"]) == (302, page)
    assert alice.session.session_key != before
    assert list(SignIn.objects.filter(state=SignIn.State.LIVE)) == [signin]
    assert provider.revoked == []
    assert AuditEvent.objects.filter(action="person.signed_in_again").count() == 1
    assert Agent.objects.exists()
    assert alice.post(page, {"post": "yes"}).status_code == 302
    assert not Agent.objects.exists()


@pytest.mark.parametrize(
    ("claims", "person", "reason"),
    [
        ({}, "alice", "no_auth_time"),
        ({"auth_time": int(time.time()) - 3600}, "alice", "stale_sign_in"),
        ({"auth_time": int(time.time()) + 3600}, "alice", "stale_sign_in"),
        ({"auth_time": "now"}, "alice", "stale_sign_in"),
        ({"auth_time": True}, "alice", "stale_sign_in"),
        ({"auth_time": int(time.time())}, "bob", "another_person"),
        ({"auth_time": int(time.time()), "nonce": "another"}, "alice", "nonce_mismatch"),
    ],
)
def test_an_answer_that_does_not_prove_it_is_refused_and_nothing_happened(
    *,
    claims: dict[str, Any],
    person: str,
    reason: str,
    alice: Client,
    agent: Agent,
    provider: Provider,
) -> None:
    signins = list(SignIn.objects.values_list("pk", "state"))
    provider.forgery.claims = claims

    answer = again(alice, provider, person)

    assert answer.status_code == 403
    assert list(SignIn.objects.values_list("pk", "state")) == signins
    assert alice.get("/admin/").context["user"].sub == "alice"
    assert stale(alice, agent)
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.reason) == ("person.signin.refused", reason)


def test_an_answer_for_a_sign_in_that_is_over_confirms_no_other(
    alice: Client, agent: Agent, provider: Provider
) -> None:
    url = alice.get(step_up.url_to("/admin/"))["Location"]
    sign_in(alice, provider, "alice")
    provider.forgery.claims = {"auth_time": int(time.time())}

    answer = alice.get("/oidc/callback/", provider.callback_for(url, "alice"))

    assert answer.status_code == 400
    assert stale(alice, agent)


@pytest.mark.parametrize("view", ["revoke", "rotate", "switch"])
def test_a_button_does_nothing_without_and_leads_to_the_way(alice: Client, view: str) -> None:
    key, _secret = access_keys.access_key_create(label="k", workload_identity=None, actor=ADMIN)

    if view == "switch":  # off is done at once, on is not
        alice.post(url_of(view, key))
        assert not AccessKey.objects.get().enabled

    answer = alice.post(url_of(view, key), {"enabled": "yes"})

    back = url_of("revoke" if view == "revoke" else "change", key)
    assert answer.status_code == 403
    assert answer.context["url"] == step_up.url_to(back)
    key = AccessKey.objects.get()  # and no second one
    assert (key.revoked_at, key.enabled) == (None, view != "switch")


def test_what_was_ticked_is_kept_but_not_that_it_was_confirmed(alice: Client, agent: Agent) -> None:
    ticked = {"action": "end_access", "_selected_action": [str(agent.pk)]}

    answer = alice.post(reverse("admin:agents_agent_changelist"), {**ticked, "confirmed": "yes"})

    assert answer.status_code == 403
    assert answer.context["ticked"] == [
        ("action", "end_access"),
        ("_selected_action", str(agent.pk)),
    ]
    agent.refresh_from_db()
    assert agent.enabled


def test_a_form_comes_back_with_what_was_typed_and_saves_once_somebody_signed_in_again(
    alice: Client, agent: Agent, provider: Provider
) -> None:
    page, before = url_of("change", agent), agent.versions.count()
    typed = form(display_name="Another", url="http://127.0.0.1:9")

    shown = alice.post(page, typed).content.decode()

    assert 'value="Another"' in shown
    assert "Nothing was saved" in shown
    assert step_up.url_to(page).replace("&", "&amp;") in shown
    agent.refresh_from_db()
    assert (agent.display_name, agent.versions.count()) == ("Concierge", before)

    provider.forgery.claims = {"auth_time": int(time.time())}
    again(alice, provider)
    alice.post(page, typed)
    agent.refresh_from_db()
    assert agent.display_name == "Another"


def test_a_secret_that_was_typed_does_not_come_back(alice: Client) -> None:
    typed = {"name": "weather", "secret_source": "MANAGED", "api_key": "sk-typed"}

    shown = alice.post(reverse("admin:vault_apikeyprovider_add"), typed).content.decode()

    assert "Nothing was saved" in shown
    assert "sk-typed" not in shown


def test_it_is_good_for_ten_minutes_and_for_its_own_sign_in(
    alice: Client, agent: Agent, provider: Provider
) -> None:
    provider.forgery.claims = {"auth_time": int(time.time())}
    again(alice, provider)
    signin, other = SignIn.objects.get(), SignIn()
    proved = float(alice.session["proved"][1])

    assert step_up.is_fresh(alice.session, signin, at=proved + 599)
    assert not step_up.is_fresh(alice.session, signin, at=proved + 600)
    assert not step_up.is_fresh(alice.session, signin, at=proved - 1)
    assert not step_up.is_fresh(alice.session, other, at=proved + 1)
    provider.forgery.claims = {}
    sign_in(alice, provider, "alice")
    assert stale(alice, agent)


@pytest.mark.parametrize(("age_s", "is_stale"), [(0, False), (3600, True)])
def test_a_sign_in_is_as_fresh_as_the_provider_says(
    provider: Provider, agent: Agent, age_s: int, is_stale: bool
) -> None:
    provider.forgery.claims = {"auth_time": int(time.time()) - age_s}
    browser = Client()
    sign_in(browser, provider, "alice")

    assert stale(browser, agent) == is_stale


def test_whoever_is_not_signed_in_signs_in_first(provider: Provider) -> None:
    answer = Client().get(step_up.url_to("/admin/"))

    assert answer["Location"].startswith("/oidc/authenticate/?next=")
