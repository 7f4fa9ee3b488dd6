"""What the leaf room's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core import crypto, jose
from tests.fixtures.aws import aws, aws_server  # noqa: F401 - fixtures
from tests.fixtures.issuer import Issuer, issuing
from tests.fixtures.loops import run  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """Let no test lean on what another one left in this process."""
    crypto.forget_opened_keys()
    jose.forget_issuers()
    yield
    crypto.forget_opened_keys()


@pytest.fixture
def issuer(settings: Any) -> Iterator[Issuer]:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    with issuing() as running:
        yield running
