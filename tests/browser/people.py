"""What a person does in the browser, in the words that stand on the page."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page, expect

from tests.fixtures.world import World

QUESTION = "What is on my calendar today?"
PATIENCE_MS = 30_000


def sign_in(page: Page, world: World, username: str) -> None:
    """Sign in at the identity provider and arrive at the chat."""
    page.goto(world.url)
    page.get_by_role("link", name="Sign in").or_(
        page.get_by_role("button", name="Sign in")
    ).first.click()
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(world.password(username))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible(timeout=PATIENCE_MS)
    page.wait_for_load_state()  # the tour stands at the end of the page
    if page.locator("#tour[data-first]").count():
        # The first visit of this person.
        skip = page.get_by_role("dialog").get_by_role("button", name="Skip")
        with page.expect_response("**/tour/seen/"):
            skip.click()


def open_agent(page: Page, world: World, name: str) -> None:
    """Open a new chat with an agent."""
    page.goto(f"{world.url}/chat/new/{world.agent(name)['id']}/")


def ask(page: Page, text: str) -> None:
    """Send a message."""
    page.get_by_role("textbox", name="Message").fill(text)
    page.get_by_role("button", name="Send").click()


def connect(context: BrowserContext, page: Page, world: World, username: str) -> None:
    """Follow the consent card to Acme Calendar, sign in there, and allow."""
    acme = consent_page(context, page, world, username)
    acme.get_by_role("button", name="Allow").click()
    expect(acme.get_by_text("close this tab")).to_be_visible(timeout=PATIENCE_MS)


def consent_page(context: BrowserContext, page: Page, world: World, username: str) -> Page:
    """Follow the consent card and sign in at Acme Calendar; return its consent page."""
    with context.expect_page() as opened:
        page.get_by_role("link", name="Connect", exact=True).click()
    acme = opened.value
    acme.wait_for_load_state()
    if acme.get_by_role("button", name="Allow").count() == 0:
        email, password = world.acme_account(username)
        acme.get_by_label("Email").fill(email)
        acme.get_by_label("Password").fill(password)
        acme.get_by_role("button", name="Sign in").click()
    expect(acme.get_by_role("button", name="Allow")).to_be_visible(timeout=PATIENCE_MS)
    return acme


def disconnect(page: Page) -> None:
    """Take back the first grant on the connections page."""
    page.get_by_role("button", name="Disconnect").first.click()
    page.get_by_role("alertdialog").get_by_role("button", name="Disconnect").click()
    expect(page.get_by_role("main")).to_contain_text("Disconnected", timeout=PATIENCE_MS)


def disconnect_all(page: Page, world: World) -> None:
    """Take back everything this person granted."""
    page.goto(f"{world.url}/connections/")
    while page.get_by_role("button", name="Disconnect").count():
        disconnect(page)


def ask_without_a_grant(page: Page, world: World, username: str) -> None:
    """Sign in with nothing connected, and ask the concierge what needs a connection."""
    sign_in(page, world, username)
    disconnect_all(page, world)
    open_agent(page, world, "concierge")
    ask(page, QUESTION)
