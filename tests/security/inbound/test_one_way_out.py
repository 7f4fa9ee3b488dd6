"""Requests leave through one guarded client; a second one would have its own guard, or none."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.engines import CHECKOUT

ROOMS = ("core", "agents", "vault", "portal")
CLIENTS = {
    "aiohttp",
    "aiohappyeyeballs",
    "httptools",
    "httpx",
    "requests",
    "urllib3",
    "http.client",
    "urllib.request",
    "pycurl",
}
MAY = {f"core/http/{name}.py" for name in ("fetching", "guard", "kept", "connection")}
MAY.add("agents/gateway/websocket.py")


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def test_no_other_module_imports_an_http_client() -> None:
    seen = set()
    for room in ROOMS:
        for path in Path(CHECKOUT, room).rglob("*.py"):
            name = str(path.relative_to(CHECKOUT))
            names = set(_imported(path))
            found = {c for c in CLIENTS if any(n == c or n.startswith(f"{c}.") for n in names)}
            seen.add(name)
            assert name in MAY or not found, f"{name} imports {found}"

    assert seen > MAY
