"""Every page that people come to: for everybody, on every screen, in both themes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.browser.visits import LOCALES, VISITS, WAITING, in_language, shown, stop_all
from tests.fixtures.world import World
from tests.messages import stored

# WCAG 2.2 AA, and what axe holds to be good besides.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# What is read on the page: its text, and what stands in fields and for screen readers.
WORDS = """() => {
  const words = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const stands = texts.currentNode.parentElement;
    if (!stands.closest("script, style, template, code, .prose, [lang]:not(:root)")) {
      words.add(texts.currentNode.data);
    }
  }
  for (const name of ["aria-label", "alt", "title", "placeholder"]) {
    for (const each of document.querySelectorAll(`[${name}]`)) words.add(each.getAttribute(name));
  }
  return [document.title, ...words].map((each) => each.replace(/\\s+/g, " ").trim());
}"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
# What the browser says by itself of each answer that is no 2xx.
STATUS = "Failed to load resource"


@dataclass
class Visit:
    """A person in a browser, and the pages that are theirs."""

    contexts: dict[str, BrowserContext]  # by language
    pages: dict[str, str]
    complaints: list[str] = field(default_factory=list)

    def page(self, language: str) -> Page:
        page = self.contexts[language].new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type in {"error", "warning"} and not said.text.startswith(STATUS):
            self.complaints.append(f"{said.location['url']}: {said.text}")


@pytest.fixture(scope="module", params=VISITS, ids=lambda who: who.__name__)
def who(request: pytest.FixtureRequest, browser: Browser, world: World) -> Iterator[Visit]:
    context = browser.new_context(locale="en-GB")
    pages = request.param(world, context)
    contexts = {language: in_language(browser, context, language) for language in LOCALES}
    yield Visit(contexts, pages)
    stop_all(context, pages)
    for each in (context, *contexts.values()):
        each.close()


@pytest.mark.parametrize("language", LOCALES)
def test_axe_finds_nothing_to_mend(language: str, who: Visit) -> None:
    page, axe, found = who.contexts[language].new_page(), Axe(), list[str]()
    options = {"resultTypes": ["violations"], "runOnly": RULES}
    for name, url in who.pages.items():
        for how in shown(page, url):
            for broken in axe.run(page, options=options).response["violations"]:
                found += [
                    f"{name} ({how}): {broken['id']} {node['target']}" for node in broken["nodes"]
                ]
    assert found == []


@pytest.mark.parametrize("language", LOCALES)
def test_nothing_overflows_and_the_browser_has_nothing_to_say(language: str, who: Visit) -> None:
    page, found = who.page(language), list[str]()
    for name, url in who.pages.items():
        for how in shown(page, url):
            over = page.evaluate(OVERFLOW)
            found += [f"{name} ({how}): {over} px too wide"] if over > 0 else []
    assert found == []
    assert who.complaints == []


def test_nothing_on_a_japanese_page_is_said_in_english(who: Visit) -> None:
    page, found = who.page("ja"), list[str]()
    english = {
        message.id
        for message in stored()
        if isinstance(message.id, str) and message.id not in {"", message.string}
    }
    english.remove("operator")  # the label of the demo's access key
    for name in who.pages.keys() - WAITING.keys():
        page.goto(who.pages[name])
        assert page.locator("html").get_attribute("lang") == "ja", name
        found += [f"{name}: {words}" for words in english.intersection(page.evaluate(WORDS))]
    assert found == []
