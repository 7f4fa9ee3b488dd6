"""The whole journey without a mouse: every step by Tab, Enter and Escape."""

from __future__ import annotations

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.in_words import Visit
from tests.browser.people import PATIENCE_MS, QUESTION

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


def type_into(page: Page, field: Locator, text: str) -> None:
    tab_to(page, field.first)
    page.keyboard.type(text)


def sign_in_at_acme(acme: Page, visitor: Visit) -> None:
    email, password = visitor.world.acme_account("bob")
    type_into(acme, acme.locator("input:not([type=hidden], [type=password])"), email)
    type_into(acme, acme.locator("[type=password]"), password)
    acme.keyboard.press("Enter")


def enter_in_the_header(visitor: Visit, target: Locator) -> None:
    """Enter what a phone keeps in a menu."""
    menu = visitor.page.locator(".top__menu")
    if menu.is_visible():
        enter(visitor.page, menu)
    enter(visitor.page, target.first)


def test_bob_signs_in_connects_reads_the_answer_and_disconnects_by_keyboard(
    visitor: Visit, browser: Browser
) -> None:
    setting = visitor.looks.context(browser)
    before = Visit(visitor.world, setting, visitor.looks)
    before.sign_in("bob")
    before.disconnect_all()
    setting.close()
    page, words = visitor.page, visitor.words
    page.goto(visitor.world.url)

    enter(page, visitor.main.get_by_role("link", name=words("Sign in"), exact=True).first)
    type_into(page, page.locator("[autocomplete=username]"), "bob")
    type_into(page, page.locator("[type=password]"), visitor.world.password("bob"))
    page.keyboard.press("Enter")
    enter(page, visitor.main.get_by_role("link", name="Concierge").first)
    tab_to(page, page.get_by_role("textbox", name=words("Message"), exact=True))
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    with visitor.context.expect_page() as opened:
        enter(page, visitor.main.get_by_role("link", name=words("Connect"), exact=True).first)
    acme = opened.value
    sign_in_at_acme(acme, visitor)
    enter(acme, acme.locator("button[name=decision][value=allow]"))
    acme.wait_for_url(f"{visitor.world.url}/**")
    expect(page.get_by_text("Quarterly review")).to_be_visible(timeout=PATIENCE_MS)
    answered = words("{agent} has answered.").format(agent="Concierge")
    expect(page.locator("#announcer")).to_have_text(answered)
    expect(page.locator(".consent")).to_be_focused()

    enter_in_the_header(visitor, visitor.link("Connections"))
    enter(page, visitor.button("Disconnect").first)
    dialog = page.get_by_role("alertdialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(visitor.button("Disconnect").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    enter(page, dialog.get_by_role("button", name=words("Disconnect"), exact=True))
    visitor.reads("Nothing is connected")
    enter_in_the_header(visitor, visitor.button("Sign out"))
    expect(visitor.button("Sign out")).to_have_count(0)
