"""Servers that answer on the wire what a test wants answered, and note what they were asked."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fixtures.loopback import QuietHandler, serving


@dataclass
class Request:
    """What a stand-in was asked."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class StandIn:
    """A server that gives prepared replies in turn, the last one for ever, and notes requests."""

    url: str = ""
    replies: deque[tuple[int, dict[str, str], Any]] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    # Where the reply depends on what was asked.
    answer: Callable[[Any], Any] | None = None

    def reply(self, body: Any, *, status: int = 200, **headers: str) -> None:
        """Prepare one more reply: JSON, or bytes as they are."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.replies.append((status, named, body))

    def refuse(self, message: str, *, status: int = 403) -> None:
        """Prepare one more reply: an error of the AWS wire API."""
        self.reply({"message": message}, status=status, x_amzn_ErrorType="AccessDeniedException")

    def take(self, body: Any) -> tuple[int, dict[str, str], Any]:
        """Return the next reply."""
        if self.answer:
            return 200, {}, self.answer(body)
        return self.replies.popleft() if len(self.replies) > 1 else self.replies[0]


@contextmanager
def standing_in() -> Iterator[StandIn]:
    stand_in = StandIn()

    class Handler(QuietHandler):
        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Request(self.path, headers, json.loads(raw or b"null"))
            stand_in.requests.append(asked)
            status, extra, body = stand_in.take(asked.body)
            sent = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(sent)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)
            stand_in.arrived.set()

        do_GET = do_POST = _answer

    with serving(Handler) as stand_in.url:
        yield stand_in


def openai_stream(delta: dict[str, Any], *, finish: str) -> bytes:
    """Return the stream of a chat completion that says `delta`."""
    part: dict[str, Any] = {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
    }
    choices: list[dict[str, Any]] = [{"delta": delta}, {"delta": {}, "finish_reason": finish}]
    chunks = [json.dumps(part | {"choices": [{"index": 0} | choice]}) for choice in choices]
    return "".join(f"data: {chunk}\n\n" for chunk in [*chunks, "[DONE]"]).encode()
