"""OAuth2 credential providers over the wire API: every vendor's configuration, in and out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone

from agents.keys.callers import Caller
from core.errors import Forbidden, InvalidRequest
from core.models import AuditEvent, User
from core.secret import Secret
from core.wire import model
from tests.conformance.outputs import unlike
from tests.fixtures.provider import Provider
from tests.vault.conftest import World
from tests.wire.asking import ask, field_of, refused
from vault.ending import cascade, revocations
from vault.errors import ProviderExists, ProviderUnknown
from vault.models import AccessEnding, CredentialProvider, Grant, Revocation
from vault.models.providers import AssertionClaims
from vault.vendors.table import VENDORS
from vault.vendors.vendor import Place
from vault.wire.oauth2_config import member_of

pytestmark = pytest.mark.django_db

SECRET = "s3cret-of-the-client"
KMS_KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
CLIENT = {"clientId": "daiko", "clientSecret": SECRET}
EXTERNAL = {
    "clientSecretSource": "EXTERNAL",
    "clientSecretConfig": {"secretId": "idp/prod", "jsonKey": "secret"},
}
WITHIN = "oauth2ProviderConfigInput.customOauth2ProviderConfig"
CREATE = "CreateOauth2CredentialProvider"


def given(vendor: str = "GoogleOauth2", **config: Any) -> dict[str, Any]:
    """Return the input that configures a provider named after its vendor."""
    return {
        "name": vendor,
        "credentialProviderVendor": vendor,
        "oauth2ProviderConfigInput": {member_of(vendor): {**CLIENT, **config}},
    }


def metadata(**changed: Any) -> dict[str, Any]:
    said = {
        "issuer": "https://idp.example",
        "authorizationEndpoint": "https://idp.example/authorize",
        "tokenEndpoint": "https://idp.example/token",
        **changed,
    }
    return {"authorizationServerMetadata": said}


def custom(**config: Any) -> dict[str, Any]:
    """Return the input that configures a provider of one's own; None leaves a member out."""
    asked = given("CustomOauth2", **{"oauthDiscovery": metadata(), **config})
    union = asked["oauth2ProviderConfigInput"]["customOauth2ProviderConfig"]
    for name in [name for name, value in union.items() if value is None]:
        del union[name]
    return asked


def told(vendor: str = "CustomOauth2") -> dict[str, Any]:
    return ask("GetOauth2CredentialProvider", name=vendor)


def config_of(answer: dict[str, Any]) -> dict[str, Any]:
    (found,) = answer["oauth2ProviderConfigOutput"].values()
    return dict(found)


def stored(name: str = "CustomOauth2") -> CredentialProvider:
    return CredentialProvider.objects.get(name=name)


def refusal_of(**config: Any) -> str:
    """Return which field a configuration is refused for; nothing is created."""
    field = field_of(refused(InvalidRequest, CREATE, **custom(**config)))
    assert not CredentialProvider.objects.exists()
    assert not AuditEvent.objects.exists()
    return field.removeprefix(f"{WITHIN}.")


# --- vendors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_every_vendor_is_configured_and_told(vendor: str, there: Provider) -> None:
    needed: dict[Place, dict[str, Any]] = {
        Place.OWN_ISSUER: {"issuer": there.url},
        Place.TENANT: {"tenantId": "contoso.example"},
        Place.CUSTOM: {"oauthDiscovery": {"discoveryUrl": there.discovery_url}},
    }
    more = needed.get(VENDORS[vendor].place, {})

    made = ask(CREATE, **given(vendor, **more))

    answers = {CREATE: made, "GetOauth2CredentialProvider": told(vendor)}
    answers["UpdateOauth2CredentialProvider"] = ask(
        "UpdateOauth2CredentialProvider", **given(vendor, **more)
    )
    for operation, answer in answers.items():
        shape = model.operations()[operation].output_shape
        assert unlike(shape, json.loads(json.dumps(answer))) == []
        assert list(answer["oauth2ProviderConfigOutput"]) == [member_of(vendor)]
        assert config_of(answer)["clientId"] == "daiko"
        assert SECRET not in json.dumps(answer)
    provider = stored(vendor)
    assert provider.kept_secret() == Secret(SECRET)
    assert made["callbackUrl"] == provider.callback_url
    assert provider.client_auth == VENDORS[vendor].auth


def test_the_union_member_of_a_vendor_is_its_own_where_it_has_one() -> None:
    assert member_of("LinkedinOauth2") == "linkedinOauth2ProviderConfig"
    assert member_of("OktaOauth2") == "includedOauth2ProviderConfig"
    own = [vendor for vendor in VENDORS if not member_of(vendor).startswith("included")]
    assert (len(VENDORS), len(own)) == (25, 8)


