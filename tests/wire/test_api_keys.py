"""API keys over the wire API: what operators keep, and what agents get of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents import workload
from agents.arns import api_key_provider_arn
from agents.errors import (
    ChainBroken,
    ForeignWorkload,
    PersonDisabled,
    WorkloadDisabled,
    WorkloadTokenInvalid,
)
from agents.keys.callers import Caller
from agents.models import WorkloadIdentity
from agents.policies import PolicyDenied
from core import audit, external_secrets
from core.errors import AppError, Forbidden, InvalidRequest
from core.external_secrets import ExternalSecretMissing
from core.models import AuditEvent, User
from core.secret import Secret
from tests.vault.conftest import token_of
from tests.wire.asking import ask, field_of, refused
from vault.errors import (
    ProviderDisabled,
    ProviderExists,
    ProviderNotAllowed,
    ProviderUnknown,
)
from vault.models import ApiKeyProvider

pytestmark = pytest.mark.django_db

KEY = "sk-of-the-third-party"
EXTERNAL: dict[str, Any] = {
    "apiKeySecretSource": "EXTERNAL",
    "apiKeySecretConfig": {"secretId": "weather/prod", "jsonKey": "key"},
}


def created(name: str = "weather", **asked: Any) -> dict[str, Any]:
    return ask("CreateApiKeyCredentialProvider", name=name, **(asked or {"apiKey": KEY}))


def provider() -> ApiKeyProvider:
    return ApiKeyProvider.objects.get(name="weather")


def actions() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", "reason"))


def read(identity: WorkloadIdentity, person: User | None = None, **changed: Any) -> str:
    """Ask for the key as the agent does, with its own access key."""
    caller = changed.pop("caller", Caller("AKIAAGENT", identity.name))
    asked = {
        "workloadIdentityToken": token_of(identity, person).reveal(),
        "resourceCredentialProviderName": "weather",
        **changed,
    }
    return str(ask("GetResourceApiKey", caller, **asked)["apiKey"])


def denied(error: type[AppError], identity: WorkloadIdentity, *given: Any, **changed: Any) -> None:
    """Ask for the key, and see that nothing is released."""
    with pytest.raises(error) as caught:
        read(identity, *given, **changed)
    assert actions()[-1] == ("vault.api_key.refused", caught.value.code)
    assert "vault.api_key.released" not in dict(actions())


# --- keeping them --------------------------------------------------------------------------------


def test_what_was_created_is_told_without_the_key() -> None:
    made = created()

    told = ask("GetApiKeyCredentialProvider", name="weather")
    assert made.items() <= told.items()
    assert made["apiKeySecretSource"] == "MANAGED"
    assert made["apiKeySecretArn"]["secretArn"] == (
        "arn:aws:secretsmanager:us-east-1:000000000000:secret:"
        "bedrock-agentcore-identity!default/apikey/weather"
    )
    assert KEY not in json.dumps([made, told, *AuditEvent.objects.values_list("detail", flat=True)])
    assert provider().key() == Secret(KEY)


def test_a_key_may_stay_in_aws_secrets_manager() -> None:
    made = created(**EXTERNAL)

    assert made["apiKeySecretArn"]["secretArn"].endswith(":000000000000:secret:weather/prod")
    assert (made["apiKeySecretSource"], made["apiKeySecretJsonKey"]) == ("EXTERNAL", "key")
    assert provider().secret_sealed is None


def test_a_secret_that_is_named_by_its_arn_is_told_by_it() -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:weather/prod-AbCdEf"
    config = {"secretId": arn, "jsonKey": "key"}

    made = created(apiKeySecretSource="EXTERNAL", apiKeySecretConfig=config)

    assert made["apiKeySecretArn"] == {"secretArn": arn}


def test_of_two_who_create_one_at_once_the_slower_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(_: ApiKeyProvider) -> None:
        faster = ApiKeyProvider(name="weather")
        faster.keep_secret(Secret("faster"))
        ApiKeyProvider.objects.bulk_create([faster])

    monkeypatch.setattr(ApiKeyProvider, "full_clean", overtaken)

    refused(ProviderExists, "CreateApiKeyCredentialProvider", name="weather", apiKey=KEY)
    assert provider().key() == Secret("faster")
    assert actions() == []


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "apiKey"),
        ({"apiKey": ""}, "apiKey"),
        ({"apiKey": KEY, **EXTERNAL}, "apiKey"),
        ({"apiKeySecretSource": "EXTERNAL"}, "apiKeySecretConfig"),
        ({**EXTERNAL, "apiKeySecretSource": "MANAGED"}, "apiKeySecretSource"),
        ({"apiKeySecretConfig": EXTERNAL["apiKeySecretConfig"]}, "apiKeySecretSource"),
        (
            {**EXTERNAL, "apiKeySecretConfig": {"secretId": "a b", "jsonKey": "x"}},
            "apiKeySecretConfig.secretId",
        ),
        (
            {**EXTERNAL, "apiKeySecretConfig": {"secretId": "arn:aws:s3:::x", "jsonKey": "x"}},
            "apiKeySecretConfig.secretId",
        ),
    ],
)  # fmt: skip
def test_a_key_is_in_one_place(asked: dict[str, Any], field: str) -> None:
    refusal = refused(InvalidRequest, "CreateApiKeyCredentialProvider", name="weather", **asked)

    assert field_of(refusal) == field
    assert not ApiKeyProvider.objects.exists()
    assert actions() == []


def test_a_name_is_given_once() -> None:
    created()

    refused(ProviderExists, "CreateApiKeyCredentialProvider", name="weather", apiKey="other")
    assert provider().key() == Secret(KEY)


def test_tags_come_with_it_and_go_with_it() -> None:
    arn = created(apiKey=KEY, tags={"team": "a"})["credentialProviderArn"]
    assert ask("ListTagsForResource", resourceArn=arn) == {"tags": {"team": "a"}}

    assert ask("DeleteApiKeyCredentialProvider", name="weather") == {}
    created()
    assert ask("ListTagsForResource", resourceArn=arn) == {"tags": {}}


def test_nothing_is_created_with_a_tag_that_cannot_be() -> None:
    asked = {"name": "weather", "apiKey": KEY, "tags": {"aws:x": "y"}}

    assert field_of(refused(InvalidRequest, "CreateApiKeyCredentialProvider", **asked)) == "tags"
    assert not ApiKeyProvider.objects.exists()


def test_an_update_changes_the_key_and_only_where_one_is_given() -> None:
    before = created()

    told = ask("UpdateApiKeyCredentialProvider", name="weather")
    assert before.items() <= told.items()
    assert provider().key() == Secret(KEY)
    ask("UpdateApiKeyCredentialProvider", name="weather", apiKey="another")
    assert provider().key() == Secret("another")
    ask("UpdateApiKeyCredentialProvider", name="weather", **EXTERNAL)
    assert provider().external_secret_id == "weather/prod"
    back = ask("UpdateApiKeyCredentialProvider", name="weather", apiKey=KEY)
    assert "apiKeySecretJsonKey" not in back
    assert provider().key() == Secret(KEY)
    assert [action for action, _ in actions()] == [
        "admin.api_key_provider.added",
        *(["admin.api_key_provider.changed"] * 3),
    ]


def test_providers_are_listed_by_name() -> None:
    created("weather")
    created("maps")

    found = ask("ListApiKeyCredentialProviders")["credentialProviders"]
    assert [row["name"] for row in found] == ["maps", "weather"]
    assert found[0]["credentialProviderArn"].endswith("/apikeycredentialprovider/maps")


@pytest.mark.parametrize("verb", ["Get", "Update", "Delete"])
def test_what_there_is_not_is_not_found(verb: str) -> None:
    refused(ProviderUnknown, f"{verb}ApiKeyCredentialProvider", name="nowhere")


@pytest.mark.parametrize("verb", ["Create", "Get", "Update", "Delete"])
def test_an_agents_key_keeps_no_providers(verb: str, concierge: WorkloadIdentity) -> None:
    created()
    own = Caller("AKIAAGENT", concierge.name)

    with pytest.raises(Forbidden):
        ask(f"{verb}ApiKeyCredentialProvider", own, name="weather", **(
            {"apiKey": "x"} if verb in {"Create", "Update"} else {}
        ))  # fmt: skip
    with pytest.raises(Forbidden):
        ask("ListApiKeyCredentialProviders", own)
    assert provider().key() == Secret(KEY)


# --- getting one ---------------------------------------------------------------------------------


def test_an_agent_gets_the_key_for_a_person_and_for_itself(
    concierge: WorkloadIdentity, alice: User
) -> None:
    created()

    assert (read(concierge, alice), read(concierge)) == (KEY, KEY)

    released = AuditEvent.objects.filter(action="vault.api_key.released").order_by("pk")
    assert [event.subject_sub for event in released] == ["alice", ""]
    first = released[0]
    assert (first.agent, first.provider, first.client) == (concierge.name, "weather", "AKIAAGENT")
    assert KEY not in str(first.detail)


def test_a_site_may_keep_providers_closed_until_an_admin_opens_them(
    concierge: WorkloadIdentity, greeter: WorkloadIdentity, settings: Any
) -> None:
    settings.DAIKO_OPEN_PROVIDERS = False
    created()

    denied(ProviderNotAllowed, concierge)
    provider().workloads.add(concierge)
    denied(ProviderNotAllowed, greeter)
    assert read(concierge) == KEY


def test_another_agents_token_gets_nothing(
    concierge: WorkloadIdentity, greeter: WorkloadIdentity
) -> None:
    created()

    denied(ForeignWorkload, concierge, caller=Caller("AKIAAGENT", greeter.name))
    denied(WorkloadTokenInvalid, concierge, workloadIdentityToken="wat1.made-up")


def test_whoever_is_switched_off_gets_nothing(concierge: WorkloadIdentity, alice: User) -> None:
    created()
    User.objects.update(is_active=False)
    denied(PersonDisabled, concierge, alice)
    ApiKeyProvider.objects.update(enabled=False)
    denied(ProviderDisabled, concierge)
    WorkloadIdentity.objects.update(enabled=False)
    denied(WorkloadDisabled, concierge)


def test_an_agent_that_another_one_called_gets_a_key_while_that_one_may_act(
    concierge: WorkloadIdentity, greeter: WorkloadIdentity, alice: User
) -> None:
    created()
    called = workload.issue(
        workload_id=concierge.pk,
        workload_name=concierge.name,
        subject=alice.subject,
        chain=(workload.Link(greeter.pk, greeter.name),),
    ).reveal()
    WorkloadIdentity.objects.filter(pk=greeter.pk).update(enabled=False)
    denied(ChainBroken, concierge, workloadIdentityToken=called)

    WorkloadIdentity.objects.filter(pk=greeter.pk).update(enabled=True)

    assert read(concierge, workloadIdentityToken=called) == KEY
    told = AuditEvent.objects.filter(action__startswith="vault.api_key").order_by("pk")
    assert [event.detail["chain"] for event in told] == [[greeter.name], [greeter.name]]


def test_a_policy_of_the_provider_denies(concierge: WorkloadIdentity) -> None:
    created()
    statement = {
        "Sid": "nobody",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "bedrock-agentcore:GetResourceApiKey",
        "Resource": "*",
    }
    ask(
        "PutResourcePolicy",
        resourceArn=api_key_provider_arn("weather"),
        policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )

    denied(PolicyDenied, concierge)
    assert AuditEvent.objects.latest("pk").detail["statement"] == "nobody"


def test_nothing_is_opened_unless_its_release_is_on_record(
    concierge: WorkloadIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    created()
    opened: list[str] = []

    def fail(_: audit.Event) -> None:
        raise audit.AuditUnavailable

    monkeypatch.setattr(audit, "record", fail)
    monkeypatch.setattr(ApiKeyProvider, "key", lambda row: opened.append(row.name))

    with pytest.raises(audit.AuditUnavailable):
        read(concierge)
    assert opened == []


def test_a_key_that_aws_does_not_give_is_told_and_on_record(
    concierge: WorkloadIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    created(**EXTERNAL)

    def missing(secret_id: str, json_key: str) -> Secret:
        raise ExternalSecretMissing("it has no such JSON key", detail=f"{secret_id} {json_key}")

    monkeypatch.setattr(external_secrets, "read", missing)

    with pytest.raises(ExternalSecretMissing):
        read(concierge)
    assert actions()[-1] == ("vault.api_key.refused", "external_secret_missing")
