"""What the leaf room's tests share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from core import crypto, database, http, jose
from tests.fixtures.issuer import Issuer, issuing

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]


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


@pytest.fixture
def run() -> Run[Any]:
    """Run a coroutine on an event loop of its own, and close what that loop opened."""

    async def closing(work: Coroutine[Any, Any, T]) -> T:
        try:
            return await work
        finally:
            await http.close()
            await database.close()

    def runs(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(closing(work))

    return runs
