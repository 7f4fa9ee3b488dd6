"""The registry on the admin site, as an admin's browser meets it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from agents import services
from agents.configuration import Configuration
from agents.keys import access_keys
from agents.models import AccessKey, Agent, WorkloadIdentity
from core.models import AuditEvent, User
from portal.models import Conversation
from tests.agents.conftest import ADMIN, configured, make_agent, recorded, signed_in
from tests.agents.small_agent import SmallAgent, small_agent
from tests.agents.test_probe import healthy
from tests.fixtures.issuer import Issuer

pytestmark = pytest.mark.django_db

AGENTS = reverse("admin:agents_agent_changelist")
NEW_AGENT = reverse("admin:agents_agent_add")


def page_of(agent: Agent) -> str:
    return reverse("admin:agents_agent_change", args=[agent.pk])


@pytest.fixture
def upstream() -> Iterator[SmallAgent]:
    with small_agent() as running:
        running.behaviour = healthy
        yield running


def form(**changed: Any) -> dict[str, Any]:
    """Return what the form of an agent sends; None leaves a field out."""
    typed: dict[str, Any] = {
        "name": "concierge",
        "display_name": "Concierge",
        "description": "Ask me.",
        "enabled": "on",
        "url": "http://127.0.0.1:8080",
        "protocol": "HTTP",
        "auth_mode": "JWT",
        "discovery_url": "https://idp.example/.well-known/openid-configuration",
        "allowed_clients": "portal",
        "allowed_audience": "",
        "allowed_scopes": "",
        "custom_claims": "[]",
        "header_allowlist": "",
        **changed,
    }
    inlines = ("versions", "endpoints")
    management = {f"{p}-{k}": "0" for p in inlines for k in ("TOTAL_FORMS", "INITIAL_FORMS")}
    return {**management, **{k: v for k, v in typed.items() if v is not None}}


def errors(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200, response.status_code
    found: dict[str, list[str]] = response.context["adminform"].form.errors
    return found


def told(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def test_sections_are_named_by_what_is_in_them(admin: Client) -> None:
    shown = {
        section["name"]: [str(model["name"]) for model in section["models"]]
        for section in admin.get(reverse("admin:index")).context["app_list"]
    }

    assert shown == {
        "Agents": [
            *("Agents", "Workload identities", "Access keys", "Resource policies"),
            "Runtime sessions",
        ],
        "Connections and providers": [
            *("Credential providers", "Grants", "Consent sessions"),
            *("Ends of access", "Webhooks", "Webhook deliveries", "API key providers"),
        ],
        "People and audit": ["Audit events", "People", "Groups"],
    }
    for label in ("core", "auth"):
        page = admin.get(reverse("admin:app_list", args=[label]))
        assert [len(section["models"]) for section in page.context["app_list"]] == [3]


def test_a_section_holds_what_its_admin_may_look_at(admin: Client, alice: User) -> None:
    alice.is_superuser = False
    alice.save()
    alice.user_permissions.set(Permission.objects.filter(codename="view_group"))

    (section,) = admin.get(reverse("admin:index")).context["app_list"]

    assert [str(model["name"]) for model in section["models"]] == ["Groups"]
    assert section["name"] == "People and audit"
    assert admin.get(reverse("admin:app_list", args=["core"])).status_code == 404


def test_an_agent_is_registered_in_one_form(
    admin: Client, alice: User, bob: User, staff: Group
) -> None:
    response = admin.post(
        NEW_AGENT,
        form(
            allowed_groups=[staff.pk],
            allowed_users=[bob.pk],
            allowed_scopes="agents:call\r\n\r\n agents:all ",
            header_allowlist="X-Tenant",
            custom_claims='[{"inboundTokenClaimName": "d", "inboundTokenClaimValueType": "STRING", '
            '"authorizingClaimMatchValue": {"claimMatchOperator": "EQUALS", '
            '"claimMatchValue": {"matchValueString": "support"}}}]',
        ),
        follow=True,
    )

    agent = Agent.objects.get()
    assert response.redirect_chain == [(page_of(agent), 302)]
    assert told(response)[-1].startswith("Test it now")
    assert reverse("admin:agents_agent_test", args=[agent.pk]) in response.content.decode()
    version = agent.versions.get()
    assert version.allowed_scopes == ["agents:call", "agents:all"]
    assert version.custom_claims[0]["inboundTokenClaimName"] == "d"
    assert list(agent.allowed_groups.all()) == [staff]
    assert list(agent.allowed_users.all()) == [bob]
    event = AuditEvent.objects.get(action="admin.agent.registered")
    assert (event.actor, event.subject_sub) == ("Alice", "alice")


def test_the_pages_show_what_there_is(
    admin: Client, concierge: Agent, django_assert_max_num_queries: Any
) -> None:
    for name in ("second", "third"):
        make_agent(name, everyone=True)

    with django_assert_max_num_queries(16):
        listed = admin.get(AGENTS).content.decode()
    page = admin.get(page_of(concierge)).content.decode()

    assert all(word in listed for word in ("Concierge", "http://127.0.0.1:8080", "everyone"))
    assert concierge.arn in page
    assert 'value="http://127.0.0.1:8080"' in page
    assert "DEFAULT" in page
    assert "the newest version" in page


def test_pages_hold_no_inline_script_or_style(admin: Client, concierge: Agent) -> None:
    key, _ = access_keys.access_key_create(label="k", workload_identity=None, actor=ADMIN)
    for path in (
        AGENTS,
        NEW_AGENT,
        page_of(concierge),
        reverse("admin:agents_accesskey_add"),
        reverse("admin:agents_accesskey_change", args=[key.pk]),
        reverse("admin:agents_workloadidentity_changelist"),
        reverse("admin:core_user_changelist"),
        reverse("admin:auth_group_add"),
    ):
        response = admin.get(path)
        page = response.content.decode()

        assert response.status_code == 200, path
        assert "unsafe" not in response.headers["content-security-policy"]
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*json)[^>]*>", page), path
        assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", page), path
        assert "<style" not in page, path


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "1st"}, "name"),
        ({"display_name": ""}, "display_name"),
        ({"url": "ftp://agent"}, "url"),
        ({"url": "http://10.0.0.1"}, "url"),
        ({"discovery_url": "https://idp.example"}, "discovery_url"),
        ({"url": "http://127.0.0.1:8080/invocations"}, "url"),
        ({"allowed_clients": ""}, "allowed_clients"),
        ({"allowed_scopes": "a b"}, "allowed_scopes"),
        ({"custom_claims": "{"}, "custom_claims"),
        ({"custom_claims": '{"a": 1}'}, "custom_claims"),
        ({"custom_claims": '"scp"'}, "custom_claims"),
        ({"header_allowlist": "Cookie"}, "header_allowlist"),
        ({"auth_mode": "NONE"}, "auth_mode"),
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_nothing_typed_is_lost(
    admin: Client, changed: dict[str, str], field: str
) -> None:
    response = admin.post(NEW_AGENT, form(**changed))

    assert list(errors(response)) == [field]
    assert not Agent.objects.exists()
    assert 'value="https://idp.example' in response.content.decode()


def test_all_that_is_wrong_is_told_in_one_round(admin: Client, concierge: Agent) -> None:
    wrong = {
        "name": concierge.name,
        "display_name": "",
        "url": "",
        "discovery_url": "https://idp.example",
        "allowed_scopes": "a a",
        "custom_claims": "{",
        "header_allowlist": "Cookie",
    }

    found = errors(admin.post(NEW_AGENT, form(**wrong, allowed_clients="")))

    assert set(found) == set(wrong)


def test_an_agent_that_people_spoke_with_is_not_deleted_and_it_is_said_what_to_do(
    admin: Client, concierge: Agent, bob: User
) -> None:
    Conversation.objects.create(user=bob, agent=concierge)
    access_keys.access_key_create(
        label="k", workload_identity=concierge.workload_identity, actor=ADMIN
    )
    url = reverse("admin:agents_agent_delete", args=[concierge.pk])

    page = admin.get(url).content.decode()

    assert "1 conversation" in page
    assert "Switch it off instead" in page
    assert 'name="post"' not in page
    admin.post(url, {"post": "yes"})
    assert Agent.objects.exists()


def test_deleting_says_what_goes_with_the_agent(admin: Client, concierge: Agent) -> None:
    access_keys.access_key_create(
        label="k", workload_identity=concierge.workload_identity, actor=ADMIN
    )

    page = admin.get(reverse("admin:agents_agent_delete", args=[concierge.pk])).content.decode()

    for entailed in ("1 agent", "1 agent version", "1 workload identity", "1 access key"):
        assert f"<li>{entailed}</li>" in page
    assert "relationship" not in page  # of the agent and its group


def test_an_agent_leads_to_what_is_on_record_of_it(admin: Client, concierge: Agent) -> None:
    url = reverse("admin:core_auditevent_changelist", query={"agent": concierge.agent_id})

    assert f'href="{url}"' in admin.get(page_of(concierge)).content.decode()
    assert admin.get(reverse("admin:agents_agent_change", args=[0])).status_code == 302


def test_a_name_is_taken_once(admin: Client, concierge: Agent) -> None:
    assert list(errors(admin.post(NEW_AGENT, form()))) == ["name"]
    assert Agent.objects.count() == 1


def test_a_change_of_what_a_version_says_makes_a_new_one(
    admin: Client, concierge: Agent, staff: Group
) -> None:
    typed = form(name=None, allowed_clients="portal\r\ncli", allowed_groups=[staff.pk])

    response = admin.post(page_of(concierge), typed, follow=True)

    assert "Version 2 is in force." in told(response)
    assert concierge.versions.order_by("-number")[0].allowed_clients == ["portal", "cli"]
    assert [action for action, *_ in recorded()][-2:] == [
        "admin.agent.described",
        "admin.agent.configured",
    ]


def test_all_that_a_version_says_is_typed_and_shown_again(
    admin: Client, concierge: Agent, staff: Group
) -> None:
    WorkloadIdentity.objects.create(name="planner")
    typed = form(
        name=None,
        allowed_groups=[staff.pk],
        url="https://agents.example",
        protocol="MCP",
        path="/tools",
        port="8000",
        allowed_scopes="call\r\nread",
        advertised_scopes="call api://agents/call\r\n\r\nread  api://agents/read",
        client_claims=["azp", "cid"],
        resource_identifier="https://agents.example/",
        allowed_workloads="planner",
        session_idle_s="60",
        session_lifetime_s="120",
        role_arn="arn:aws:iam::000000000000:role/agents",
        network='{"networkMode": "PUBLIC"}',
    )

    admin.post(page_of(concierge), typed)

    version = concierge.versions.order_by("-number")[0]
    assert Configuration.of(version) == configured(
        url="https://agents.example",
        protocol="MCP",
        path="/tools",
        port=8000,
        allowed_scopes=("call", "read"),
        advertised_scopes={"call": "api://agents/call", "read": "api://agents/read"},
        client_claims=("azp", "cid"),
        resource_identifier="https://agents.example/",
        allowed_workloads=("planner",),
        session_idle_s=60,
        session_lifetime_s=120,
        role_arn="arn:aws:iam::000000000000:role/agents",
        network={"networkMode": "PUBLIC"},
    )
    page = admin.get(page_of(concierge))
    assert "also by the claims: azp, cid" in page.content.decode()
    assert "for others: planner" in page.content.decode()
    shown = page.context["adminform"].form
    assert shown["advertised_scopes"].value() == ("call api://agents/call\nread api://agents/read")
    admin.post(page_of(concierge), typed)
    assert concierge.versions.count() == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("path", "/../admin"),
        ("port", "70000"),
        *(("advertised_scopes", v) for v in ("portal", "a b c", "a b\r\na c", "other x")),
        ("client_claims", "sub"),
        ("resource_identifier", "http://agents.example"),
        ("allowed_workloads", "nobody"),
        ("session_idle_s", "1"),
        ("session_lifetime_s", "60"),
        ("role_arn", "admin"),
        *(("network", v) for v in ("{", "[1]", '{"networkMode": "LAN"}')),
        ("called_with", "BEARER"),
    ],
)
def test_what_cannot_be_is_refused_in_the_folded_parts_of_the_form_too(
    admin: Client, field: str, value: str
) -> None:
    response = admin.post(NEW_AGENT, form(**{field: value}))

    assert list(errors(response)) == [field]
    folded = [f for f in response.context["adminform"] if "collapse" in f.classes]
    # Where something is wrong inside, it is not folded.
    assert all(not f.is_collapsible for f in folded if field in str(f.fields))
    assert not Agent.objects.exists()


def test_another_change_makes_none(admin: Client, concierge: Agent, staff: Group) -> None:
    typed = form(
        name=None, display_name="Porter", enabled=None, allow_everyone="on", allowed_groups=[]
    )

    response = admin.post(page_of(concierge), typed, follow=True)

    assert response.status_code == 200
    changed = Agent.objects.get()
    assert (changed.display_name, changed.enabled, changed.allow_everyone) == (
        "Porter",
        False,
        True,
    )
    assert not changed.allowed_groups.exists()
    assert changed.versions.count() == 1
    assert [action for action, *_ in recorded()][-3:] == [
        "admin.agent.described",
        "admin.agent.disabled",
        "admin.agent.opened_to",
    ]


def test_the_name_cannot_be_changed(admin: Client, concierge: Agent) -> None:
    admin.post(page_of(concierge), form(name="other"))

    assert Agent.objects.get().name == "concierge"


def test_an_authorizer_is_dropped_only_with_a_tick(admin: Client, concierge: Agent) -> None:
    typed = form(name=None, auth_mode="SIGV4", discovery_url="", allowed_clients="")

    assert list(errors(admin.post(page_of(concierge), typed))) == ["may_drop_authorizer"]
    assert concierge.versions.count() == 1

    admin.post(page_of(concierge), {**typed, "may_drop_authorizer": "on"})
    assert concierge.versions.order_by("-number")[0].auth_mode == "SIGV4"


def test_a_change_that_cannot_be_recorded_is_not_made(
    admin: Client, concierge: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise AssertionError("the last of the services fails")

    monkeypatch.setattr(services, "agent_configure", refuse)

    with pytest.raises(AssertionError):
        admin.post(page_of(concierge), form(name=None, display_name="Porter", enabled=None))

    unchanged = Agent.objects.get()
    assert (unchanged.display_name, unchanged.enabled) == ("Concierge", True)


def test_the_test_of_an_agent_shows_its_findings(
    admin: Client, upstream: SmallAgent, issuer: Issuer
) -> None:
    agent = make_agent("a", issuer, url=upstream.url, allowed_clients=("daiko",))

    one = admin.post(reverse("admin:agents_agent_test", args=[agent.pk]), follow=True)
    many = admin.post(
        AGENTS, {"action": "test_selected", "_selected_action": [agent.pk]}, follow=True
    )

    for response in (one, many):
        assert told(response)[0] == "A: The agent answers and is healthy."
        assert told(response)[-1].startswith("A: Nobody may use this agent yet.")
    assert one.redirect_chain == [(page_of(agent), 302)]
    assert f'action="{reverse("admin:agents_agent_test", args=[agent.pk])}"' in (
        one.content.decode()
    )


def test_the_test_is_asked_for_by_post_alone(admin: Client, concierge: Agent) -> None:
    url = reverse("admin:agents_agent_test", args=[concierge.pk])

    assert admin.get(url).status_code == 405
    assert Client(enforce_csrf_checks=True).post(url).status_code in {302, 403}
    assert admin.post(reverse("admin:agents_agent_test", args=[0])).status_code == 404


@pytest.mark.parametrize("enabled", [True, False])
def test_agents_are_switched_from_the_list(admin: Client, concierge: Agent, enabled: bool) -> None:
    services.agent_switch(agent=concierge, enabled=not enabled, actor=ADMIN)
    action = "enable_selected" if enabled else "disable_selected"

    chosen = {"action": action, "_selected_action": [concierge.pk]}
    response = admin.post(AGENTS, chosen, follow=True)

    assert told(response) == [f"“Concierge” is switched {'on' if enabled else 'off'}."]
    assert Agent.objects.get().enabled is enabled
    assert AuditEvent.objects.latest("pk").subject_sub == "alice"


def test_an_agent_is_deleted_on_its_page_and_not_many_at_once(
    admin: Client, concierge: Agent
) -> None:
    assert "delete_selected" not in admin.get(AGENTS).content.decode()

    admin.post(
        reverse("admin:agents_agent_delete", args=[concierge.pk]), {"post": "yes"}, follow=True
    )

    assert not Agent.objects.exists()
    assert not WorkloadIdentity.objects.exists()
    assert recorded()[-1][0] == "admin.agent.deleted"


def test_who_may_only_look_changes_nothing(looker: Client, concierge: Agent) -> None:
    key, _ = access_keys.access_key_create(label="k", workload_identity=None, actor=ADMIN)
    before = recorded()

    page = looker.get(page_of(concierge))
    assert page.status_code == 200
    assert "_save" not in page.content.decode()
    assert reverse("admin:agents_agent_test", args=[concierge.pk]) not in page.content.decode()
    for url, typed in (
        (NEW_AGENT, form(name="other")),
        (page_of(concierge), form(display_name="Porter")),
        (reverse("admin:agents_agent_test", args=[concierge.pk]), {}),
        (reverse("admin:agents_agent_delete", args=[concierge.pk]), {"post": "yes"}),
        (reverse("admin:agents_accesskey_add"), {"label": "mine"}),
        (reverse("admin:agents_accesskey_switch", args=[key.pk]), {"enabled": "no"}),
        (reverse("admin:agents_workloadidentity_add"), {"name": "mine"}),
        (reverse("admin:auth_group_add"), {"name": "mine"}),
    ):
        assert looker.post(url, typed).status_code == 403, url
    for url, row in (
        (AGENTS, concierge),
        (reverse("admin:agents_accesskey_changelist"), key),
        (reverse("admin:core_user_changelist"), User.objects.get(sub="bob")),
    ):
        looker.post(url, {"action": "disable_selected", "_selected_action": [row.pk]})

    assert recorded() == before
    assert Agent.objects.get().enabled
    assert AccessKey.objects.get().enabled


def test_who_does_not_administer_the_site_finds_none_of_it(charlie: User, concierge: Agent) -> None:
    for client in (signed_in(charlie), Client()):
        for url in (AGENTS, page_of(concierge), reverse("admin:agents_accesskey_add")):
            assert client.get(url).status_code in {302, 403, 404}
            assert client.post(url, form()).status_code in {302, 403, 404}


def test_a_key_is_shown_once_on_the_page_that_answers_its_creation(
    admin: Client, concierge: Agent, settings: Any
) -> None:
    identity = concierge.workload_identity

    response = admin.post(
        reverse("admin:agents_accesskey_add"),
        {"label": "laptop", "kind": "agent", "workload_identity": identity.pk},
    )

    assert response.status_code == 200
    assert "no-store" in response.headers["cache-control"]
    key = AccessKey.objects.get()
    secret = key.secret().reveal()
    page = html.unescape(response.content.decode())
    assert key.access_key_id in page
    assert secret in page
    assert identity.name in page
    for line in (
        f"export AWS_ACCESS_KEY_ID={key.access_key_id}",
        f"export AWS_SECRET_ACCESS_KEY={secret}",
        f"export AWS_REGION={settings.AWS_REGION}",
        f"export AWS_ENDPOINT_URL_BEDROCK_AGENTCORE={settings.SITE_URL}",
        f"export AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL={settings.SITE_URL}",
    ):
        assert f"{line}\n" in page
    for path in (
        reverse("admin:agents_accesskey_changelist"),
        reverse("admin:agents_accesskey_change", args=[key.pk]),
        reverse("admin:index"),
    ):
        again = html.unescape(admin.get(path).content.decode())
        assert secret not in again
        assert bytes(key.secret_sealed or b"").hex() not in again
    assert AuditEvent.objects.get(action="admin.access_key.created").subject_sub == "alice"


OPERATOR = {"label": "op", "kind": "operator", "may_do_everything": "on"}


def test_an_operators_key_is_bound_to_nothing_and_the_record_says_which_was_made(
    admin: Client,
) -> None:
    page = admin.post(reverse("admin:agents_accesskey_add"), OPERATOR).content.decode()

    key = AccessKey.objects.get()
    assert (key.kind, key.workload_identity) == ("operator", None)
    assert "Operator: everything" in page
    assert AuditEvent.objects.latest("pk").detail["kind"] == "operator"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"kind": ""}, "kind"),
        ({"kind": "agent", "may_do_everything": ""}, "workload_identity"),
        ({"may_do_everything": ""}, "may_do_everything"),
        ({"workload_identity": "an identity"}, "workload_identity"),
        ({"kind": "agent", "workload_identity": "an identity"}, "may_do_everything"),
    ],
)
def test_a_key_is_not_made_unless_it_is_said_whose_it_is(
    admin: Client, concierge: Agent, changed: dict[str, Any], field: str
) -> None:
    typed = {**OPERATOR, **changed}
    if typed.get("workload_identity"):
        typed["workload_identity"] = concierge.workload_identity.pk

    response = admin.post(reverse("admin:agents_accesskey_add"), typed)

    assert list(errors(response)) == [field]
    assert not AccessKey.objects.exists()


def test_neither_kind_of_key_is_chosen_beforehand(admin: Client) -> None:
    page = admin.get(reverse("admin:agents_accesskey_add")).content.decode()

    assert "checked" not in page


@pytest.mark.parametrize("bound", [True, False])
def test_the_database_holds_no_key_that_is_of_two_kinds(concierge: Agent, bound: bool) -> None:
    identity = concierge.workload_identity
    key, _ = access_keys.access_key_create(
        label="k", workload_identity=identity if bound else None, actor=ADMIN
    )
    other = "operator" if bound else "agent"

    with pytest.raises(IntegrityError), transaction.atomic():
        AccessKey.objects.filter(pk=key.pk).update(kind=other)


def test_a_key_is_never_edited_or_deleted_and_is_switched_off_on_record(admin: Client) -> None:
    key, _ = access_keys.access_key_create(label="k", workload_identity=None, actor=ADMIN)
    page = reverse("admin:agents_accesskey_change", args=[key.pk])
    listed = reverse("admin:agents_accesskey_changelist")

    assert admin.post(page, {"label": "other"}).status_code == 403
    deleting = reverse("admin:agents_accesskey_delete", args=[key.pk])
    assert admin.post(deleting, {"post": "yes"}).status_code == 403

    admin.post(listed, {"action": "disable_selected", "_selected_action": [key.pk]})
    assert not AccessKey.objects.get().enabled
    admin.post(listed, {"action": "enable_selected", "_selected_action": [key.pk]})
    assert AccessKey.objects.get().enabled
    assert AccessKey.objects.get().label == "k"
    assert [action for action, *_ in recorded()][-2:] == [
        "admin.access_key.disabled",
        "admin.access_key.enabled",
    ]


def test_an_identity_is_created_changed_and_switched(admin: Client) -> None:
    add = reverse("admin:agents_workloadidentity_add")

    wrong = admin.post(add, {"name": "a b", "allowed_return_urls": "javascript:alert(1)"})
    assert set(errors(wrong)) == {"name", "allowed_return_urls"}
    admin.post(add, {"name": "batch", "allowed_return_urls": "https://app.example/a"})
    identity = WorkloadIdentity.objects.get()
    page = reverse("admin:agents_workloadidentity_change", args=[identity.pk])
    assert identity.arn in admin.get(page).content.decode()
    admin.post(page, {"name": "other", "allowed_return_urls": "https://app.example/b\nhttp://x/"})

    changed = WorkloadIdentity.objects.get()
    assert (changed.name, changed.enabled) == ("batch", False)
    assert changed.allowed_return_urls == ["https://app.example/b", "http://x/"]
    assert [action for action, *_ in recorded()] == [
        "admin.workload_identity.created",
        "admin.workload_identity.changed",
        "admin.workload_identity.disabled",
    ]
    deleting = reverse("admin:agents_workloadidentity_delete", args=[identity.pk])
    assert admin.post(deleting, {"post": "yes"}).status_code == 403


def test_identities_are_listed_with_their_agents(admin: Client, concierge: Agent) -> None:
    services.workload_identity_create(name="batch", actor=ADMIN)

    page = admin.get(reverse("admin:agents_workloadidentity_changelist")).content.decode()

    assert "Concierge" in page
    assert "batch" in page


def test_people_are_looked_at_and_switched_but_not_oneself(
    admin: Client, alice: User, bob: User
) -> None:
    listed = reverse("admin:core_user_changelist")
    page = admin.get(reverse("admin:core_user_change", args=[bob.pk]))
    assert page.status_code == 200
    assert "password" not in page.content.decode().lower()
    assert "_save" not in page.content.decode()

    chosen = {"action": "disable_selected", "_selected_action": [alice.pk, bob.pk]}
    response = admin.post(listed, chosen, follow=True)

    assert sorted(told(response)) == [
        "You cannot switch off your own account.",
        "“Bob” is switched off.",
    ]
    assert User.objects.get(pk=alice.pk).is_active
    assert not User.objects.get(pk=bob.pk).is_active
    admin.post(listed, {"action": "enable_selected", "_selected_action": [bob.pk]})
    assert User.objects.get(pk=bob.pk).is_active
    for url in (
        reverse("admin:core_user_add"),
        reverse("admin:core_user_delete", args=[bob.pk]),
        reverse("admin:core_user_change", args=[bob.pk]),
    ):
        assert admin.post(url, {"post": "yes", "username": "x"}).status_code == 403


def test_groups_are_made_and_not_changed(admin: Client, staff: Group) -> None:
    admin.post(reverse("admin:auth_group_add"), {"name": "editors"})

    assert Group.objects.filter(name="editors").exists()
    assert recorded()[-1][0] == "admin.group.created"
    page = reverse("admin:auth_group_change", args=[staff.pk])
    assert admin.post(page, {"name": "admins"}).status_code == 403
    deleting = reverse("admin:auth_group_delete", args=[staff.pk])
    assert admin.post(deleting, {"post": "yes"}).status_code == 403


def test_an_endpoint_shows_the_version_that_it_points_at(admin: Client, concierge: Agent) -> None:
    version = concierge.versions.get()
    concierge.endpoints.create(name="v1", version=version)
    services.agent_configure(agent=concierge, asked=configured(url="http://127.0.0.1"), actor=ADMIN)

    page = admin.get(page_of(concierge)).content.decode()

    assert "version 1" in page
    assert "the newest version" in page


def test_a_key_is_switched_on_its_own_page(admin: Client) -> None:
    key, _ = access_keys.access_key_create(label="k", workload_identity=None, actor=ADMIN)
    page = reverse("admin:agents_accesskey_change", args=[key.pk])
    switch = reverse("admin:agents_accesskey_switch", args=[key.pk])

    for enabled, words in (("no", "Switch off"), ("yes", "Switch on")):
        shown = admin.get(page).content.decode()
        assert f'action="{switch}"' in shown
        assert f'name="enabled" value="{enabled}"' in shown
        assert words in shown
        assert admin.post(switch, {"enabled": enabled}).headers["location"] == page
        assert AccessKey.objects.get().enabled is (enabled == "yes")
    assert [action for action, *_ in recorded()][-2:] == [
        "admin.access_key.disabled",
        "admin.access_key.enabled",
    ]
    assert admin.get(switch).status_code == 405
    unknown = reverse("admin:agents_accesskey_switch", args=[key.pk + 1])
    assert admin.post(unknown, {"enabled": "no"}).status_code == 404


def test_a_key_is_not_switched_by_whoever_may_only_look(looker: Client) -> None:
    key, _ = access_keys.access_key_create(label="k", workload_identity=None, actor=ADMIN)
    switch = reverse("admin:agents_accesskey_switch", args=[key.pk])
    shown = looker.get(reverse("admin:agents_accesskey_change", args=[key.pk]))

    assert switch not in shown.content.decode()
    assert looker.post(switch, {"enabled": "no"}).status_code == 403
    assert AccessKey.objects.get().enabled


def test_claims_that_nobody_asked_for_are_an_empty_field(admin: Client, concierge: Agent) -> None:
    for url in (NEW_AGENT, page_of(concierge)):
        field = admin.get(url).context["adminform"].form["custom_claims"]
        assert ">\n</textarea>" in str(field)
