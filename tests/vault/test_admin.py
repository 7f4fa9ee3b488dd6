"""The vault on the admin site, as an admin's browser meets it."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents.models import WorkloadIdentity
from core.crypto import seal
from core.models import User
from core.secret import Secret
from tests.fixtures.provider import Provider
from tests.vault.conftest import Browser, World, administering, events
from vault.ending import revocations
from vault.models import AccessEnding, ConsentSession, CredentialProvider, Grant
from vault.vendors.table import VENDORS

pytestmark = pytest.mark.django_db

PROVIDERS = "admin:vault_credentialprovider"


@pytest.fixture
def admin(settings: Any, alice: User) -> Client:
    """Alice's browser."""
    return administering(alice, settings)


def form(there: Provider, **changed: Any) -> dict[str, Any]:
    """Return what an admin types for a new provider."""
    return {
        "name": "acme-2",
        "display_name": "Acme, too",
        "vendor": "CustomOauth2",
        "enabled": "on",
        "client_id": "daiko",
        "client_auth": "client_secret_basic",
        "client_secret": "very-secret",
        "secret_source": "MANAGED",
        "signing_algorithm": "RS256",
        "obo_actor": "NONE",
        "discovery_url": there.discovery_url,
        "scope_words": '{"calendar.read": {"en": "See your calendar"}}',
        "extra_authorize_params": "",
        "refresh_grace_s": "60",
        "refresh_at_once": "50",
        "workloads": [],
        **changed,
    }


def test_a_provider_is_registered_with_its_secret_sealed(
    admin: Client, there: Provider, concierge: WorkloadIdentity
) -> None:
    response = admin.post(reverse(f"{PROVIDERS}_add"), form(there, workloads=[str(concierge.pk)]))

    assert response.status_code == 302, response.content.decode()
    made = CredentialProvider.objects.get()
    assert made.client().secret == Secret("very-secret")
    assert list(made.workloads.all()) == [concierge]
    assert made.extra_authorize_params == {}
    added = events("admin.provider.added")[0]
    assert (added.subject_sub, added.provider) == ("alice", "acme-2")
    assert added.detail["workloads"] == ["concierge-0123456789"]
    assert "very-secret" not in str(added.detail)


def test_the_page_shows_the_callback_url_and_never_the_secret(
    admin: Client, acme: CredentialProvider
) -> None:
    page = admin.get(reverse(f"{PROVIDERS}_change", args=[acme.pk])).content.decode()

    assert acme.callback_url in page
    assert "s3cret" not in page
    assert 'name="name"' not in page
    empty = admin.get(reverse(f"{PROVIDERS}_add"), {"vendor": "CustomOauth2"}).content.decode()
    assert "Shown once it is saved" in empty


def test_saving_without_typing_the_secret_keeps_it(
    admin: Client, acme: CredentialProvider, there: Provider
) -> None:
    changed = form(there, client_secret="", display_name="Renamed", workloads=[])
    response = admin.post(reverse(f"{PROVIDERS}_change", args=[acme.pk]), changed)

    assert response.status_code == 302, response.content.decode()
    kept = CredentialProvider.objects.get()
    assert (kept.name, kept.display_name) == ("acme", "Renamed")
    assert kept.client().secret == Secret("s3cret:+/%&")
    assert not kept.workloads.exists()


