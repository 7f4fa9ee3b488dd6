"""The real templates, styles and modules in a real browser, with a made-up site behind them.

What the site answers is written down by the test, so that it can be slow, gone, or wrong at will.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.test import RequestFactory
from playwright.sync_api import Page, Route

from core.models import User
from portal import timeline
from portal.runs import parts

ORIGIN = "http://daiko.test"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
AGENT = {
    "id": "concierge-a1b2c3d4e5",
    "name": "Concierge",
    "description": "Looks into your calendar and tells you what the day holds.",
    "services": [
        {"name": "Acme Calendar", "connected": True},
        {"name": "Acme Contacts", "connected": False},
    ],
}
CONVERSATION = "7d0f1f6e-8a55-4c0d-9e0f-3b9a0f1f2a11"
RUN = "0d2c6f0a-2f6b-4b61-8f5e-5b5c5d5e5f50"
CHAT = f"/chat/{CONVERSATION}/"
CHAT_NEW = f"/chat/new/{AGENT['id']}/"
API = "/api/v1"
EVENTS = f"{API}/runs/{RUN}/events"
POSTS = f"{API}/conversations/{CONVERSATION}/messages"
STARTED = {
    "message": {"id": "1a6b0c9e-55d5-4d43-9b8a-111111111111"},
    "run": {"id": RUN, "events": EVENTS},
}

Json = dict[str, Any]


def bob() -> User:
    """Return somebody who is signed in; never saved."""
    return User(pk=2, username="u2", name="Bob", is_staff=True)


def page_of(template: str, context: Mapping[str, Any], *, user: User | None = None) -> str:
    """Return the page that `template` makes for `user`."""
    request = RequestFactory().get("/")
    request.user = user or AnonymousUser()
    request.session = SessionStore()
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]  # as the middleware
    return render_to_string(template, dict(context), request=request)


def chat_page(*, user: User | None = None, **context: Any) -> str:
    """Return the chat with the agent, in a conversation that `context` describes."""
    return page_of(
        "portal/chat.html",
        {
            "agents": [AGENT],
            "conversations": [],
            "agent": AGENT,
            "conversation": {"id": CONVERSATION, "title": ""},
            "thread": [],
            "active_run": None,
            **context,
        },
        user=user or bob(),
    )


def event(name: str, data: Json, number: int) -> str:
    """Return one server-sent event."""
    return f"id: {number}-0\nevent: {name}\ndata: {json.dumps(data)}\n\n"


def stream(*events: tuple[str, Json]) -> str:
    """Return events as a stream that then breaks off; the browser does not come back soon."""
    told = (event(name, data, number) for number, (name, data) in enumerate(events, start=1))
    return "retry: 600000\n\n" + "".join(told)


def html_of(index: int, part: timeline.Part, *, url: str = "", question: str = "") -> str:
    """Return a part as the server shows it."""
    return parts.html_of(index, part, question=question, url=url)


def block(index: int, html: str, *, part: int = 0) -> tuple[str, Json]:
    """Return a block of the agent's text, as it is told to the page."""
    return "block", {"part": part, "index": index, "html": html}


def tool(state: str, *, title: str = "Reading") -> tuple[str, Json]:
    """Return a tool that the agent uses, as it is told to the page."""
    html = html_of(1, timeline.Tool(title, state))
    return "part", {"index": 1, "kind": "tool", "state": state, "html": html}


def consent(*, index: int = 1, **changes: Any) -> tuple[str, Json]:
    """Return a request for consent, as it is told to the page."""
    asked = {
        "id": "c1",
        "state": "pending",
        "agent": "Concierge",
        "provider": "Acme Calendar",
        "scopes": ({"name": "calendar.read", "words": "See the events in your calendar"},),
        "expires_at": "2099-01-01T00:00:00+00:00",
        "notice": "",
    }
    part = timeline.Consent(**asked | changes)
    url = f"{ORIGIN}/identities/oauth2/authorize?request_uri=urn:1"
    html = html_of(index, part, url=url, question="What is on my calendar today?")
    said = {"kind": "consent", "state": part.state, "agent": part.agent, "provider": part.provider}
    return "part", {"index": index, **said, "html": html}


def finished(status: str = "done", notice: str = "", **told: str) -> tuple[str, Json]:
    """Return the last event of a run."""
    ending = {"status": status, "code": "", "notice": notice, "reference": "", "closed": ""}
    again = "" if status == "done" else "retry"
    return "finished", ending | {"again": again} | told


def conversation(*messages: Json) -> Json:
    """Return what the API says of the conversation."""
    return {
        "id": CONVERSATION,
        "title": "Today",
        "agent": AGENT,
        "messages": list(messages),
        "active_run": None,
    }


@dataclass(frozen=True)
class Answer:
    """What the made-up site answers once."""

    body: str
    status: int = 200
    content_type: str = "application/json"


@dataclass
class Site:
    """Serves pages, static files and the answers that a test wrote down; remembers the calls."""

    page: Page
    pages: dict[str, str] = field(default_factory=dict)
    answers: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.context.route("**/*", self._serve)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda line: self._hear(line.type, line.text))

    def answer(
        self, method: str, path: str, *bodies: Json | list[Json] | str, status: int = 200
    ) -> None:
        """Answer `method path` with each of `bodies` in turn, and with the last from then on."""
        told = [
            Answer(body, status, "text/event-stream")
            if isinstance(body, str)
            else Answer(json.dumps(body), status)
            for body in bodies
        ]
        self.answers[method, path] = told

    def open(self, path: str, html: str) -> None:
        """Serve `html` at `path`, and go there."""
        self.pages[path] = html
        self.page.goto(ORIGIN + path)

    def sent(self, path: str = POSTS) -> list[Json]:
        """Return what was posted to `path`."""
        return [body for method, at, body in self.calls if (method, at) == ("POST", path)]

    def _hear(self, kind: str, text: str) -> None:
        # The browser reports each refused call by itself; whether that is right, a test says.
        if kind in {"error", "warning"} and not text.startswith("Failed to load resource"):
            self.complaints.append(text)

    def _serve(self, route: Route) -> None:
        request = route.request
        path = urlsplit(request.url).path
        if path.startswith(settings.STATIC_URL):
            self._static(route, path.removeprefix(settings.STATIC_URL))
            return
        if request.method == "GET" and path in self.pages:
            headers = {"Content-Security-Policy": POLICY}
            route.fulfill(body=self.pages[path], content_type="text/html", headers=headers)
            return
        is_json = "json" in (request.headers.get("content-type") or "")
        self.calls.append((request.method, path, request.post_data_json if is_json else None))
        told = self.answers.get((request.method, path), [Answer("{}", 404)])
        now = told.pop(0) if len(told) > 1 else told[0]
        route.fulfill(body=now.body, status=now.status, content_type=now.content_type)

    @staticmethod
    def _static(route: Route, name: str) -> None:
        found = finders.find(name)
        if found is None:
            route.fulfill(status=404)
            return
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        route.fulfill(path=found, content_type=kind)
