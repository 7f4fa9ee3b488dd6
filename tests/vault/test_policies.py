"""Resource policies of a provider and of the token vault."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from agents import resources, tags
from agents.arns import oauth2_provider_arn, token_vault_arn, workload_identity_arn
from agents.keys.callers import Caller
from agents.models import ResourcePolicy, ResourceTag
from agents.policies import PolicyDenied, stored
from agents.resources import ResourceUnknown
from core.errors import AppError, InvalidRequest
from core.models import User
from core.subject import Subject
from core.wire.app import Call
from tests.vault.conftest import ADMIN, World, events
from vault.models import ConsentSession, CredentialProvider
from vault.providers import services as providers
from vault.wire import data_plane as wire

pytestmark = pytest.mark.usefixtures("db")
ALLOW = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
DENY = {**ALLOW, "Effect": "Deny", "Sid": "Never"}
ACME = "acme"


def put(arn: str, *statements: Any) -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    stored.policy_put(resource_arn=arn, text=text, actor=ADMIN)


@pytest.mark.parametrize("whose", ["provider", "vault"])
def test_a_denied_provider_releases_no_token_and_asks_nobody(
    world: World, alice: User, whose: str
) -> None:
    world.grant(alice)
    arn = oauth2_provider_arn(ACME) if whose == "provider" else token_vault_arn()
    put(arn, {**DENY, "Action": "bedrock-agentcore:GetResourceOauth2Token"})

    for forced in (False, True):
        with pytest.raises(PolicyDenied):
            world.read(alice, forced=forced)

    event = events("vault.token.refused")[-1]
    assert (event.reason, event.provider) == ("policy_denied", ACME)
    assert (event.detail["statement"], event.detail["policy_of"]) == ("Never", arn)
    assert events("vault.token.released") == []
    assert [s.status for s in ConsentSession.objects.all()] == ["completed"]


def test_a_provider_can_be_kept_to_one_workload_identity(world: World, alice: User) -> None:
    world.grant(alice)
    own = workload_identity_arn(world.identity.name)
    put(oauth2_provider_arn(ACME), {**ALLOW, "Principal": {"AWS": own}})

    world.read(alice, caller=Caller("AKIAAGENT", world.identity.name))
    with pytest.raises(PolicyDenied):
        world.read(alice, caller=Caller("AKIAOPERATOR", None))


def test_completing_a_consent_is_denied_for_whom_a_condition_names(world: World) -> None:
    named = {"StringEquals": {"bedrock-agentcore:userid": "customer-7"}}
    put(oauth2_provider_arn(ACME), {**DENY, "Condition": named})
    waiting = world.wait(Subject.opaque("customer-7"))
    asked = Call(
        operation="CompleteResourceTokenAuth",
        input={"sessionUri": waiting.session_uri, "userIdentifier": {"userId": "customer-7"}},
        caller=Caller("AKIAAGENT", world.identity.name),
        request_id="",
        client_ip=None,
    )

    with pytest.raises(PolicyDenied):
        wire.complete_resource_token_auth(asked)

    (event,) = events("vault.consent.refused")
    assert (event.reason, event.detail["statement"]) == ("policy_denied", "Never")
    session = world.session(waiting)
    assert session.is_open(at=timezone.now())
    other = replace(asked, input={**asked.input, "userIdentifier": {"userId": "customer-8"}})
    with pytest.raises(AppError) as caught:
        wire.complete_resource_token_auth(other)
    assert not isinstance(caught.value, PolicyDenied)


def test_a_policy_says_only_what_can_be_done_with_its_resource(acme: CredentialProvider) -> None:
    with pytest.raises(InvalidRequest):
        put(oauth2_provider_arn(ACME), {**DENY, "Action": "bedrock-agentcore:GetResourceApiKey"})
    put(token_vault_arn(), {**DENY, "Action": "bedrock-agentcore:GetResourceApiKey"})


def test_policies_and_tags_go_with_a_provider(acme: CredentialProvider) -> None:
    arn = oauth2_provider_arn(ACME)
    put(arn, DENY)
    tags.tags_add(resource_arn=arn, tags={"a": "b"}, actor=ADMIN)

    providers.provider_delete(provider=acme, actor=ADMIN)

    assert not ResourcePolicy.objects.exists()
    assert not ResourceTag.objects.exists()
    with pytest.raises(ResourceUnknown):
        resources.find(arn)


def test_the_vault_has_a_policy_and_no_tags() -> None:
    with pytest.raises(ResourceUnknown):
        tags.tags_of(token_vault_arn())
