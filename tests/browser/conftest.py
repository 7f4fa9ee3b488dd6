"""A browser profile for each person, in each language, on each screen, in each theme.

Tabs are left to their profile, which is closed as a whole: Chromium forgets to close a tab that is
about to show another page, and whoever closes it waits for ever (crbug.com/536385539).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.in_words import Looks, Visit, look
from tests.fixtures.world import World


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    look(metafunc, "visitor")
    look(metafunc, "visit", in_english=False)


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


@pytest.fixture
def visit(request: Any, world: World, browser: Browser) -> Iterator[Visit]:
    """Give a visit in what `visitor` adds to English on a desktop in light."""
    yield from _visit(world, browser, request.param)


@pytest.fixture
def visitor(request: Any, world: World, browser: Browser) -> Iterator[Visit]:
    """Give a visit in each of the ways in which the site is looked at."""
    yield from _visit(world, browser, request.param)


def _visit(world: World, browser: Browser, looks: Looks) -> Iterator[Visit]:
    context = looks.context(browser)
    yield Visit(world, context, looks)
    context.close()
