"""A credential provider has one ARN in AWS's model and another in its documentation."""

from __future__ import annotations

import json

import pytest

from agents.arns import api_key_provider_arn, as_documented, as_modelled, oauth2_provider_arn
from agents.policies import PERSON, PolicyDenied, evaluate
from core.errors import InvalidRequest
from tests.wire.asking import ask, refused
from vault.models import CredentialProvider

pytestmark = pytest.mark.django_db

DOCUMENTED = "arn:aws:bedrock-agentcore:us-east-1:000000000000:token-vault/default"
MODELLED = "arn:aws:acps:us-east-1:000000000000:token-vault/default"
OAUTH2, API_KEY = "/oauth2credentialprovider/acme", "/apikeycredentialprovider/acme"


def test_one_resource_has_both() -> None:
    for documented, kind in [(oauth2_provider_arn, OAUTH2), (api_key_provider_arn, API_KEY)]:
        assert documented("acme") == DOCUMENTED + kind
        assert as_modelled(documented("acme")) == MODELLED + kind
        assert as_documented(MODELLED + kind) == as_documented(DOCUMENTED + kind)
    assert as_documented("arn:*:acps:*") == "arn:*:bedrock-agentcore:*"
    for other in ("*", "acps", "arn:aws:iam::1:role/a:acps:b"):
        assert as_documented(other) == other


@pytest.mark.parametrize("put", [DOCUMENTED, MODELLED])
def test_a_provider_is_tagged_by_either(put: str, acme: CredentialProvider) -> None:
    ask("TagResource", resourceArn=put + OAUTH2, tags={"team": "a"})

    for asked in (DOCUMENTED, MODELLED):
        told = ask("ListTagsForResource", resourceArn=asked + OAUTH2)
        assert told == {"tags": {"team": "a"}}


def test_what_is_no_arn_is_still_not_tagged(acme: CredentialProvider) -> None:
    for arn in ("acme-acme-acme-acme-acme", "arn:aws:s3:us-east-1:000000000000:token-vault/x"):
        refused(InvalidRequest, "TagResource", resourceArn=arn, tags={"team": "a"})


@pytest.mark.parametrize("put", [DOCUMENTED, MODELLED])
@pytest.mark.parametrize("named", [DOCUMENTED, MODELLED])
def test_a_policy_denies_by_either(put: str, named: str, acme: CredentialProvider) -> None:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "bedrock-agentcore:GetResourceOauth2Token",
        "Resource": named + OAUTH2,
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    ask("PutResourcePolicy", resourceArn=put + OAUTH2, policy=document)

    assert ask("GetResourcePolicy", resourceArn=DOCUMENTED + OAUTH2) == {"policy": document}
    with pytest.raises(PolicyDenied):
        evaluate(
            action="GetResourceOauth2Token",
            resources=(oauth2_provider_arn("acme"),),
            principal=PERSON,
        )
