"""A browser profile for each person, in each language, on each screen, in each theme."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.in_words import Visit
from tests.browser.visits import LOCALES
from tests.fixtures.world import World


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


@pytest.fixture(
    params=[("en", 360, "dark"), ("ja", 1280, "dark"), ("ja", 360, "light")],
    ids=lambda param: "-".join(map(str, param)),
)
def visit(request: Any, world: World, browser: Browser) -> Any:
    language, width, theme = request.param
    context = browser.new_context(
        locale=LOCALES[language],
        viewport={"width": width, "height": 800},
        color_scheme=theme,
        has_touch=width < 500,
    )
    yield Visit(world, context, language=language, width=width)
    context.close()
