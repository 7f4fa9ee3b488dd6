"""What an answer may hold besides words is seen by everybody: in both themes, and on a phone."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils.safestring import mark_safe
from playwright.sync_api import Page, expect

from portal.timeline import Part, Text
from tests.ui.site import CHAT, Site, chat_page, html_of

Theme = Literal["light", "dark"]

THEMES: tuple[Theme, ...] = ("light", "dark")
WIDTHS = (1280, 360)
CODE = "def days(week: list[str]) -> int:\n    return len(week)  # all of them\n"


def show(site: Site, *parts: Part) -> Page:
    """Open a chat whose only answer, which is over, is made of `parts`."""
    html = "".join(html_of(index, part) for index, part in enumerate(parts))
    told: dict[str, Any] = {"id": "2", "role": "assistant", "text": "x"}
    told["html"] = mark_safe(html)  # noqa: S308  (out of the site's own template)
    site.open(CHAT, chat_page(thread=[told]))
    return site.page


def wrong_with(page: Page) -> list[str]:
    """Return what axe finds in the answer, and whether the page scrolls sideways."""
    found = Axe().run(page, context=".answer").response["violations"]
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return [broken["id"] for broken in found] + ["too wide"] * wide


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_coloured_code_keeps_nobody_out(site: Site, theme: Theme, width: int) -> None:
    site.page.emulate_media(color_scheme=theme)
    site.page.set_viewport_size({"width": width, "height": 800})
    diff = "-old\n+new\n" + "word " * 100 + "\n"
    markup = '<a href="#">day</a>\n<!-- 1 -->\n'

    page = show(
        site,
        Text(f"```py\n{CODE}```\n\n```diff\n{diff}```\n\n```html\n{markup}```\n\n```\nplain\n```"),
    )

    expect(page.get_by_role("figure", name="Python")).to_contain_text("def days")
    assert page.locator(".answer pre").all_text_contents() == [CODE, diff, markup, "plain\n"]
    assert wrong_with(page) == []


def test_colours_are_seen(site: Site) -> None:
    page = show(site, Text(f"```py\n{CODE}```"))

    seen = page.locator("pre span").evaluate_all("all => all.map(e => getComputedStyle(e).color)")

    assert len(set(seen)) > 2


def test_the_button_of_a_block_stands_in_its_head_and_not_on_the_code(site: Site) -> None:
    page = show(site, Text(f"```py\n{CODE}```"))

    button, code = page.get_by_role("button", name="Copy code"), page.locator(".answer pre")
    head = page.locator("figcaption").bounding_box()
    expect(button).to_have_count(1)
    box = button.bounding_box()

    assert head is not None
    assert box is not None
    assert head["y"] <= box["y"]
    assert box["y"] + box["height"] <= head["y"] + head["height"]
    expect(code).to_have_text(CODE)


SUM = " + ".join(rf"\frac{{x_{{{n}}}^2}}{{\sqrt{{n + {n}}}}}" for n in range(9))
MATHS = rf"""So $E = mc^2$, and a price of $5, which is

$$
{SUM} = \sum_{{i=1}}^n i
$$

or

\[\begin{{aligned}}a &= b + c \\ &= \mathbb{{R}}^n\end{{aligned}}\]

then $A = {"B + " * 30}C$.
"""


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_formulas_keep_nobody_out(site: Site, theme: Theme, width: int) -> None:
    site.page.emulate_media(color_scheme=theme)
    site.page.set_viewport_size({"width": width, "height": 800})

    page = show(site, Text(MATHS))

    assert page.locator("math").count() == 4
    assert wrong_with(page) == []


def test_a_wide_formula_is_reached_and_scrolled_by_keyboard(site: Site) -> None:
    site.page.set_viewport_size({"width": 360, "height": 800})
    wide = show(site, Text(MATHS)).locator(".formula").first

    wide.focus()
    site.page.keyboard.press("ArrowRight")

    expect(wide).to_be_focused()
    site.page.wait_for_function("document.querySelector('.formula').scrollLeft > 0")