def test_a_configuration_of_another_vendor_is_refused() -> None:
    asked = {**given("GoogleOauth2"), "credentialProviderVendor": "SlackOauth2"}

    assert field_of(refused(InvalidRequest, CREATE, **asked)) == "oauth2ProviderConfigInput"
    assert not CredentialProvider.objects.exists()


def test_what_a_vendor_needs_is_named_where_it_is_given() -> None:
    asked = given("OktaOauth2")
    within = "oauth2ProviderConfigInput.includedOauth2ProviderConfig"

    assert field_of(refused(InvalidRequest, CREATE, **asked)) == f"{within}.issuer"
    without = given("GoogleOauth2")
    del without["oauth2ProviderConfigInput"]["googleOauth2ProviderConfig"]["clientSecret"]
    assert field_of(refused(InvalidRequest, CREATE, **without)).endswith(".clientSecret")
    assert not CredentialProvider.objects.exists()


def test_a_tenant_is_part_of_the_endpoints() -> None:
    made = ask(CREATE, **given("MicrosoftOauth2", tenantId="contoso.example"))

    endpoints = config_of(made)["oauthDiscovery"]["authorizationServerMetadata"]
    assert "/contoso.example/" in endpoints["tokenEndpoint"]


def test_a_provider_is_created_while_its_metadata_are_away_and_says_so(there: Provider) -> None:
    there.garbage = b"not json"
    discovery = {"discoveryUrl": there.discovery_url}

    made = ask(CREATE, **custom(oauthDiscovery=discovery))

    assert made["status"] == "CREATE_FAILED"
    assert told()["failureReason"]
    there.garbage = b""
    assert ask("UpdateOauth2CredentialProvider", **custom(oauthDiscovery=discovery))[
        "status"
    ] == ("READY")  # fmt: skip


# --- providers of one's own ----------------------------------------------------------------------


def test_what_the_server_says_of_itself_is_told_again() -> None:
    said = metadata(responseTypes=["code"], tokenEndpointAuthMethods=["client_secret_post"])

    found = config_of(ask(CREATE, **custom(oauthDiscovery=said)))

    assert found == {"oauthDiscovery": said, "clientId": "daiko"}
    assert stored().client_auth == "client_secret_post"


@pytest.mark.parametrize(
    ("method", "kept"),
    [("CLIENT_SECRET_BASIC", "client_secret_basic"), ("CLIENT_SECRET_POST", "client_secret_post")],
)
def test_the_way_of_client_authentication_is_kept(method: str, kept: str) -> None:
    made = ask(CREATE, **custom(clientAuthenticationMethod=method))

    assert config_of(made)["clientAuthenticationMethod"] == method
    assert stored().client_auth == kept


def test_a_client_without_a_secret_is_a_public_one() -> None:
    found = config_of(ask(CREATE, **custom(clientSecret=None)))

    assert stored().client_auth == "none"
    assert "clientAuthenticationMethod" not in found


def test_a_key_signs_in_place_of_a_secret() -> None:
    config = {
        "privateKeySource": {"kmsKeySource": {"kmsKeyArn": KMS_KEY}},
        "signingAlgorithm": "ES256",
        "additionalHeaderClaims": {"x5t": "thumbprint"},
        "additionalPayloadClaims": {"tenant": "a"},
    }
    asked = custom(
        clientSecret=None, clientAuthenticationMethod="PRIVATE_KEY_JWT", privateKeyJwtConfig=config
    )

    made = ask(CREATE, **asked)

    assert config_of(made)["privateKeyJwtConfig"] == config
    provider = stored()
    assert provider.assertion_claims() == AssertionClaims({"x5t": "thumbprint"}, {"tenant": "a"})
    assert (provider.signing_algorithm, provider.private_key_source) == ("ES256", KMS_KEY)
    assert provider.kept_secret() is None


@pytest.mark.parametrize(
    "config",
    [
        {"grantType": "JWT_AUTHORIZATION_GRANT"},
        {
            "grantType": "TOKEN_EXCHANGE",
            "tokenExchangeGrantTypeConfig": {
                "actorTokenContent": "M2M",
                "actorTokenScopes": ["act"],
            },
            "onBehalfOfAuthenticationConfig": {"clientAuthenticationMethod": "NO_CLIENT"},
        },
    ],
)
def test_an_exchange_on_behalf_of_people_is_configured(config: dict[str, Any]) -> None:
    made = ask(CREATE, **custom(onBehalfOfTokenExchangeConfig=config))

    assert config_of(made)["onBehalfOfTokenExchangeConfig"] == config
    assert stored().obo_grant_type == config["grantType"]


def test_a_secret_may_stay_in_aws_secrets_manager() -> None:
    made = ask(CREATE, **custom(clientSecret=None, **EXTERNAL))

    assert made["clientSecretArn"]["secretArn"].endswith(":secret:idp/prod")
    assert (made["clientSecretSource"], made["clientSecretJsonKey"]) == ("EXTERNAL", "secret")
    assert stored().secret_sealed is None