def test_a_provider_is_pointed_elsewhere_only_with_its_secret(
    admin: Client, acme: CredentialProvider, there: Provider
) -> None:
    elsewhere = "https://elsewhere.example/.well-known/openid-configuration"
    changed = form(there, client_secret="", discovery_url=elsewhere)
    page = admin.post(reverse(f"{PROVIDERS}_change", args=[acme.pk]), changed)

    assert page.status_code == 200
    assert "would be sent to another server" in page.content.decode()
    assert CredentialProvider.objects.get().discovery_url == there.discovery_url


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"client_secret": ""}, "Needed, except by a public client."),
        ({"client_auth": "none"}, "A public client has no secret."),
        ({"discovery_url": ""}, "Needed where there is no discovery URL."),
        ({"discovery_url": "https://10.0.0.1/.well-known/x"}, "is not a public address"),
        ({"discovery_url": "http://acme.example/.well-known/x"}, "over https only"),
        ({"issuer": "https://acme.example"}, "Leave this empty"),
        ({"scope_words": '{"a": "words"}'}, "needs words by language"),
        ({"extra_authorize_params": '{"state": "x"}'}, "set by the flow itself: state"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(
    changed: dict[str, str], said: str, admin: Client, there: Provider
) -> None:
    page = admin.post(reverse(f"{PROVIDERS}_add"), form(there, **changed))

    assert page.status_code == 200
    assert said in page.content.decode()
    assert not CredentialProvider.objects.exists()


def test_a_public_client_needs_no_secret(admin: Client, there: Provider) -> None:
    typed = form(there, client_auth="none", client_secret="")

    assert admin.post(reverse(f"{PROVIDERS}_add"), typed).status_code == 302


def test_a_provider_is_tested_from_the_list(admin: Client, acme: CredentialProvider) -> None:
    page = admin.post(
        reverse(f"{PROVIDERS}_changelist"),
        {"action": "test_selected", "_selected_action": [str(acme.pk)]},
        follow=True,
    ).content.decode()

    assert "Acme Calendar: It knows this client and accepts its authentication." in page
    assert "delete_selected" not in page


def test_the_list_says_where_refreshes_fail(admin: Client, world: World, alice: User) -> None:
    world.grant(alice)
    url = reverse(f"{PROVIDERS}_changelist")
    assert "1 connection<" not in admin.get(url).content.decode()

    Grant.objects.update(failures=2)
    assert "1 connection<" in admin.get(url).content.decode()


def test_a_provider_that_was_never_used_can_be_deleted_after_a_question(
    admin: Client, acme: CredentialProvider
) -> None:
    url = reverse(f"{PROVIDERS}_delete", args=[acme.pk])
    assert "This cannot be taken back" in admin.get(url).content.decode()

    assert admin.post(url, {"post": "yes"}).status_code == 302
    assert not CredentialProvider.objects.exists()
    assert events("admin.provider.deleted")


def test_a_provider_at_which_somebody_is_connected_is_deleted_once_it_was_told(
    admin: Client, world: World, alice: User
) -> None:
    world.grant(alice)
    url = reverse(f"{PROVIDERS}_delete", args=[world.provider.pk])

    page = admin.get(url).content.decode()
    assert "1 connection, which ends here and at the provider" in page
    assert "nobody was asked for" not in page  # there is none to lose
    page = admin.post(url, {"post": "yes"}, follow=True).content.decode()

    assert "deleted once it was told of all that ends" in page
    assert not CredentialProvider.objects.get().enabled
    assert AccessEnding.objects.get().deletes


def test_a_provider_is_tested_on_its_page_by_post_alone(
    admin: Client, acme: CredentialProvider
) -> None:
    url = reverse(f"{PROVIDERS}_test", args=[acme.pk])

    assert url in admin.get(reverse(f"{PROVIDERS}_change", args=[acme.pk])).content.decode()
    page = admin.post(url, follow=True).content.decode()
    assert "Acme Calendar: It knows this client and accepts its authentication." in page
    assert admin.get(url).status_code == 405
    assert admin.post(reverse(f"{PROVIDERS}_test", args=[uuid4()])).status_code == 404


def test_whoever_may_only_look_tests_no_provider(
    admin: Client, acme: CredentialProvider, alice: User
) -> None:
    alice.is_superuser = False
    alice.save(update_fields=["is_superuser"])
    alice.user_permissions.set(Permission.objects.filter(codename="view_credentialprovider"))

    url = reverse(f"{PROVIDERS}_test", args=[acme.pk])
    assert url not in admin.get(reverse(f"{PROVIDERS}_change", args=[acme.pk])).content.decode()
    assert admin.post(url).status_code == 403


def test_a_new_provider_leads_to_its_callback_url(admin: Client, there: Provider) -> None:
    page = admin.post(reverse(f"{PROVIDERS}_add"), form(there), follow=True).content.decode()

    assert "Register the callback URL below" in page
    assert CredentialProvider.objects.get().callback_url in page


@pytest.fixture
def two_grants(world: World, alice: User, bob: User) -> None:
    User.objects.filter(pk=alice.pk).update(email="alice@work.example")
    world.grant(alice)
    world.grant(bob)


@pytest.mark.parametrize("kind", ["grant", "consentsession"])
@pytest.mark.parametrize(
    ("asked", "found"),
    [("alice", 1), ("alice@work.example", 1), ("concierge", 2), ("acme alice", 1), ("carol", 0)],
)
@pytest.mark.usefixtures("two_grants")
def test_grants_and_consents_are_found_by_the_names_that_an_admin_knows(
    admin: Client, kind: str, asked: str, found: int
) -> None:
    listed = admin.get(reverse(f"admin:vault_{kind}_changelist"), {"q": asked})

    assert len(listed.context["cl"].result_list) == found


def test_a_list_of_consents_says_who_was_asked_and_what_came_of_it(
    admin: Client, world: World, alice: User
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    browser.get(world.there.deny(world.to_provider(waiting, browser), words="No, thanks"))
    session = ConsentSession.objects.get()

    page = admin.get(reverse("admin:vault_consentsession_changelist")).content.decode()

    for words in ("Alice", "Concierge", "Acme Calendar", "denied", "access_denied"):
        assert words in page
    assert f"{session.created_at:%Y-%m-%d %H:%M:%S}" in page


def test_grants_are_looked_at_without_a_secret_and_neither_added_nor_changed(
    admin: Client, world: World, alice: User
) -> None:
    grant = world.grant(alice)
    token = world.token(alice)

    listed = admin.get(reverse("admin:vault_grant_changelist")).content.decode()
    shown = admin.get(reverse("admin:vault_grant_change", args=[grant.pk])).content.decode()

    assert reverse("admin:vault_grant_change", args=[grant.pk]) in listed
    assert "Concierge" in listed
    assert "calendar.read" in shown
    for page in (listed, shown):
        assert token not in page
        assert "_sealed" not in page
    assert admin.get(reverse("admin:vault_grant_add")).status_code == 403
    url = reverse("admin:vault_grant_change", args=[grant.pk])
    assert admin.post(url, {"state": "revoked"}).status_code == 403
    assert admin.post(reverse("admin:vault_grant_delete", args=[grant.pk])).status_code == 403
    assert Grant.objects.get().state == "live"


def test_an_admin_takes_back_grants(admin: Client, world: World, alice: User, bob: User) -> None:
    grants = [world.grant(alice), world.grant(bob)]
    chosen = {"action": "revoke", "_selected_action": [str(grant.pk) for grant in grants]}
    url = reverse("admin:vault_grant_changelist")

    asked = admin.post(url, chosen)

    question = asked.content.decode()
    assert "These 2 connections end" in question
    for whose in ("Alice: Concierge at Acme Calendar", "Bob: Concierge at Acme Calendar"):
        assert whose in question
    assert {grant.state for grant in Grant.objects.all()} == {"live"}
    assert events("vault.grant.revoked") == []

    chosen["confirmed"] = "yes"
    page = admin.post(url, chosen, follow=True).content.decode()

    assert "2 grants revoked, 2 of them at the provider too." in page
    assert {grant.state for grant in Grant.objects.all()} == {"revoked"}
    assert [(e.subject_sub, e.actor) for e in events("vault.grant.revoked")] == [
        ("bob", "Alice"),
        ("alice", "Alice"),
    ]
    assert "0 grants revoked" in admin.post(url, chosen, follow=True).content.decode()


def granted_by_many(world: World, count: int, *, like: str = "crowd") -> list[Grant]:
    """Return grants of as many people, with a token that opens."""
    made = [
        Grant(
            workload_identity=world.identity,
            provider=world.provider,
            user_iss="https://idp.example",
            user_sub=f"{like}-{n:04}",
            granted_at=timezone.now(),
        )
        for n in range(count)
    ]
    for grant in made:
        binding = grant.binding("access_sealed")
        grant.access_sealed = seal(Secret(f"at-{grant.user_sub}"), bound_to=binding)
    return Grant.objects.bulk_create(made)


def hidden(page: str) -> dict[str, str]:
    """Return what the question sends once it is answered."""
    form = page.partition('<form method="post">')[2]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))


