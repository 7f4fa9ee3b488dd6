"""Who comes to the site, which pages are theirs, and how a page is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.crawl import crawled
from tests.browser.people import (
    PATIENCE_MS,
    ask,
    ask_without_a_grant,
    connect,
    open_agent,
    sign_in,
)
from tests.fixtures.world import World

# By which the pages come in each language of the site.
LOCALES = {"en": "en-GB", "ja": "ja"}
WIDTHS = [1280, 360]
THEMES: list[Literal["light", "dark"]] = ["light", "dark"]


# Answers that wait for the person; each is told in the language that it was asked in.
WAITING = {
    "a consent": "When am I free today?",
    "an approval": "Remind me to call the bank",
}


def stranger(world: World, context: BrowserContext) -> dict[str, str]:
    return {
        "the first page": world.url,
        "nothing there": f"{world.url}/nowhere/",
        "sign-in refused": f"{world.url}/oidc/callback/?error=access_denied&state=x",
        "a forged way back": f"{world.url}/identities/oauth2/callback/"
        "00000000-0000-4000-8000-000000000000?code=x&state=y",
    }


def somebody(world: World, context: BrowserContext) -> dict[str, str]:
    page = context.new_page()
    ask_without_a_grant(page, world, "bob")
    expect(page.get_by_role("link", name="Connect", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    waiting = page.url
    other = context.new_page()
    other.goto(waiting)
    connect(context, other, world, "bob")
    expect(other.get_by_text("Quarterly review")).to_be_visible(timeout=PATIENCE_MS)
    pages = crawled(page, f"{world.url}/")
    assert pages.keys() >= {
        *("portal:home", "portal:chat", "portal:chat_new", "portal:connections"),
        *("portal:activity", "portal:my_data", "portal:conversations_delete"),
    }
    asked = {name: asked_in_a_chat(context, world, text) for name, text in WAITING.items()}
    return pages | asked | {"the answer": waiting, "the API": f"{world.url}/api/docs/"}


def asked_in_a_chat(context: BrowserContext, world: World, text: str) -> str:
    """Ask the planner what makes it ask in turn; return where it waits for the person."""
    page = context.new_page()
    open_agent(page, world, "planner")
    ask(page, text)
    expect(page.locator(".consent")).to_be_visible(timeout=PATIENCE_MS)
    return page.url


def stop_all(context: BrowserContext, pages: dict[str, str]) -> None:
    """End the answers that still wait for the person of `pages`."""
    page = context.new_page()
    for name in pages.keys() & WAITING.keys():
        page.goto(pages[name])
        stop = page.get_by_role("button", name="Stop")
        if stop.is_visible():
            stop.click()
            expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=PATIENCE_MS)


def an_admin(world: World, context: BrowserContext) -> dict[str, str]:
    page = context.new_page()
    sign_in(page, world, "alice")
    pages = crawled(page, f"{world.url}/admin/", under="/admin/")
    assert len(pages) > 30
    return pages


VISITS = [stranger, somebody, an_admin]


def in_language(browser: Browser, context: BrowserContext, language: str) -> BrowserContext:
    """Return another browser of the same person, who reads this language."""
    return browser.new_context(locale=LOCALES[language], storage_state=context.storage_state())


def shown(page: Page, url: str) -> Iterator[str]:
    """Show a page on every screen in both themes; yield which it is."""
    page.goto(url)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            yield f"{theme}, {width}"
