"""What an answer may hold besides words is seen by everybody: in both themes, and on a phone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils.safestring import mark_safe
from playwright.sync_api import Page, expect

from portal.timeline import Access, Part, Text, Tool
from tests.ui.site import (
    CHAT,
    CONVERSATION,
    EVENTS,
    RUN,
    Json,
    Site,
    chat_page,
    conversation,
    finished,
    html_of,
    stream,
)

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
    expect(wide).to_be_focused()
    # A key held down, as a hand would: a busy browser may not have laid the page out at the first.
    for _ in range(100):
        site.page.keyboard.down("ArrowRight")
        if wide.evaluate(
            "formula => new Promise(f => requestAnimationFrame(() => f(formula.scrollLeft)))"
        ):
            break

    assert wide.evaluate("formula => formula.scrollLeft") > 0


ACCESS = {
    "provider": "Acme Calendar",
    "scopes": [{"name": "calendar.read", "words": "See the events in your calendar"}],
}
CALL = Tool(
    "List calendar events",
    "done",
    "list_calendar_events",
    json.dumps({"day": "2026-11-23", "of": ["everybody " * 9]}, indent=2),
    "2026-11-23T08:00:00+00:00",
    "2026-11-23T08:00:02.200000+00:00",
    (ACCESS,),
)


def test_a_tool_is_a_quiet_line_that_opens(site: Site) -> None:
    page = show(site, CALL, Text("Nothing today."))
    line = page.locator("summary")
    expect(line).to_have_accessible_name("List calendar events · 2 s Done")
    expect(page.get_by_text("calendar.read")).to_be_hidden()

    line.focus()
    page.keyboard.press("Enter")

    about = page.locator(".answer details")
    for told in ("list_calendar_events", '"day": "2026-11-23"', "Acme Calendar", "calendar.read"):
        expect(about).to_contain_text(told)
    expect(page.get_by_text("See the events in your calendar")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("calendar.read")).to_be_hidden()


def test_a_tool_without_access_or_input_says_so(site: Site) -> None:
    page = show(site, replace(CALL, input="", used=()))

    page.locator("summary").click()

    expect(page.get_by_text("Nothing that needs your consent")).to_be_visible()
    expect(page.get_by_text("Called with")).to_have_count(0)


def test_a_tool_of_an_older_answer_is_a_line_that_does_not_open(site: Site) -> None:
    page = show(site, Tool("Reading", "done"))

    expect(page.get_by_text("Reading")).to_be_visible()
    expect(page.locator("details")).to_have_count(0)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_an_opened_tool_keeps_nobody_out(site: Site, theme: Theme, width: int) -> None:
    site.page.emulate_media(color_scheme=theme)
    site.page.set_viewport_size({"width": width, "height": 800})

    long = replace(CALL, name="x" * 80, input="y" * 900, state="failed")
    page = show(site, CALL, long, Text(f"```py\n{CODE}```\n\n$$x^2$$"))
    for line in page.locator("summary").all():
        line.click()

    assert wrong_with(page) == []


def test_what_is_no_tools_is_a_line_of_its_own(site: Site) -> None:
    page = show(site, Text("Nothing today."), Access((ACCESS,)))
    line = page.locator("summary")
    expect(line).to_have_accessible_name("Used on your behalf: Acme Calendar")

    line.press("Enter")

    expect(page.get_by_text("See the events in your calendar")).to_be_visible()
    assert wrong_with(page) == []


def test_what_an_agent_says_of_a_tool_stays_text(site: Site) -> None:
    evil = "<img src=x onerror=alert(1)>"
    access = {"provider": evil, "scopes": [{"name": evil, "words": evil}]}

    page = show(site, replace(CALL, title=evil, name=evil, input=evil, used=(access,)))
    page.locator("summary").click()

    assert page.locator(".answer img").count() == 0
    expect(page.locator("details pre")).to_have_text(evil)


def told(index: int, tool: Tool) -> tuple[str, Json]:
    return "part", {
        "index": index,
        "kind": "tool",
        "state": tool.state,
        "html": html_of(index, tool),
    }


def test_a_tool_that_was_opened_stays_so_while_it_goes_on(site: Site) -> None:
    page = site.page
    running = replace(CALL, state="running", ended_at="", used=())
    told_again = [told(0, running), told(0, CALL), finished()]
    site.answer("GET", EVENTS, stream(told(0, running)), stream(*told_again))
    site.answer("GET", f"/api/v1/conversations/{CONVERSATION}", conversation())
    run = {"id": RUN, "events": EVENTS}
    html = mark_safe(html_of(0, running))  # noqa: S308  (out of the site's own template)
    early: Json = {"id": "2", "role": "assistant", "text": "", "html": html}
    early["run"] = {"id": RUN, "status": "running"}
    site.open(CHAT, chat_page(thread=[early], active_run=run))
    line = page.locator("summary")
    line.press("Enter")
    expect(page.get_by_text("Began")).to_be_visible()

    page.evaluate("dispatchEvent(new Event('online'))")

    expect(page.get_by_text("See the events in your calendar")).to_be_visible()
    expect(line).to_be_focused()
