"""The site on a socket, and a browser that visits it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import sync_playwright
from pytest_django import Settings

from portal.asgi import application
from tests.browser.in_words import Looks, Reader
from tests.portal.identity_provider import Provider
from tests.portal.site import soon

Browse = Callable[[Callable[[Reader], None]], None]


@contextmanager
def served() -> Iterator[str]:
    """Serve the site on a free port, and yield where."""
    config = uvicorn.Config(application, port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), name="served")
    thread.start()
    try:
        soon(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def url(transactional_db: None, settings: Settings) -> Iterator[str]:
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
    with served() as there:
        yield there


@pytest.fixture
def house(provider: Provider, settings: Settings, url: str) -> Provider:
    """The provider that the served site leads to, where alice is signed in."""
    settings.SITE_URL = url
    provider.lets_in("alice")
    return provider


@pytest.fixture
def browse(request: Any, browser_type_launch_args: dict[str, Any]) -> Browse:
    """Do something in a browser, on a thread: its loop keeps this one's from the database."""

    looks: Looks = request.param

    def make(work: Callable[[Reader], None]) -> None:
        def run() -> None:
            with sync_playwright() as there:
                browser = there.chromium.launch(**browser_type_launch_args)
                work(Reader(looks.context(browser).new_page(), looks))
                browser.close()

        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(run).result()

    return make
