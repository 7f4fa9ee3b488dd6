"""What each role may do on the admin site: every page and every action, and that no more happens.

The pages and actions are the site's own: a new one fails here until it is said who may use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Group, Permission
from django.db import models, transaction
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from agents.keys import access_keys
from agents.models import Agent
from agents.policies import stored
from core.models import AuditEvent, Role, User
from portal.models import SignIn
from portal.roles import ROLES
from portal.roles_kept import keep_roles
from portal.signins import access_token_for
from tests.agents.conftest import ADMIN, make_agent, person, signed_in
from tests.agents.sessions.rows import make_session
from tests.portal.identity_provider import Provider, sign_in
from tests.vault.webhook_parts import endpoint_at, put
from vault.models import (
    AccessEnding,
    ApiKeyProvider,
    ConsentSession,
    CredentialProvider,
    Grant,
)

pytestmark = pytest.mark.django_db

# A letter for each: somebody who Administers all, an Operator, an auditor (Reads), the Help desk.
LETTERS = {"admin": "A", "operator": "O", "auditor": "R", "help-desk": "H", "nobody": "-"}
# Who may look, add, change and delete.
ROWS = {
    "agents_agent": ("AORH", "AO", "AO", "AO"),
    "agents_accesskey": ("AOR", "AO", "", ""),
    "agents_resourcepolicy": ("AOR", "AO", "AO", "AO"),
    "agents_runtimesession": ("AORH", "", "", ""),
    "agents_workloadidentity": ("AOR", "AO", "AO", ""),
    "auth_group": ("AORH", "AO", "", ""),
    "core_auditevent": ("AOR", "", "", ""),
    "core_user": ("AORH", "", "", ""),
    "vault_accessending": ("AOR", "", "", ""),
    "vault_apikeyprovider": ("AOR", "AO", "AO", "AO"),
    "vault_consentsession": ("AORH", "", "", ""),
    "vault_credentialprovider": ("AOR", "AO", "AO", "AO"),
    "vault_grant": ("AORH", "", "", ""),
    "vault_webhookdelivery": ("AOR", "", "", ""),
    "vault_webhookendpoint": ("AOR", "AO", "AO", "AO"),
}
# Pages besides those that all rows have.
PAGES = {
    "agents_accesskey_switch": "AO",
    "agents_accesskey_rotate": "AO",
    "agents_accesskey_revoke": "AO",
    "agents_agent_access": "AORH",
    "agents_agent_explain": "AORH",
    "agents_agent_import": "AO",
    "agents_agent_preview": "AO",
    "agents_agent_seen": "AORH",
    "agents_agent_roll_back": "AO",
    "agents_agent_test": "AO",
    "agents_agent_versions": "AORH",
    "core_user_access": "AORH",
    "vault_credentialprovider_access": "AOR",
    "core_auditevent_export": "AOR",
    "vault_credentialprovider_test": "AO",
    "vault_webhookdelivery_resend": "AO",
    "vault_webhookendpoint_end_old": "AO",
    "vault_webhookendpoint_rotate": "AO",
    "vault_webhookendpoint_test": "AO",
}
# Pages of the site itself: each shows what its reader may look at, or nothing.
OF_THE_SITE = {"index", "login", "logout", "autocomplete", "jsi18n", "app_list"}
ACTIONS = {
    ("agents_accesskey", "disable_selected"): "AO",
    ("agents_accesskey", "enable_selected"): "AO",
    ("agents_agent", "test_selected"): "AO",
    ("agents_agent", "enable_selected"): "AO",
    ("agents_agent", "disable_selected"): "AO",
    ("agents_agent", "end_access"): "AO",
    ("agents_resourcepolicy", "delete_selected"): "AO",
    ("agents_runtimesession", "stop"): "AOH",
    ("agents_workloadidentity", "end_access"): "AO",
    ("core_user", "disable_selected"): "A",
    ("core_user", "enable_selected"): "A",
    ("core_user", "end_access"): "A",
    ("core_user", "sign_out_selected"): "AOH",
    ("vault_credentialprovider", "test_selected"): "AO",
    ("vault_credentialprovider", "end_access"): "AO",
    ("vault_grant", "revoke"): "AOH",
    ("vault_webhookdelivery", "resend_selected"): "AO",
}
LOOKED_AT = {"access": 0, "seen": 0, "explain": 0, "import": 0, "versions": 0, "roll_back": 0}
_OF_ROWS = {"changelist": 0, "history": 0, "add": 1, "change": 2, "delete": 3}


def pages() -> Iterator[str]:
    """Yield the name of every page of the admin site."""
    for entry in admin.site.get_urls():
        yield from (
            str(inner.name) for inner in getattr(entry, "url_patterns", [entry]) if inner.name
        )


def model_pages(page: str) -> tuple[str, str]:
    label, model, view = page.split("_", 2)
    return f"{label}_{model}", view


def offered(user: User) -> set[tuple[str, str]]:
    """Return the actions that `user` is offered on lists."""
    request = RequestFactory().get("/")
    request.user = user
    return {
        (f"{model._meta.app_label}_{model._meta.model_name}", action)
        for model, page in admin.site._registry.items()
        for action in page.get_actions(request)
    }


@pytest.fixture(params=LETTERS)
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def somebody(db: None, role: str) -> User:
    user = person("bob")
    user.is_superuser = role == "admin"
    user.is_staff = role != "nobody"
    user.save()
    user.roles.set(Role.objects.filter(name=role))
    return user


@pytest.fixture
def rows(db: None, settings: Settings) -> dict[str, models.Model]:
    """One row of everything."""
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    agent: Agent = make_agent(url="http://127.0.0.1:1")
    alice = person("alice")
    key, _secret = access_keys.access_key_create(label="k", workload_identity=None, actor=ADMIN)
    stored.policy_put(
        resource_arn=agent.arn,
        text='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",'
        f'"Action":"bedrock-agentcore:InvokeAgentRuntime","Resource":"{agent.arn}"}}]}}',
        actor=ADMIN,
    )
    acme = CredentialProvider.objects.create(
        name="acme",
        discovery_url="http://127.0.0.1:1/.well-known/openid-configuration",
        secret_source="EXTERNAL",
        external_secret_id="a",
        external_json_key="b",
    )
    theirs = {
        "user_iss": alice.iss,
        "user_sub": alice.sub,
        "workload_identity": agent.workload_identity,
        "provider": acme,
        "scopes": ["calendar.read"],
    }
    endpoint, _secret = endpoint_at("http://127.0.0.1:1/")
    found: list[models.Model] = [
        *(agent, alice, key, acme, endpoint, agent.workload_identity),
        Group.objects.create(name="staff"),
        make_session(agent, alice.subject),
        Grant.objects.create(**theirs, granted_at=timezone.now(), access_sealed=b"sealed"),
        ConsentSession.objects.create(
            **theirs, return_url="https://app.example/", expires_at=timezone.now()
        ),
        AccessEnding.objects.create(name="x", kind="person", ordered_by="an admin", total=0),
        ApiKeyProvider.objects.create(
            name="weather",
            secret_source="EXTERNAL",
            external_secret_id="a",
            external_json_key="b",
        ),
        *put(endpoint),
        AuditEvent.objects.earliest("pk"),
        apps.get_model("agents", "ResourcePolicy").objects.get(),
    ]
    return {f"{row._meta.app_label}_{row._meta.model_name}": row for row in found}


def everything() -> dict[str, list[Any]]:
    """Return every row that the admin site knows of."""
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values_list())
        for model in admin.site._registry
    }


def test_it_is_said_of_every_page_and_action_who_may_use_it(somebody: User) -> None:
    of_rows = {f"{model}_{view}" for model in ROWS for view in _OF_ROWS}

    assert set(pages()) == of_rows | PAGES.keys() | OF_THE_SITE
    if somebody.is_superuser:
        assert offered(somebody) == ACTIONS.keys()


def test_a_page_opens_for_whoever_may_use_it_and_else_nothing_happens(
    role: str, somebody: User, rows: dict[str, models.Model]
) -> None:
    browser, letter = signed_in(somebody), LETTERS[role]
    before = everything()
    wrong = []
    for page in sorted(set(pages()) - OF_THE_SITE):
        model, view = model_pages(page)
        for method in ("GET", "POST"):
            if view in _OF_ROWS:
                column = 0 if (view, method) == ("change", "GET") else _OF_ROWS[view]
                may = letter in ROWS[model][column]
            else:
                may = letter in PAGES[page]
            if view not in _OF_ROWS | LOOKED_AT and method == "GET":
                continue  # a button
            if may and view in {"access", "seen", "versions"} and method == "POST":
                continue  # does nothing
            if may and view == "import":
                continue  # asks AWS; tests/aws has it
            args = [] if view in {"changelist", "add", "import", "export"} else [rows[model].pk]
            args += [1] if view == "roll_back" else []
            data = {"post": "yes"} if method == "POST" else {}
            with transaction.atomic():
                url = reverse(f"admin:{page}", args=args)
                status = browser.generic(
                    method,
                    url,
                    "&".join(f"{k}={v}" for k, v in data.items()),
                    content_type="application/x-www-form-urlencoded",
                ).status_code
                if may:
                    transaction.set_rollback(True)
            if (status in {200, 302}) != may or (not may and status != 403):
                wrong.append((method, page, status))

    assert wrong == []
    assert everything() == before


def test_an_action_is_offered_to_whoever_may_use_it_and_else_does_nothing(
    role: str, somebody: User, rows: dict[str, models.Model]
) -> None:
    browser, letter = signed_in(somebody), LETTERS[role]
    before = everything()

    expected = {action for action, letters in ACTIONS.items() if letter in letters}
    if role != "nobody":
        assert offered(somebody) == expected
    for model, action in ACTIONS.keys() - expected:
        asked = {"action": action, ACTION_CHECKBOX_NAME: [str(rows[model].pk)], "confirmed": "yes"}
        answer = browser.post(reverse(f"admin:{model}_changelist"), {**asked, "post": "yes"})
        assert (answer.status_code == 403) == (letter not in ROWS[model][0])

    assert everything() == before


def test_the_start_page_shows_what_may_be_looked_at(role: str, somebody: User) -> None:
    answer = signed_in(somebody).get(reverse("admin:index"))

    if role == "nobody":
        assert answer.status_code == 403
        return
    shown = {
        f"{model['model']._meta.app_label}_{model['model']._meta.model_name}"
        for section in answer.context["app_list"]
        for model in section["models"]
    }
    assert shown == {model for model, (look, *_) in ROWS.items() if LETTERS[role] in look}


def test_who_may_not_look_up_tokens_is_not_offered_people(
    role: str, somebody: User, rows: dict[str, models.Model]
) -> None:
    page = reverse("admin:agents_agent_explain", args=[rows["agents_agent"].pk])
    SignIn.objects.create(user=User.objects.get(sub="alice"), access_expires_at=timezone.now())

    answer = signed_in(somebody).get(page)

    if role != "nobody":
        has = "person" in answer.context["form"].fields
        assert has == somebody.has_perm("agents.look_up_token") == (LETTERS[role] in "AOH")


def test_a_group_of_the_provider_permits_nothing_by_its_name(role: str, somebody: User) -> None:
    group = Group.objects.create(name="operator")
    group.permissions.set(Permission.objects.all())
    before = somebody.get_all_permissions()

    somebody.groups.add(group)

    assert User.objects.get(pk=somebody.pk).get_all_permissions() == before


def test_the_database_follows_what_the_code_says_and_leaves_the_rest() -> None:
    bob, operator = person("bob"), Role.objects.get(name="operator")
    operator.people.add(bob)
    extra = Permission.objects.get(codename="change_user")
    bob.user_permissions.add(extra)
    operator.permissions.add(extra)
    Role.objects.get(name="auditor").permissions.clear()
    Role.objects.create(name="of an older release")

    keep_roles(apps.get_app_config("portal"))

    kept = {
        role.name: {f"{p.content_type.app_label}.{p.codename}" for p in role.permissions.all()}
        for role in Role.objects.all()
    }
    assert kept == ROLES
    assert list(operator.people.all()) == [bob]
    assert list(bob.user_permissions.all()) == [extra]


@pytest.fixture
def given(settings: Settings) -> None:
    settings.DAIKO_ROLES = {"operator": frozenset({"ops"}), "auditor": frozenset({"books", "ops"})}


def roles_of(name: str) -> tuple[bool, bool, set[str]]:
    user = User.objects.get(sub=name)
    return user.is_staff, user.is_superuser, set(user.roles.values_list("name", flat=True))


def changes() -> list[dict[str, Any]]:
    events = AuditEvent.objects.filter(action="person.roles.changed").order_by("pk")
    return [event.detail for event in events]


def test_claims_give_roles_and_take_them_away_at_the_next_sign_in(
    given: None, provider: Provider, visitor: Client
) -> None:
    provider.people["bob"].claims["groups"] = ["ops", "staff"]
    sign_in(visitor, provider, "bob")
    assert roles_of("bob") == (True, False, {"operator", "auditor"})
    assert visitor.get(reverse("admin:agents_agent_add")).status_code == 200

    provider.people["bob"].claims["groups"] = ["books"]
    sign_in(visitor, provider, "bob")
    assert roles_of("bob") == (True, False, {"auditor"})
    assert visitor.get(reverse("admin:agents_agent_add")).status_code == 403

    provider.people["bob"].claims["groups"] = []
    sign_in(visitor, provider, "bob")
    assert roles_of("bob") == (False, False, set())
    assert visitor.get(reverse("admin:index")).status_code == 403
    assert changes() == [
        {"from": [], "to": ["auditor", "operator"]},
        {"from": ["auditor", "operator"], "to": ["auditor"]},
        {"from": ["auditor"], "to": []},
    ]


@pytest.mark.parametrize("groups", [["ops"], ["admins"]])
def test_a_claim_that_is_gone_at_a_renewal_takes_the_role_away(
    given: None, provider: Provider, visitor: Client, groups: list[str]
) -> None:
    provider.people["bob"].claims["groups"] = groups
    sign_in(visitor, provider, "bob")
    assert visitor.get(reverse("admin:index")).status_code == 200
    provider.people["bob"].claims["groups"] = []
    SignIn.objects.update(access_expires_at=timezone.now())

    access_token_for(SignIn.objects.select_related("user").get())

    assert provider.refreshed == 1
    assert roles_of("bob") == (False, False, set())
    assert visitor.get(reverse("admin:index")).status_code == 403


def test_a_renewal_that_does_not_say_leaves_the_roles_as_they_are(
    given: None, provider: Provider, visitor: Client
) -> None:
    provider.people["bob"].claims["groups"] = ["ops"]
    sign_in(visitor, provider, "bob")
    del provider.people["bob"].claims["groups"]
    provider.issuer.answer("/userinfo", status=503)
    SignIn.objects.update(access_expires_at=timezone.now())

    access_token_for(SignIn.objects.select_related("user").get())

    assert provider.refreshed == 1
    assert roles_of("bob") == (True, False, {"operator", "auditor"})
