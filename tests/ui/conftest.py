"""A browser at a made-up site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.ui.site import Site


@pytest.fixture
def site(page: Page) -> Iterator[Site]:
    """A site that answers what the test says, and whose pages have nothing to complain about."""
    made_up = Site(page)
    yield made_up
    assert made_up.complaints == []
