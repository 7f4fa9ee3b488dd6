"""A file that somebody attaches reaches the agent as it is, and nobody else."""

from __future__ import annotations

from collections.abc import Callable

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, FilePayload, Page, expect

from tests.browser.people import PATIENCE_MS, ask, open_agent, sign_in
from tests.fixtures.world import World

Profile = Callable[[], BrowserContext]
NOTES: FilePayload = {"name": "notes.md", "mimeType": "text/markdown", "buffer": b"# Buy milk"}
PROGRAM: FilePayload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"\x7fELF\x00"}


def attach(page: Page, file: FilePayload) -> None:
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Attach files").click()
    chosen.value.set_files([file])
    expect(page.get_by_role("progressbar")).to_have_count(0)


def test_a_file_reaches_the_agent_and_nobody_else(world: World, profile: Profile) -> None:
    page = profile().new_page()
    sign_in(page, world, "bob")
    open_agent(page, world, "greeter")
    attach(page, NOTES)
    expect(page.get_by_role("button", name="Remove notes.md")).to_be_visible()

    ask(page, "What is in it?")

    answer = page.get_by_role("article").last
    expect(answer).to_contain_text("notes.md (10 bytes)", timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=PATIENCE_MS)
    page.reload()
    link = page.get_by_role("link", name="notes.md")
    where = f"{world.url}{link.get_attribute('href')}"
    assert page.request.get(where).body() == NOTES["buffer"]
    assert Axe().run(page).response["violations"] == []

    somebody = profile().new_page()
    sign_in(somebody, world, "alice")
    assert somebody.request.get(where).status == 404
    assert profile().new_page().request.get(where, max_redirects=0).status == 302


def test_what_is_no_such_file_is_refused_in_words(world: World, profile: Profile) -> None:
    page = profile().new_page()
    sign_in(page, world, "bob")
    open_agent(page, world, "greeter")

    attach(page, PROGRAM)

    expect(page.get_by_role("alert")).to_contain_text("Greeter does not take this file.")
    expect(page.get_by_role("button", name="Remove notes.txt")).to_have_count(0)


def test_an_agent_that_takes_no_files_is_offered_none(world: World, profile: Profile) -> None:
    page = profile().new_page()
    sign_in(page, world, "bob")

    open_agent(page, world, "concierge")

    expect(page.get_by_role("textbox", name="Message")).to_be_visible()
    expect(page.get_by_role("button", name="Attach files")).to_have_count(0)
