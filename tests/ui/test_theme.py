"""Light, dark, or as the system is: chosen once, kept, and without a flash of the other."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.ui.site import CHAT, Site, bob, chat_page, page_of

CONNECTIONS = "/connections/"
LIGHT, DARK = "rgb(246, 247, 245)", "rgb(16, 20, 19)"


def paper(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


def connections() -> str:
    return page_of("portal/connections.html", {"grants": []}, user=bob())


def test_the_theme_is_the_systems_until_one_is_chosen_and_then_that_everywhere(site: Site) -> None:
    page = site.page
    site.pages[CONNECTIONS] = connections()
    page.emulate_media(color_scheme="light")
    site.open(CHAT, chat_page())
    assert paper(page) == LIGHT

    page.get_by_role("button", name="Theme: as your system").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert paper(page) == DARK

    page.goto(f"{page.url.removesuffix(CHAT)}{CONNECTIONS}")
    assert paper(page) == DARK

    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Theme: dark").click()
    page.get_by_role("button", name="Theme: as your system").click()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    assert paper(page) == LIGHT


def test_the_chosen_theme_is_there_before_anything_is_shown(site: Site) -> None:
    page = site.page
    page.emulate_media(color_scheme="light")
    site.open(CONNECTIONS, connections())
    page.get_by_role("button", name="Theme: as your system").click()
    page.add_init_script(
        """
        new MutationObserver(() => {
          if (document.body && !("first" in window)) {
            window.first = document.documentElement.dataset.theme;
          }
        }).observe(document, { childList: true, subtree: true });
        """
    )

    page.reload()

    assert page.evaluate("window.first") == "dark"


def test_it_is_chosen_by_keyboard_and_on_a_phone(site: Site) -> None:
    page = site.page
    page.set_viewport_size({"width": 360, "height": 740})
    site.open(CONNECTIONS, connections())
    page.get_by_role("button", name="Menu").click()
    toggle = page.get_by_role("button", name="Theme: as your system")
    expect(toggle.get_by_text("Theme: as your system")).to_be_in_viewport()

    toggle.focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("button", name="Theme: dark")).to_be_focused()


def test_without_script_there_is_no_button_that_does_nothing(site: Site) -> None:
    html = connections().replace("<script", "<template").replace("</script>", "</template>")
    site.open(CONNECTIONS, html)

    expect(site.page.get_by_role("heading", level=1)).to_be_visible()
    expect(site.page.get_by_role("button", name="Theme")).to_have_count(0)
