"""Credential providers: what they say of themselves, keeping them, and trying them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models import ProtectedError

from agents.models import WorkloadIdentity
from core.models import User
from core.secret import Secret
from tests.fixtures.provider import CLIENT_ID, Fault, Provider
from tests.vault.conftest import ADMIN, Browser, World, events
from vault.ending.revocations import grant_revoke
from vault.errors import ProviderMetadataWrong, ProviderUnavailable
from vault.models import CredentialProvider, Grant
from vault.models.kept_secret import SecretReference
from vault.providers import discovery
from vault.providers.endpoints import endpoints_of
from vault.providers.probe import provider_probe
from vault.providers.services import provider_delete, provider_store

pytestmark = pytest.mark.django_db

EXPLICIT = {
    "discovery_url": "",
    "issuer": "https://acme.example",
    "authorization_endpoint": "https://acme.example/authorize",
    "token_endpoint": "https://acme.example/token",
}


def draft(**changed: Any) -> CredentialProvider:
    """Return a provider that is not stored."""
    fields = {"name": "acme-2", "display_name": "Acme", "client_id": "x", "client_auth": "none"}
    return CredentialProvider(**(fields | EXPLICIT | changed))


def asked_for_metadata(there: Provider) -> int:
    return sum(path.startswith("/.well-known/") for path, _ in there.asked)


def test_endpoints_come_from_the_metadata(acme: CredentialProvider, there: Provider) -> None:
    found = endpoints_of(acme)

    assert (found.issuer, found.token, found.revocation, found.announces_iss) == (
        there.url, f"{there.url}/token", f"{there.url}/revoke", True,
    )  # fmt: skip


def test_endpoints_can_be_written_down(db: None) -> None:
    found = endpoints_of(draft(issuer_announces_iss=True))

    assert (found.issuer, found.authorization, found.revocation, found.announces_iss) == (
        "https://acme.example", "https://acme.example/authorize", None, True,
    )  # fmt: skip


def test_metadata_is_kept_and_asked_for_again_when_it_is_old(
    acme: CredentialProvider, there: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asked_for_metadata(there)
    endpoints_of(acme)
    endpoints_of(acme)
    assert asked_for_metadata(there) == asked + 1

    monkeypatch.setattr(discovery, "_FRESH_S", 0.0)
    monkeypatch.setattr(discovery, "_RETRY_S", 0.0)
    there.metadata["token_endpoint"] = f"{there.url}/new"
    assert endpoints_of(acme).token == f"{there.url}/new"


def test_a_provider_that_is_away_is_served_from_what_is_known_and_not_asked_each_time(
    acme: CredentialProvider, there: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = endpoints_of(acme)
    monkeypatch.setattr(discovery, "_FRESH_S", 0.0)
    monkeypatch.setattr(discovery, "_RETRY_S", 0.0)
    there.metadata = {}
    assert endpoints_of(acme) == known
    asked = asked_for_metadata(there)

    monkeypatch.setattr(discovery, "_RETRY_S", 60.0)
    assert endpoints_of(acme) == known
    assert asked_for_metadata(there) == asked


def test_while_one_thread_asks_anew_the_others_take_what_is_known(
    acme: CredentialProvider, there: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = endpoints_of(acme)
    monkeypatch.setattr(discovery, "_FRESH_S", 0.0)
    monkeypatch.setattr(discovery, "_RETRY_S", 0.0)
    reading, go_on = threading.Event(), threading.Event()
    real = discovery._read

    def slow(url: str, timeout_s: float) -> discovery.Metadata:
        reading.set()
        assert go_on.wait(10)
        return real(url, timeout_s)

    monkeypatch.setattr(discovery, "_read", slow)
    first = threading.Thread(target=discovery.metadata_at, args=(acme.discovery_url,))
    first.start()
    assert reading.wait(10)

    assert endpoints_of(acme) == known
    go_on.set()
    first.join()


def _metadata(change: Callable[[dict[str, Any]], Any]) -> Callable[[Provider], None]:
    def apply(there: Provider) -> None:
        change(there.metadata)

    return apply


@pytest.mark.parametrize(
    "change",
    [
        _metadata(lambda m: m.update(issuer="https://other.example")),
        _metadata(lambda m: m.update(issuer=m["issuer"] + "/tenant")),
        _metadata(lambda m: m.pop("issuer")),
        _metadata(lambda m: m.pop("token_endpoint")),
        _metadata(lambda m: m.update(authorization_endpoint="javascript:alert(1)")),
        _metadata(lambda m: m.update(token_endpoint="http://10.0.0.1/token")),
        _metadata(lambda m: m.update(token_endpoint=["x"])),
        _metadata(lambda m: m.update(revocation_endpoint="ftp://x/y")),
    ],
)
def test_metadata_that_cannot_be_trusted_is_refused(
    change: Callable[[Provider], None], acme: CredentialProvider, there: Provider
) -> None:
    change(there)

    with pytest.raises(ProviderMetadataWrong):
        endpoints_of(acme)


@pytest.mark.parametrize("garbage", [b"[]", b"<html>", b"[" * 100_000])
def test_a_document_that_is_not_metadata_is_refused(
    garbage: bytes, acme: CredentialProvider, there: Provider
) -> None:
    there.garbage = garbage

    with pytest.raises(ProviderMetadataWrong):
        endpoints_of(acme)


@pytest.mark.parametrize("path", ["/.well-known/missing", "/.well-known/broken"])
def test_metadata_that_cannot_be_had_says_try_again(
    path: str, there: Provider, acme: CredentialProvider
) -> None:
    url = f"{there.url}{path}" if path.endswith("missing") else f"http://127.0.0.1:1{path}"
    acme.discovery_url = url

    with pytest.raises(ProviderUnavailable):
        endpoints_of(acme)


def test_the_secret_is_stored_sealed_and_bound_to_its_row(acme: CredentialProvider) -> None:
    assert acme.client().secret == Secret("s3cret:+/%&")
    assert b"s3cret" not in bytes(acme.secret_sealed or b"")

    other = draft()
    other.secret_sealed = acme.secret_sealed
    with pytest.raises(Exception, match="seal_broken"):
        other.client()


def test_storing_without_a_new_secret_keeps_the_one_there_is(acme: CredentialProvider) -> None:
    acme.display_name = "Acme, renamed"

    provider_store(provider=acme, client_secret=None, actor=ADMIN)

    kept = CredentialProvider.objects.get()
    assert (kept.display_name, kept.client().secret) == (
        "Acme, renamed", Secret("s3cret:+/%&"),
    )  # fmt: skip
    assert [w.name for w in kept.workloads.all()] == ["concierge-0123456789"]
    changed = events("admin.provider.changed")[0]
    assert changed.detail["new_secret"] is False
    assert "s3cret" not in str(changed.detail)


@pytest.mark.parametrize(
    "moved",
    [
        {"discovery_url": "https://elsewhere.example/.well-known/openid-configuration"},
        EXPLICIT,
    ],
)
def test_the_secret_that_is_kept_is_sent_to_no_other_server(
    moved: dict[str, str], acme: CredentialProvider
) -> None:
    for name, url in moved.items():
        setattr(acme, name, url)

    with pytest.raises(ValidationError) as caught:
        provider_store(provider=acme, client_secret=None, actor=ADMIN)

    assert list(caught.value.message_dict) == ["client_secret"]
    assert events("admin.provider.changed") == []
    assert CredentialProvider.objects.get().discovery_url != moved["discovery_url"]


def test_a_provider_moves_with_a_secret_that_is_given_anew_and_that_is_on_record(
    acme: CredentialProvider,
) -> None:
    acme.discovery_url = "https://elsewhere.example/.well-known/openid-configuration"

    provider_store(provider=acme, client_secret=Secret("new"), actor=ADMIN)

    assert CredentialProvider.objects.get().client().secret == Secret("new")
    [changed] = events("admin.provider.changed")
    assert changed.detail["servers"] == ["elsewhere.example:443"]


@pytest.mark.parametrize("kept", ["a grant", "a lapsed grant", "a consent", "an end", "a token"])
def test_nobodys_tokens_go_to_another_server(kept: str, world: World, alice: User) -> None:
    acme = world.provider
    if kept == "a consent":
        world.consent(world.wait(alice), Browser(alice))
    elif kept == "a token":
        world.token(alice, flow="M2M")
    else:
        grant = world.grant(alice)
        if kept == "a lapsed grant":
            Grant.objects.update(state=Grant.State.LAPSED)
        if kept == "an end":
            world.there.revocation_status = 503
            grant_revoke(grant=grant, actor=ADMIN)
    before = acme.discovery_url
    acme.discovery_url = "https://elsewhere.example/.well-known/openid-configuration"

    with pytest.raises(ValidationError) as caught:
        provider_store(provider=acme, client_secret=Secret("theirs"), actor=ADMIN)

    assert list(caught.value.message_dict) == ["discovery_url"]
    assert CredentialProvider.objects.get().discovery_url == before
    assert events("admin.provider.changed") == []


def test_a_provider_at_which_all_is_over_may_move(world: World, alice: User) -> None:
    grant_revoke(grant=world.grant(alice), actor=ADMIN)
    acme = world.provider
    acme.discovery_url = "https://elsewhere.example/.well-known/openid-configuration"

    provider_store(provider=acme, client_secret=Secret("new"), actor=ADMIN)

    assert CredentialProvider.objects.get().discovery_url == acme.discovery_url


def test_a_provider_with_connections_may_change_where_nothing_moves(
    world: World, alice: User
) -> None:
    world.grant(alice)
    acme = world.provider
    acme.display_name = "Acme"

    provider_store(provider=acme, client_secret=None, actor=ADMIN)

    assert CredentialProvider.objects.get().display_name == "Acme"


def test_a_client_that_becomes_public_loses_its_secret(acme: CredentialProvider) -> None:
    acme.client_auth = "none"

    provider_store(provider=acme, client_secret=Secret("ignored"), actor=ADMIN)

    assert CredentialProvider.objects.get().secret_sealed is None


def test_a_new_provider_is_open_to_nobody(db: None) -> None:
    asked = draft(extra_authorize_params={"access_type": "offline"})
    provider = provider_store(provider=asked, client_secret=None, actor=ADMIN)

    assert not provider.any_workload
    assert not provider.workloads.exists()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "has space"}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"name": "name\n"}, "name"),
        ({"client_id": ""}, "client_id"),
        ({"client_auth": "client_secret_basic"}, "__all__"),
        ({"client_auth": "tls_client_auth"}, "client_auth"),
        ({"discovery_url": "https://acme.example/.well-known/x"}, "issuer"),
        ({"issuer": ""}, "issuer"),
        ({"token_endpoint": ""}, "token_endpoint"),
        ({"token_endpoint": "http://acme.example/token"}, "token_endpoint"),
        ({"token_endpoint": "https://user:pw@acme.example/token"}, "token_endpoint"),
        ({"revocation_endpoint": "https://192.168.0.1/r"}, "revocation_endpoint"),
        ({"account_url": "javascript:alert(1)"}, "account_url"),
        ({**dict.fromkeys(EXPLICIT, ""), "discovery_url": "https://acme.example/metadata"},
         "discovery_url"),
        ({"scope_words": ["x"]}, "scope_words"),
        ({"scope_words": {"a": "words"}}, "scope_words"),
        ({"scope_words": {"a": {"fr": "mots"}}}, "scope_words"),
        ({"scope_words": {"a": {"en": " "}}}, "scope_words"),
        ({"extra_authorize_params": {"state": "x"}}, "extra_authorize_params"),
        ({"extra_authorize_params": {"a": 1}}, "extra_authorize_params"),
        ({"extra_authorize_params": ["x"]}, "extra_authorize_params"),
        ({"refresh_grace_s": 601}, "refresh_grace_s"),
    ],
)  # fmt: skip
def test_a_field_that_breaks_a_rule_is_refused_with_its_reason(
    changed: dict[str, Any], field: str, db: None
) -> None:
    with pytest.raises(ValidationError) as caught:
        provider_store(provider=draft(**changed), client_secret=None, actor=ADMIN)

    assert field in caught.value.message_dict
    assert not CredentialProvider.objects.exists()
    assert not events("admin.provider.added")


@pytest.mark.parametrize("empty", [None, [], ""])
def test_words_and_parameters_may_be_left_empty(empty: Any, db: None) -> None:
    provider = draft(scope_words=empty, extra_authorize_params=empty)

    provider_store(provider=provider, client_secret=None, actor=ADMIN)

    assert (provider.scope_words, provider.extra_authorize_params) == ({}, {})


def test_one_at_which_nobody_consented_can_be_deleted(acme: CredentialProvider) -> None:
    provider_delete(provider=acme, actor=ADMIN)

    assert not CredentialProvider.objects.exists()
    assert events("admin.provider.deleted")[0].provider == "acme"


def test_one_at_which_somebody_consented_stays_and_nothing_is_on_record(
    world: World, alice: User
) -> None:
    world.grant(alice)

    with pytest.raises(ProtectedError):
        provider_delete(provider=world.provider, actor=ADMIN)
    assert not events("admin.provider.deleted")


def findings(provider: CredentialProvider) -> list[tuple[bool, str]]:
    return [(finding.ok, str(finding)) for finding in provider_probe(provider=provider)]


def test_probing_a_good_provider_finds_it_good(acme: CredentialProvider, there: Provider) -> None:
    assert findings(acme) == [
        (True, f"Its issuer is {there.url}."),
        (True, "It knows this client and accepts its authentication."),
    ]


def test_probing_finds_a_wrong_secret_and_a_missing_revocation_endpoint(
    acme: CredentialProvider, there: Provider
) -> None:
    del there.metadata["revocation_endpoint"]
    acme.keep_secret(Secret("wrong"))

    found = findings(acme)

    assert [good for good, _ in found] == [True, False, False]
    assert "no revocation endpoint" in found[1][1]
    assert "invalid_client" in found[2][1]


def test_probing_finds_metadata_of_another(acme: CredentialProvider, there: Provider) -> None:
    there.metadata["issuer"] = "https://other.example"

    assert findings(acme) == [(False, "Its metadata names another issuer.")]


def test_probing_finds_a_provider_that_takes_any_code(
    acme: CredentialProvider, there: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"access_token": "x", "token_type": "Bearer"}
    monkeypatch.setattr(there, "token", lambda form, authorization: answer)

    assert findings(acme)[-1] == (False, "It gave a token for a code that was made up.")


def test_probing_finds_a_provider_in_trouble(acme: CredentialProvider, there: Provider) -> None:
    there.faults.append(Fault.ERROR_500)

    assert findings(acme)[-1] == (False, "The provider is not available right now.")


def test_the_callback_url_is_the_providers_own(
    acme: CredentialProvider, concierge: WorkloadIdentity
) -> None:
    assert acme.callback_url == f"http://localhost:8000/identities/oauth2/callback/{acme.pk}"
    assert acme.client().id == CLIENT_ID


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"vendor": "GoogleOauth2", "discovery_url": "https://x.example/.well-known/x"},
         "discovery_url"),
        ({"vendor": "GoogleOauth2", "tenant_id": "t"}, "tenant_id"),
        ({"vendor": "GoogleOauth2", "token_endpoint": "https://x.example/token"}, "issuer"),
        ({"vendor": "MicrosoftOauth2", "tenant_id": "a/../b"}, "tenant_id"),
        ({"vendor": "OktaOauth2"}, "issuer"),
        ({"vendor": "CustomOauth2"}, "issuer"),
        ({"vendor": "NoSuchOauth2"}, "vendor"),
        ({"vendor": "GoogleOauth2", "client_id": ""}, "client_id"),
    ],
)  # fmt: skip
def test_what_a_vendor_does_not_need_or_lacks_is_refused(
    changed: dict[str, Any], field: str, db: None
) -> None:
    with pytest.raises(ValidationError) as caught:
        draft(**(dict.fromkeys(EXPLICIT, "") | changed)).full_clean()

    assert field in caught.value.message_dict


def test_a_vendors_endpoints_can_be_overridden_as_the_wire_api_lets_one(db: None) -> None:
    found = endpoints_of(draft(vendor="OneLoginOauth2"))

    assert (found.issuer, found.token) == (EXPLICIT["issuer"], EXPLICIT["token_endpoint"])
    assert found.revocation == "https://acme.example/token/revocation"


@pytest.mark.parametrize(("tenant", "path"), [("", "common"), ("acme.example", "acme.example")])
def test_microsofts_endpoints_name_the_tenant(tenant: str, path: str, db: None) -> None:
    nothing = dict.fromkeys(EXPLICIT, "")
    found = endpoints_of(draft(**nothing, vendor="MicrosoftOauth2", tenant_id=tenant))

    assert found.token == f"https://login.microsoftonline.com/{path}/oauth2/v2.0/token"


def test_a_secret_may_stay_elsewhere_and_come_back(acme: CredentialProvider) -> None:
    there = SecretReference("acme", "client_secret")
    provider_store(provider=acme, client_secret=there, actor=ADMIN)
    kept = CredentialProvider.objects.get()
    assert (kept.secret_sealed, kept.secret_source) == (None, "EXTERNAL")

    provider_store(provider=kept, client_secret=Secret("new"), actor=ADMIN)
    kept = CredentialProvider.objects.get()
    assert (kept.client().secret, kept.external_secret_id) == (Secret("new"), "")
