"""What a load balancer is told of keys, and what stops a start."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.test import Client

from core import aws as clients
from core import crypto
from core.models import DataKey
from portal import footing
from tests.fixtures.aws import Aws

pytestmark = pytest.mark.django_db(transaction=True)

NOBODY = "http://127.0.0.1:9"


def test_it_names_the_keys_that_are_missing_and_no_account(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/readyz").status_code == 200
    arn = f"arn:aws:kms:us-east-1:{'1' * 12}:key/{'a' * 36}"
    DataKey.objects.filter(purpose="vault").update(kek_id=arn)
    settings.VAULT_KEYS = f"other:{base64.b64encode(bytes(32)).decode()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", NOBODY)
    clients.forget()
    crypto.forget_opened_keys()

    ready = client.get("/readyz")

    assert ready.status_code == 503
    assert ready.json()["missing_keys"] == ["a" * 36, "test"]
    assert "1" * 12 not in ready.content.decode()


def test_while_kms_is_away_it_is_ready_with_what_is_opened(
    client: Client, aws: Aws, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAULT_KMS_KEY_ARN = aws.new_key()
    DataKey.objects.all().delete()
    assert client.get("/readyz").status_code == 200
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", NOBODY)
    clients.forget()

    assert client.get("/readyz").status_code == 200
    crypto.forget_opened_keys()
    key_id = settings.VAULT_KMS_KEY_ARN.rpartition("/")[2]
    assert client.get("/readyz").json()["missing_keys"] == [key_id]


def test_a_key_in_kms_that_cannot_be_used_stops_the_start(aws: Aws, settings: Any) -> None:
    settings.VAULT_KMS_KEY_ARN = aws.new_key()
    assert footing.key_fault() == ""

    settings.VAULT_KMS_KEY_ARN = settings.VAULT_KMS_KEY_ARN[:-4] + "0000"

    assert "NotFoundException" in footing.key_fault()
    assert "VAULT_KMS_KEY_ARN" in footing.key_fault()
