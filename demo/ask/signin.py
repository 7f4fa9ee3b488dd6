"""Signing in as a program on a person's own machine does: in their browser (RFC 8252)."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

SCOPES = "openid profile groups"
PATIENCE_S = 600.0
_SIGNED_IN = b"You are signed in. Go back to the terminal."


class _Waiting(HTTPServer):
    """Waits for the browser to come back; keeps the query that it came with."""

    came_back: dict[str, str] | None = None


class _Callback(BaseHTTPRequestHandler):
    server: _Waiting

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        found = path.path == "/"
        if found:
            self.server.came_back = dict(parse_qsl(path.query))
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(_SIGNED_IN if found else b"")

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: the line would have the code in it."""


def access_token(idp: Mapping[str, Any], *, say: Callable[[str], None]) -> str:
    """Return an access token of whoever signs in in the browser; `say` tells them where.

    Raises:
        SystemExit: they did not in ten minutes, or somebody else's answer came back.
        httpx.HTTPError: the identity provider does not answer, or refuses.
    """
    client_id, redirect_uri = idp["program"]["client_id"], idp["program"]["redirect_uri"]
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": SCOPES,
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    with httpx.Client(timeout=10) as http:
        endpoints = http.get(idp["discovery_url"]).raise_for_status().json()
        with _Waiting(("localhost", urlsplit(redirect_uri).port or 80), _Callback) as callback:
            say(f"Open {endpoints['authorization_endpoint']}?{urlencode(asked)}")
            say("(It waits for you to sign in there, for ten minutes.)")
            until = time.monotonic() + PATIENCE_S
            while callback.came_back is None:
                callback.timeout = until - time.monotonic()
                if callback.timeout <= 0:
                    raise SystemExit("Nobody signed in for ten minutes.")
                callback.handle_request()
        came_back = callback.came_back
        if came_back.get("state") != state or "code" not in came_back:
            raise SystemExit("Nobody signed in: " + came_back.get("error", "another answer came."))
        answer = http.post(
            endpoints["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "client_id": client_id,
                "redirect_uri": redirect_uri,
                "code": came_back["code"],
                "code_verifier": verifier,
            },
        )
        return str(answer.raise_for_status().json()["access_token"])