def test_all_of_a_list_of_many_pages_end_and_workers_tell_their_providers(
    admin: Client, world: World, there: Provider
) -> None:
    granted_by_many(world, 120)
    (kept,) = granted_by_many(world, 1, like="bystander")
    url = f"{reverse('admin:vault_grant_changelist')}?state__exact=live&q=calendar"
    Grant.objects.filter(pk=kept.pk).update(state="lapsed")
    first = Grant.objects.exclude(pk=kept.pk).first()
    assert first is not None
    chosen = {"action": "revoke", "select_across": "1", "_selected_action": str(first.pk)}

    question = admin.post(url, chosen).content.decode()

    assert "These 120 connections end" in question
    assert "and 70 more" in question
    assert question.count("<li>crowd-") == 50
    assert Grant.objects.filter(state="revoked").count() == 0

    (late,) = granted_by_many(world, 1, like="late")
    page = admin.post(url, hidden(question), follow=True).content.decode()

    assert "120 grants revoked. Workers tell their providers now." in page
    assert Grant.objects.filter(state="revoked").count() == 120
    assert {Grant.objects.get(pk=one.pk).state for one in (kept, late)} == {"lapsed", "live"}
    assert len(events("vault.grant.revoked")) == 120
    assert revocations.attempt_due(for_s=60) == 120
    outcomes = Grant.objects.filter(state="revoked").values_list("revocation_outcome", flat=True)
    assert set(outcomes) == {"revoked_at_provider"}


