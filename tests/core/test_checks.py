from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from core import checks

Check = Callable[[Any], list[Any]]
KEY = base64.b64encode(b"k" * 32).decode()


def found(check: Check) -> list[str]:
    messages = check(None)
    assert all(message.hint for message in messages)
    return [message.id for message in messages]


@pytest.mark.parametrize(("ring", "ids"), [(f"a:{KEY}", []), ("a", ["daiko.E001"])])
def test_a_key_ring_that_does_not_parse_is_refused(
    settings: Any, ring: str, ids: list[str]
) -> None:
    settings.VAULT_KEYS = ring

    assert found(checks.key_ring) == ids


@pytest.mark.parametrize(
    "url", ["https://chat.example", "http://localhost:8000", "http://127.0.0.1", "http://[::1]:80"]
)
def test_a_site_with_tls_or_on_this_machine_starts(settings: Any, url: str) -> None:
    settings.SITE_URL = url

    assert found(checks.site_url) == []


@pytest.mark.parametrize(
    "url", ["http://chat.example", "chat.example", "https://", "ftp://localhost", ""]
)
def test_a_site_that_sends_cookies_in_clear_is_refused(settings: Any, url: str) -> None:
    settings.SITE_URL = url

    assert found(checks.site_url) == ["daiko.E002"]


@pytest.mark.parametrize(("chars", "ids"), [(50, []), (49, ["daiko.E003"])])
def test_a_short_secret_key_is_refused(settings: Any, chars: int, ids: list[str]) -> None:
    settings.SECRET_KEY = "k" * chars

    assert found(checks.secret_key) == ids


@pytest.mark.parametrize("host", ["*", "*.internal", "10.0.0.0/8", "http://agent/"])
def test_private_hosts_are_listed_one_by_one(settings: Any, host: str) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["localhost", host]

    assert found(checks.private_hosts) == ["daiko.E004"]
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["localhost", "10.0.0.7"]
    assert found(checks.private_hosts) == []
