"""The one entry point of both planes: what is hot or long-lived is served before Django."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from typing import cast

import django
from asgiref.typing import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    LifespanScope,
    Scope,
)

from portal.environment import told_plainly

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
with told_plainly():
    django.setup(set_prefix=False)

# Models can be imported once Django is set up, and not before.
from agents.gateway import app as gateway
from agents.gateway import websocket
from agents.keys.verification import authenticate
from agents.sessions import watch
from core import audit, database, http, strangers
from core.wire.app import WireApp
from portal import pages
from portal.runs import events, shutdown, stream
from portal.runs.executor import Executor
from portal.wire import OPERATIONS
from vault.token_endpoint import app as token_endpoint

_WIRE_PREFIXES = ("/identities/", "/runtimes/", "/resourcepolicy/", "/tags/")
# Below the wire API's prefixes, and yet pages for a person's browser.
_BROWSER_PAGE = "/identities/oauth2/authorize"
_BROWSER_PREFIX = "/identities/oauth2/callback/"

_wire = WireApp(OPERATIONS, authenticate=authenticate)


def chosen(method: str, path: str, raw_path: str) -> ASGI3Application:
    """Return the application that serves a path."""
    if gateway.serves(method, raw_path):
        return cast(ASGI3Application, gateway.application)
    is_page = path == _BROWSER_PAGE or path.startswith(_BROWSER_PREFIX)
    if path.startswith(_WIRE_PREFIXES) and not is_page:
        return cast(ASGI3Application, _wire)
    if path == token_endpoint.PATH:
        return cast(ASGI3Application, token_endpoint.application)
    if events.run_id_in(path) is not None:
        return cast(ASGI3Application, events.application)
    return cast(ASGI3Application, pages.application)


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Serve one request, or the process's life."""
    if scope["type"] == "lifespan":
        await _lifespan(scope, receive, send)
    elif scope["type"] == "http":
        raw_path = scope["raw_path"].decode("latin-1")
        serving = chosen(scope["method"], scope["path"], raw_path)
        await serving(scope, receive, send)
    else:
        is_agents = websocket.serves(scope["raw_path"].decode("latin-1"))
        await (websocket.application if is_agents else websocket.refuse)(scope, receive, send)


async def _lifespan(
    scope: LifespanScope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Run the executor for as long as the process serves, and close what it leaves open."""
    await receive()
    restore = shutdown.listen()
    executing = asyncio.create_task(_execute())
    collect_all = _spare_what_stays()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    shutdown.begun().set()
    await executing
    await stream.close()
    await http.close()
    await strangers.settle()
    await watch.close()
    await audit.settle()
    await database.close()
    restore()
    collect_all()
    await send({"type": "lifespan.shutdown.complete"})


def _spare_what_stays() -> Callable[[], None]:
    """Let the collector of cycles leave out what was imported, which stays; return how to end that.

    Everything waits while it looks through all of that, again and again, for some 60 ms.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)

    def restore() -> None:
        gc.unfreeze()
        gc.set_threshold(*before)

    return restore


async def _execute() -> None:
    executor = Executor()
    executor.start()
    await shutdown.begun().wait()
    await executor.stop()