def test_many_at_once_are_not_revoked_unasked_and_not_without_end(
    admin: Client, world: World
) -> None:
    grants = granted_by_many(world, 1001)
    url = reverse("admin:vault_grant_changelist")
    chosen = {"action": "revoke", "select_across": "1", "_selected_action": str(grants[0].pk)}

    page = admin.post(url, {**chosen, "confirmed": "yes"}, follow=True).content.decode()
    assert "more than 1000 connections" in page
    Grant.objects.filter(pk=grants[0].pk).update(state="lapsed")
    url += "?state__exact=live"
    asked = admin.post(url, {**chosen, "confirmed": "yes"}).content.decode()
    assert "These 1000 connections end" in asked
    odd = {**chosen, "confirmed": "yes", "meant": "everything"}
    assert "0 grants revoked" in admin.post(url, odd, follow=True).content.decode()

    assert Grant.objects.filter(state="revoked").count() == 0
    assert events("vault.grant.revoked") == []


def test_whoever_may_only_look_takes_nothing_back(admin: Client, world: World, alice: User) -> None:
    grant = world.grant(alice)
    alice.is_superuser = False
    alice.save(update_fields=["is_superuser"])
    alice.user_permissions.set(Permission.objects.filter(codename="view_grant"))

    page = admin.post(
        reverse("admin:vault_grant_changelist"),
        {"action": "revoke", "_selected_action": [str(grant.pk)], "confirmed": "yes"},
        follow=True,
    ).content.decode()

    assert "of them at the provider too" not in page
    assert Grant.objects.get().state == "live"


