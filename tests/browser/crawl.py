"""Every page that a person can come to by links: one of each route."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from django.urls import Resolver404, resolve
from playwright.sync_api import Page


def crawled(page: Page, start: str, *, under: str = "/") -> dict[str, str]:
    """Return one address of each page that links and forms name from `start`, by its route's name.

    Follows only what is below the path `under`. The person of `page` is who looks.
    """
    seen = {route_of(start)}
    waiting = [start]
    found: dict[str, str] = {}
    while waiting:
        url = waiting.pop()
        if not _is_page(page, url):
            continue
        page.goto(url)
        found[route_of(url)] = url
        # Of two ways to a list the shorter one shows all of it.
        for there in sorted(_named_in(page), key=len):
            name = route_of(there)
            if name and name not in seen and urlsplit(there).path.startswith(under):
                seen.add(name)
                waiting.append(there)
    return found


def _is_page(page: Page, url: str) -> bool:
    """Say whether an address answers with a page: no file, nothing that leads on, no 405."""
    answer = page.request.get(url, max_redirects=0)
    return answer.ok and answer.headers["content-type"].startswith("text/html")


def _named_in(page: Page) -> list[str]:
    """Return the addresses on the same site that the links and forms of the open page name."""
    script = "(all) => all.map((each) => each.getAttribute('href') ?? each.getAttribute('action'))"
    told = page.locator("a[href]:not([download]), form[action]").evaluate_all(script)
    absolute = [urljoin(page.url, each) for each in told]
    return [url for url in absolute if urlsplit(url)[:2] == urlsplit(page.url)[:2]]


def route_of(url: str) -> str:
    """Return the name of the route that serves an address; the empty string: none has it."""
    try:
        return resolve(urlsplit(url).path).view_name
    except Resolver404:
        return ""
