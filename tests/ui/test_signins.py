"""Where a person is signed in, as a page."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from portal.signed_in import Place
from tests.ui.site import Site, bob, page_of

PAGE = "/connections/sessions/"
BEGUN = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def place(browser: str, *, is_here: bool = False) -> Place:
    return Place(uuid.uuid4(), browser, BEGUN, BEGUN, is_here)


def open_page(site: Site, *places: Place) -> None:
    site.open(PAGE, page_of("portal/signins.html", {"places": places}, user=bob()))


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_and_marks_this_browser(theme: str, width: int, site: Site) -> None:
    site.page.set_viewport_size({"width": width, "height": 800})
    site.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    here = place("Samsung Internet on Android", is_here=True)

    open_page(site, here, place("Firefox on Linux"), place("An unknown browser"))

    assert site.page.evaluate("document.documentElement.scrollWidth") == width
    listed = site.page.get_by_role("main").get_by_role("listitem")
    expect(listed).to_have_count(3)
    expect(listed.filter(has_text="This browser")).to_have_count(1)
    expect(listed.get_by_role("button", name="Sign out")).to_have_count(3)
    expect(site.page.get_by_role("button", name="Sign out everywhere else")).to_be_visible()


def test_each_button_says_where_it_signs_out(site: Site) -> None:
    open_page(site, place("Firefox on Linux", is_here=True), place("Safari on iPhone"))

    there = site.page.get_by_role("listitem").filter(has_text="Safari on iPhone")

    expect(there.get_by_role("button", name="Sign out")).to_have_accessible_description(
        "Safari on iPhone"
    )


def test_signing_out_there_is_sent(site: Site) -> None:
    there = place("Safari on iPhone")
    open_page(site, place("Firefox on Linux", is_here=True), there)

    site.page.get_by_role("listitem").filter(has_text="Safari").get_by_role("button").click()
    path = f"{PAGE}{there.id}/end/"
    site.page.wait_for_url(f"**{path}")

    assert [(method, at) for method, at, _ in site.calls] == [("POST", path)]


def test_one_browser_alone_has_no_others_to_end(site: Site) -> None:
    open_page(site, place("Firefox on Linux", is_here=True))

    expect(site.page.get_by_role("button", name="Sign out everywhere else")).to_have_count(0)
