"""Pictures of every page, into docs/screens/: `make screenshots`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import django
from playwright.sync_api import BrowserContext, sync_playwright

from tests import chromium
from tests.browser.visits import LOCALES, VISITS, in_language, shown
from tests.engines import CHECKOUT
from tests.fixtures.world import running

INTO = Path(CHECKOUT, "docs", "screens")


def main() -> None:
    """Run a demo of its own, and look at all that people come to, in each language."""
    # Where a link leads to is asked of the site's own routes, which need its settings.
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    django.setup()
    arguments = chromium.launch_arguments(log=Path(CHECKOUT, "var", "log", "chromium-install.log"))
    with TemporaryDirectory() as home, running(Path(home), {}) as world, sync_playwright() as play:
        browser = play.chromium.launch(**arguments)  # type: ignore[arg-type]  # as pytest-playwright
        for visit in VISITS:
            context = browser.new_context(locale=LOCALES["en"])
            pages = visit(world, context)
            for language in LOCALES:
                _picture(visit.__name__, pages, in_language(browser, context, language), language)
        browser.close()


def _picture(who: str, pages: dict[str, str], context: BrowserContext, language: str) -> None:
    page = context.new_page()
    for name, url in pages.items():
        for how in shown(page, url):
            # The head of a page sticks to its edge, and would stand in the midst of one scrolled.
            page.evaluate("scrollTo(0, 0)")
            title = re.sub(r"\W+", "-", f"{who} {name} {how}")
            # A chat keeps to its end, and would scroll while a longer picture of it is taken.
            is_chat = page.locator("#thread").count() > 0
            page.screenshot(path=INTO / language / f"{title}.png", full_page=not is_chat)
    context.close()
    print(f"{language}: {len(pages)} pages of {who}")  # noqa: T201


if __name__ == "__main__":
    main()
