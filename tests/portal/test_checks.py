"""A configuration that is unsafe, or that nothing could work with, does not start."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from portal import checks


def test_the_settings_of_this_run_pass() -> None:
    assert checks.identity_provider(None) == []


@pytest.mark.parametrize(
    "issuer", ["http://idp.example", "https://10.0.0.1", "https://user:pw@idp.example", "idp"]
)
def test_it_refuses_an_identity_provider_that_is_asked_in_clear_or_not_at_all(
    settings: Settings, issuer: str
) -> None:
    settings.OIDC_ISSUER = issuer

    assert [found.id for found in checks.identity_provider(None)] == ["daiko.E008"]


def test_it_takes_a_provider_on_a_host_that_an_admin_listed(settings: Settings) -> None:
    settings.OIDC_ISSUER = "http://localhost:8001"
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["localhost"]

    assert checks.identity_provider(None) == []