LATTICE = {
    "selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}
}
IAM = "AWS_IAM_ID_TOKEN_JWT"
EXCHANGE = "onBehalfOfTokenExchangeConfig.tokenExchangeGrantTypeConfig"


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"privateEndpoint": LATTICE}, "privateEndpoint"),
        (
            {"privateEndpointOverrides": [{"domain": "a.example", "privateEndpoint": LATTICE}]},
            "privateEndpointOverrides",
        ),
        ({"certificateConfigurations": [{"s3": {"uri": "s3://a/b"}}]}, "certificateConfigurations"),
        ({"clientAuthenticationMethod": IAM}, "clientAuthenticationMethod"),
        (
            {
                "onBehalfOfTokenExchangeConfig": {
                    "grantType": "TOKEN_EXCHANGE",
                    "tokenExchangeGrantTypeConfig": {"actorTokenContent": IAM},
                }
            },
            f"{EXCHANGE}.actorTokenContent",
        ),
    ],
)
def test_what_there_is_at_aws_alone_is_refused_by_name(config: dict[str, Any], field: str) -> None:
    assert refusal_of(**config) == field


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (
            {
                "clientAuthenticationMethod": "CLIENT_SECRET_POST",
                "oauthDiscovery": metadata(tokenEndpointAuthMethods=["client_secret_post"]),
            },
            "clientAuthenticationMethod",
        ),
        (
            {"clientSecret": None, "clientAuthenticationMethod": "CLIENT_SECRET_BASIC"},
            "clientSecret",
        ),
        ({"clientAuthenticationMethod": "PRIVATE_KEY_JWT"}, "clientSecret"),
        ({"privateKeyJwtConfig": {"signingAlgorithm": "RS256"}}, "privateKeyJwtConfig"),
        (
            {
                "clientSecret": None,
                "clientAuthenticationMethod": "PRIVATE_KEY_JWT",
                "privateKeyJwtConfig": {"additionalHeaderClaims": {"alg": "none"}},
            },
            "privateKeyJwtConfig.additionalHeaderClaims",
        ),
        (
            {
                "clientSecret": None,
                "clientAuthenticationMethod": "PRIVATE_KEY_JWT",
                "privateKeyJwtConfig": {"additionalPayloadClaims": {"sub": "somebody"}},
            },
            "privateKeyJwtConfig.additionalPayloadClaims",
        ),
        (
            {
                "onBehalfOfTokenExchangeConfig": {
                    "grantType": "JWT_AUTHORIZATION_GRANT",
                    "tokenExchangeGrantTypeConfig": {"actorTokenContent": "NONE"},
                }
            },
            EXCHANGE,
        ),
        (
            {
                "onBehalfOfTokenExchangeConfig": {
                    "grantType": "TOKEN_EXCHANGE",
                    "tokenExchangeGrantTypeConfig": {
                        "actorTokenContent": "NONE",
                        "actorTokenScopes": ["act"],
                    },
                }
            },
            f"{EXCHANGE}.actorTokenScopes",
        ),
        (EXTERNAL, "clientSecret"),
        (
            {"oauthDiscovery": metadata(tokenEndpoint="http://169.254.169.254/token")},
            "oauthDiscovery.authorizationServerMetadata.tokenEndpoint",
        ),
        (
            {
                "oauthDiscovery": {
                    "discoveryUrl": "ftp://a.example/.well-known/openid-configuration"
                }
            },
            "oauthDiscovery.discoveryUrl",
        ),
        ({"clientId": None}, "clientId"),
    ],
)
def test_what_cannot_be_is_refused_with_the_member_that_says_it(
    config: dict[str, Any], field: str
) -> None:
    assert refusal_of(**config) == field


# --- changing and deleting -----------------------------------------------------------------------


def test_an_update_replaces_the_configuration_and_keeps_the_secret() -> None:
    exchange = {"grantType": "JWT_AUTHORIZATION_GRANT"}
    ask(CREATE, **custom(onBehalfOfTokenExchangeConfig=exchange))
    before = stored()

    asked = custom(clientId="another", clientSecret=None)
    found = ask("UpdateOauth2CredentialProvider", **asked)

    assert config_of(found)["clientId"] == "another"
    assert "onBehalfOfTokenExchangeConfig" not in config_of(found)
    after = stored()
    assert (after.pk, after.kept_secret(), after.client_auth) == (
        before.pk,
        Secret(SECRET),
        "client_secret_basic",
    )
    ask("UpdateOauth2CredentialProvider", **custom(clientSecret="another"))
    assert stored().kept_secret() == Secret("another")


