from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks

from agents import checks


def found(messages: list[Any]) -> list[str]:
    assert all(message.hint for message in messages)
    return [message.id for message in messages]


@pytest.mark.parametrize(
    ("region", "account", "ids"),
    [
        ("us-east-1", "000000000000", []),
        ("US EAST", "000000000000", ["daiko.E005"]),
        ("", "000000000000", ["daiko.E005"]),
        ("a:b", "000000000000", ["daiko.E005"]),
        ("us-east-1", "1234", ["daiko.E006"]),
        ("us-east-1", "12345678901a", ["daiko.E006"]),
    ],
)
def test_arns_can_be_made_or_the_site_does_not_start(
    settings: Any, region: str, account: str, ids: list[str]
) -> None:
    settings.AWS_REGION, settings.DAIKO_ACCOUNT_ID = region, account

    assert found(checks.arn_parts(None)) == ids


@pytest.mark.parametrize(
    ("issuer", "ids"),
    [
        ("https://idp.example/tenant", []),
        ("http://127.0.0.1:8001", []),
        ("http://idp.example", ["daiko.E007"]),
        ("https://10.0.0.1", ["daiko.E007"]),
        ("idp.example", ["daiko.E007"]),
    ],
)
def test_a_trusted_issuer_can_be_asked_or_the_site_does_not_start(
    settings: Any, issuer: str, ids: list[str]
) -> None:
    settings.DAIKO_TRUSTED_ISSUERS = [issuer]

    assert found(checks.trusted_issuers(None)) == ids


def test_django_knows_these_checks(settings: Any) -> None:
    settings.DAIKO_ACCOUNT_ID = "x"

    assert "daiko.E006" in [message.id for message in run_checks()]