def test_consent_sessions_tell_why_and_give_nothing_away(
    admin: Client, world: World, alice: User
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    browser.get(world.there.deny(world.to_provider(waiting, browser), words="No, thanks"))
    session = ConsentSession.objects.get()

    page = admin.get(
        reverse("admin:vault_consentsession_change", args=[session.pk])
    ).content.decode()

    assert "access_denied: No, thanks" in page
    assert waiting.session_uri not in page
    assert session.request_uri_hash not in page
    url = reverse("admin:vault_consentsession_delete", args=[session.pk])
    assert admin.post(url, {"post": "yes"}).status_code == 403


def test_a_new_provider_begins_with_its_vendor(admin: Client) -> None:
    page = admin.get(reverse(f"{PROVIDERS}_add")).content.decode()

    assert all(f'value="{vendor}"' in page for vendor in VENDORS)
    assert 'name="client_id"' not in page


@pytest.mark.parametrize(
    ("vendor", "asked", "not_asked"),
    [
        ("GoogleOauth2", ["client_secret"], ["issuer", "tenant_id", "discovery_url", "obo_actor"]),
        ("MicrosoftOauth2", ["tenant_id", "client_auth"], ["issuer", "discovery_url"]),
        ("OktaOauth2", ["issuer", "token_endpoint"], ["tenant_id", "discovery_url"]),
        ("CustomOauth2", ["discovery_url", "issuer", "obo_actor"], ["tenant_id"]),
    ],
)
def test_only_what_the_vendor_needs_is_asked_for(
    vendor: str, asked: list[str], not_asked: list[str], admin: Client
) -> None:
    page = admin.get(reverse(f"{PROVIDERS}_add"), {"vendor": vendor}).content.decode()

    assert [name for name in asked if f'name="{name}"' not in page] == []
    assert [name for name in not_asked if f'name="{name}"' in page] == []


def test_a_vendor_brings_its_own_way_of_authentication(admin: Client, there: Provider) -> None:
    typed = form(there, vendor="GoogleOauth2", client_auth="none")
    del typed["discovery_url"]

    assert admin.post(reverse(f"{PROVIDERS}_add"), typed).status_code == 302

    made = CredentialProvider.objects.get()
    assert (made.vendor, made.client_auth, made.status) == (
        "GoogleOauth2", "client_secret_post", "READY",
    )  # fmt: skip


def test_a_secret_can_stay_in_aws(admin: Client, there: Provider) -> None:
    elsewhere = {"secret_source": "EXTERNAL", "external_secret_id": "acme"}
    url = reverse(f"{PROVIDERS}_add")
    lacking = admin.post(url, form(there, client_secret="", **elsewhere)).content.decode()
    assert "Needed to read the secret from AWS Secrets Manager." in lacking
    both = admin.post(url, form(there, **elsewhere, external_json_key="k")).content.decode()
    assert "Leave this empty: the secret is kept elsewhere." in both

    typed = form(there, client_secret="", **elsewhere, external_json_key="key")
    assert admin.post(url, typed).status_code == 302
    made = CredentialProvider.objects.get()
    assert (made.secret_source, made.external_secret_id, made.secret_sealed) == (
        "EXTERNAL", "acme", None,
    )  # fmt: skip


def test_claims_of_assertions_go_in_and_never_come_out(admin: Client, there: Provider) -> None:
    typed = form(
        there,
        client_auth="private_key_jwt",
        client_secret="",
        payload_claims='{"tenant": "acme-7"}',
    )
    assert admin.post(reverse(f"{PROVIDERS}_add"), typed).status_code == 302
    made = CredentialProvider.objects.get()
    assert made.assertion_claims().payload == {"tenant": "acme-7"}
    page = reverse(f"{PROVIDERS}_change", args=[made.pk])
    assert "acme-7" not in admin.get(page).content.decode()

    admin.post(page, typed | {"payload_claims": "", "display_name": "Renamed"})
    assert CredentialProvider.objects.get().assertion_claims().payload == {"tenant": "acme-7"}


@pytest.mark.parametrize(
    "claims", ['{"iss": "x"}', '{"a": 1}', '["a"]', '"text"', str({f"{n}": "x" for n in range(11)})]
)
def test_claims_that_cannot_be_added_are_refused(
    claims: str, admin: Client, there: Provider
) -> None:
    typed = form(
        there,
        client_auth="private_key_jwt",
        client_secret="",
        payload_claims=claims.replace("'", '"'),
    )

    assert admin.post(reverse(f"{PROVIDERS}_add"), typed).status_code == 200
    assert not CredentialProvider.objects.exists()


def test_a_provider_that_is_away_says_so_in_the_list_and_on_its_page(
    admin: Client, there: Provider
) -> None:
    there.garbage = b"<html>"
    page = admin.post(reverse(f"{PROVIDERS}_add"), form(there), follow=True).content.decode()
    assert "metadata not usable" in page

    assert (
        "no JSON object from 127.0.0.1"
        in admin.get(reverse(f"{PROVIDERS}_changelist")).content.decode()
    )


def test_the_form_says_what_to_do_at_the_vendor(admin: Client, acme: CredentialProvider) -> None:
    new = admin.get(reverse(f"{PROVIDERS}_add"), {"vendor": "GoogleOauth2"})
    own = admin.get(reverse(f"{PROVIDERS}_change", args=[acme.pk])).content.decode()

    assert "Register an app at Google:" in new.content.decode()
    assert 'href="https://console.cloud.google.com/apis/credentials"' in new.content.decode()
    assert "Register an app at the provider:" in own
    assert f'data-copies="{acme.callback_url}"' in own