def test_the_secret_that_is_kept_is_sent_to_no_other_server() -> None:
    ask(CREATE, **custom())
    elsewhere = {"discoveryUrl": "https://elsewhere.example/.well-known/openid-configuration"}
    asked = custom(clientSecret=None, oauthDiscovery=elsewhere)

    refusal = refused(InvalidRequest, "UpdateOauth2CredentialProvider", **asked)
    assert field_of(refusal) == f"{WITHIN}.clientSecret"
    assert "elsewhere" not in stored().discovery_url


def test_a_provider_that_had_a_key_does_not_become_a_public_clients_by_omission() -> None:
    ask(CREATE, **custom(clientSecret=None, clientAuthenticationMethod="PRIVATE_KEY_JWT"))

    refusal = refused(InvalidRequest, "UpdateOauth2CredentialProvider", **custom(clientSecret=None))
    assert field_of(refusal) == f"{WITHIN}.clientAuthenticationMethod"
    assert stored().client_auth == "private_key_jwt"


def test_a_provider_stays_its_vendors() -> None:
    ask(CREATE, **given("GoogleOauth2"))
    asked = {**given("SlackOauth2"), "name": "GoogleOauth2"}

    refusal = refused(InvalidRequest, "UpdateOauth2CredentialProvider", **asked)
    assert field_of(refusal) == "credentialProviderVendor"
    assert stored("GoogleOauth2").vendor == "GoogleOauth2"


def test_a_name_is_given_once_and_a_provider_is_open_as_the_site_says(settings: Any) -> None:
    ask(CREATE, **given("GoogleOauth2"))
    refused(ProviderExists, CREATE, **given("GoogleOauth2"))
    settings.DAIKO_OPEN_PROVIDERS = False
    ask(CREATE, **given("SlackOauth2"))

    assert stored("GoogleOauth2").any_workload
    assert not stored("SlackOauth2").any_workload


def test_tags_come_with_it() -> None:
    made = ask(CREATE, **given(), tags={"team": "a"})

    arn = made["credentialProviderArn"]
    assert ask("ListTagsForResource", resourceArn=arn) == {"tags": {"team": "a"}}
    asked = {**given("SlackOauth2"), "tags": {"aws:x": "y"}}
    assert field_of(refused(InvalidRequest, CREATE, **asked)) == "tags"
    assert not CredentialProvider.objects.filter(name="SlackOauth2").exists()


def test_providers_are_listed_by_name() -> None:
    for vendor in ("SlackOauth2", "GoogleOauth2"):
        ask(CREATE, **given(vendor))

    found = ask("ListOauth2CredentialProviders", maxResults=1)
    assert [row["name"] for row in found["credentialProviders"]] == ["GoogleOauth2"]
    rest = ask("ListOauth2CredentialProviders", nextToken=found["nextToken"])
    assert [row["credentialProviderVendor"] for row in rest["credentialProviders"]] == [
        "SlackOauth2"
    ]


def test_a_provider_at_which_people_are_connected_goes_once_it_was_told(
    world: World, alice: User
) -> None:
    grant = world.grant(alice)

    assert ask("DeleteOauth2CredentialProvider", name="acme") == {}
    assert ask("DeleteOauth2CredentialProvider", name="acme") == {}
    assert ask("GetOauth2CredentialProvider", name="acme")["status"] == "DELETING"
    assert not CredentialProvider.objects.get().enabled

    cascade.work_off(for_s=10)
    assert Grant.objects.get(pk=grant.pk).state == Grant.State.REVOKED
    revocations.attempt(Revocation.objects.get())
    AccessEnding.objects.update(next_step_at=timezone.now())
    cascade.work_off(for_s=10)
    refused(ProviderUnknown, "GetOauth2CredentialProvider", name="acme")
    assert world.there.family_of("alice").ended


@pytest.mark.parametrize("verb", ["Get", "Delete"])
def test_what_there_is_not_is_not_found(verb: str) -> None:
    refused(ProviderUnknown, f"{verb}Oauth2CredentialProvider", name="nowhere")


def test_what_there_is_not_is_not_updated() -> None:
    refused(ProviderUnknown, "UpdateOauth2CredentialProvider", **given())


def test_an_agents_key_keeps_no_providers() -> None:
    ask(CREATE, **given())
    own = Caller("AKIAAGENT", "batch")

    for verb in ("Create", "Update"):
        with pytest.raises(Forbidden):
            ask(f"{verb}Oauth2CredentialProvider", own, **given())
    for verb in ("Get", "Delete"):
        with pytest.raises(Forbidden):
            ask(f"{verb}Oauth2CredentialProvider", own, name="GoogleOauth2")
    with pytest.raises(Forbidden):
        ask("ListOauth2CredentialProviders", own)
    assert CredentialProvider.objects.count() == 1
