"""The whole journey without a mouse: every step by Tab, Enter and Escape."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.people import PATIENCE_MS, QUESTION, disconnect_all, sign_in
from tests.fixtures.world import World

Profile = Callable[[], BrowserContext]

# Each conversation in the list is come by; there may be many.
MOST_TABS = 400
SEEN = """(element) => {
  const style = getComputedStyle(element);
  return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
}"""
# What may hold the focus without an outline of its own: its frame shows it.
FRAMED = "input, textarea, select"


def tab_to(page: Page, target: Locator) -> Locator:
    """Press Tab until `target` has the focus, and see that it shows; return it."""
    expect(target).to_be_visible(timeout=PATIENCE_MS)
    for _ in range(MOST_TABS):
        if target.evaluate("(element) => element === document.activeElement"):
            framed = target.evaluate("(element, framed) => element.matches(framed)", FRAMED)
            assert framed or target.evaluate(SEEN), "nobody sees where the focus is"
            return target
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not come to {target}")


def enter(page: Page, target: Locator) -> None:
    """Come to `target` by Tab, and press Enter there."""
    tab_to(page, target)
    page.keyboard.press("Enter")


def type_into(page: Page, label: str, text: str) -> None:
    tab_to(page, page.get_by_label(label, exact=True).first)
    page.keyboard.type(text)


def sign_in_at_acme(page: Page, world: World, username: str) -> None:
    email, password = world.acme_account(username)
    type_into(page, "Email", email)
    type_into(page, "Password", password)
    page.keyboard.press("Enter")


def test_bob_signs_in_connects_reads_the_answer_and_disconnects_by_keyboard(
    world: World, profile: Profile
) -> None:
    setting = profile().new_page()
    sign_in(setting, world, "bob")
    disconnect_all(setting, world)
    context = profile()
    page = context.new_page()
    page.goto(world.url)

    link = page.get_by_role("link", name="Sign in", exact=True)
    enter(page, link.or_(page.get_by_role("button", name="Sign in", exact=True)).first)
    type_into(page, "Username", "bob")
    type_into(page, "Password", world.password("bob"))
    page.keyboard.press("Enter")
    enter(page, page.get_by_role("main").get_by_role("link", name="Concierge").first)
    tab_to(page, page.get_by_role("textbox", name="Message"))
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    with context.expect_page() as opened:
        enter(page, page.get_by_role("link", name="Connect", exact=True).first)
    acme = opened.value
    sign_in_at_acme(acme, world, "bob")
    enter(acme, acme.get_by_role("button", name="Allow", exact=True).first)
    expect(acme.get_by_text("close this tab")).to_be_visible(timeout=PATIENCE_MS)
    acme.close()
    expect(page.get_by_text("Quarterly review")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#announcer")).to_have_text("Concierge has answered.")
    expect(page.locator(".consent")).to_be_focused()

    enter(page, page.get_by_role("link", name="Connections", exact=True).first)
    enter(page, page.get_by_role("button", name="Disconnect", exact=True).first)
    dialog = page.get_by_role("alertdialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Disconnect").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    enter(page, dialog.get_by_role("button", name="Disconnect"))
    expect(page.get_by_role("main")).to_contain_text("Disconnected", timeout=PATIENCE_MS)
    enter(page, page.get_by_role("button", name="Sign out", exact=True).first)
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
