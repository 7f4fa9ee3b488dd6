"""The tour of the first visit, by keyboard and as a screen reader hears it."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from playwright.sync_api import Locator, expect

from tests.ui.site import AGENT, Site, bob, page_of

SEEN = "/tour/seen/"


def open_start(site: Site, *, is_new_here: bool = True) -> Locator:
    site.answer("POST", SEEN, {})
    context = {"agents": [AGENT], "conversations": [], "agent": None, "conversation": None}
    site.open("/", page_of("portal/chat.html", {**context, "is_new_here": is_new_here}, user=bob()))
    return site.page.get_by_role("dialog")


def calls(site: Site) -> list[tuple[str, str]]:
    return [(method, at) for method, at, _ in site.calls]


def heading(tour: Locator, name: str) -> Locator:
    return tour.get_by_role("heading", name=name)


def test_it_is_walked_through_by_keyboard_alone(site: Site) -> None:
    tour = open_start(site)
    keys = site.page.keyboard
    expect(tour).to_have_accessible_name("Agents act for you")
    expect(heading(tour, "Agents act for you")).to_be_focused()
    assert tour.evaluate("dialog => dialog.matches(':modal')")

    keys.press("Tab")
    expect(tour.get_by_role("button", name="Skip")).to_be_focused()
    keys.press("Tab")
    expect(tour.get_by_role("button", name="Next")).to_be_focused()
    keys.press("Enter")
    expect(heading(tour, "You are asked first")).to_be_focused()
    expect(tour).to_have_accessible_name("You are asked first")
    expect(heading(tour, "You are asked first")).to_have_accessible_description(
        re.compile("When an agent needs .* Step 2 of 3")
    )
    tour.get_by_role("button", name="Next").press("Enter")
    expect(heading(tour, "You can take it back")).to_be_focused()
    expect(tour.get_by_role("button", name="Skip")).to_be_hidden()
    tour.get_by_role("button", name="Back").press("Enter")
    expect(heading(tour, "You are asked first")).to_be_focused()
    tour.get_by_role("button", name="Next").press("Enter")
    assert calls(site) == []

    with site.page.expect_response(f"**{SEEN}"):
        tour.get_by_role("button", name="Done").press("Enter")

    expect(tour).to_be_hidden()
    assert calls(site) == [("POST", SEEN)]


def test_escape_puts_it_away_for_good(site: Site) -> None:
    tour = open_start(site)
    expect(heading(tour, "Agents act for you")).to_be_focused()

    with site.page.expect_response(f"**{SEEN}"):
        site.page.keyboard.press("Escape")

    expect(tour).to_be_hidden()
    assert calls(site) == [("POST", SEEN)]


def test_the_focus_stays_within(site: Site) -> None:
    open_start(site)
    for _ in range(6):
        site.page.keyboard.press("Tab")
        inside = "document.querySelector('#tour').contains(document.activeElement)"
        assert site.page.evaluate(f"{inside} || document.activeElement === document.body")


def test_who_saw_it_sees_it_again_when_they_ask_and_nothing_is_sent(site: Site) -> None:
    tour = open_start(site, is_new_here=False)
    expect(tour).to_be_hidden()
    again = site.page.get_by_role("button", name="Show me around")

    again.press("Enter")
    expect(heading(tour, "Agents act for you")).to_be_focused()
    tour.get_by_role("button", name="Next").click()
    site.page.keyboard.press("Escape")
    expect(again).to_be_focused()
    again.press("Enter")
    expect(heading(tour, "Agents act for you")).to_be_focused()
    tour.get_by_role("button", name="Skip").click()

    expect(tour).to_be_hidden()
    assert calls(site) == []


def test_a_site_that_cannot_be_told_is_no_reason_to_keep_it_open(site: Site) -> None:
    tour = open_start(site)
    site.answer("POST", SEEN, {"error": "sign_in_required"}, status=401)

    with site.page.expect_response(f"**{SEEN}"):
        tour.get_by_role("button", name="Skip").click()

    expect(tour).to_be_hidden()
    site.complaints.clear()  # the browser's own, of the status


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_each_step_fits(width: int, theme: Literal["light", "dark"], site: Site) -> None:
    site.page.set_viewport_size({"width": width, "height": 640})
    site.page.emulate_media(color_scheme=theme)
    tour = open_start(site)

    for step in range(3):
        box = tour.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 640
        assert site.page.evaluate("document.documentElement.scrollWidth") == width
        if step < 2:
            tour.get_by_role("button", name="Next").click()
