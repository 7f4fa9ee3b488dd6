"""An ASGI application behind the site's own server, on loopback, for as long as a test runs."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server

from core import database, strangers


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Yield the URL under which `app` is served by granian, in a thread of this process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    started = threading.Event()
    running: dict[str, Any] = {}

    async def serve() -> None:
        server = Server(
            app, port=port, interface=Interfaces.ASGINL, log_enabled=False, websockets=False
        )
        running.update(loop=asyncio.get_running_loop(), server=server)
        started.set()
        try:
            await server.serve()
        finally:  # what the application began in this loop
            await strangers.settle()
            await database.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="granian")
    thread.start()
    assert started.wait(10)
    try:
        _await_listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        running["loop"].call_soon_threadsafe(running["server"].stop)
        thread.join(10)
        assert not thread.is_alive()


def _await_listening(port: int) -> None:
    again = threading.Event()
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        again.wait(0.01)
    raise AssertionError("granian does not listen")
