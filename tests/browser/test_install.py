"""The site as an app of its own on a phone or a desktop."""

from __future__ import annotations

import json
from collections.abc import Callable

from playwright.sync_api import BrowserContext

from tests.browser.people import sign_in
from tests.fixtures.world import World

Profile = Callable[[], BrowserContext]


def test_the_browser_finds_nothing_that_keeps_it_from_being_installed(
    world: World, profile: Profile
) -> None:
    context = profile()
    page = context.new_page()
    sign_in(page, world, "bob")
    browser = context.new_cdp_session(page)

    told = browser.send("Page.getAppManifest")

    assert told["errors"] == []
    manifest = json.loads(told["data"])
    assert (manifest["name"], manifest["start_url"]) == ("Daiko", "/")
    assert len(manifest["icons"]) == 3
    for icon in manifest["icons"]:
        assert page.request.get(f"{world.url}/static/portal/{icon['src']}").ok
    # A window that keeps nothing is never installed from, and a test's is one.
    found = browser.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert {each["errorId"] for each in found} <= {"in-incognito"}
