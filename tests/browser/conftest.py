"""A demo for the whole run, and a browser profile for each person."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.world import World, running

# Short, so that expiry and renewal are seen within a test: renewed after 20 to 24 s, and then not
# before 40 s.
ACME_ACCESS_TOKEN_S = 30


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("demo")
    with running(home, {"ACME_ACCESS_TOKEN_S": str(ACME_ACCESS_TOKEN_S)}) as started:
        yield started


@pytest.fixture
def profile(browser: Browser) -> Iterator[Callable[[], BrowserContext]]:
    """Give a new browser profile: no cookie of anybody in it."""
    opened: list[BrowserContext] = []

    def make() -> BrowserContext:
        opened.append(browser.new_context(locale="en-GB"))
        return opened[-1]

    yield make
    for context in opened:
        context.close()
