"""Whatever lies below the wire API's prefixes is answered as the wire API answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple, cast

import pytest
from asgiref.typing import HTTPScope

from core import strangers
from core.models import AuditEvent
from core.wire import model
from portal import pages
from portal.asgi import application, chosen
from portal.wire import OPERATIONS
from tests.core.wire.surface import ROOTS
from tests.portal.site import running_site

SERVED = {operation.name for operation in OPERATIONS}
# The gateway's, whose answers are the agent's own.
SERVED |= {"InvokeAgentRuntime", "StopRuntimeSession", "GetAgentCard"}
NOT_SERVED = [
    operation
    for operation in model.operations().values()
    if operation.http["requestUri"].startswith(ROOTS) and operation.name not in SERVED
]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        return self.headers.get("x-amzn-errortype", "")


def ask(method: str, path: str) -> Answer:
    """Return what the site answers to somebody who shows nothing."""
    return asyncio.run(asked(method, path))


async def asked(method: str, path: str) -> Answer:
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode("latin-1"),
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("192.0.2.7", 1234),
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await application(cast(HTTPScope, scope), receive, send)
    headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], headers, b"".join(part["body"] for part in sent[1:]))


def test_there_are_operations_that_are_not_served() -> None:
    assert {"CreateConsentPortal", "GetResourcePaymentToken"} <= {
        operation.name for operation in NOT_SERVED
    }


@pytest.mark.parametrize("operation", NOT_SERVED, ids=lambda operation: str(operation.name))
def test_an_operation_that_is_not_served_is_named(operation: Any) -> None:
    path = operation.http["requestUri"].replace("{", "").replace("}", "")

    answer = ask(operation.http["method"], path)

    assert (answer.status, answer.error) == (404, "UnknownOperationException")
    assert json.loads(answer.body) == {
        "message": f"This site does not serve the operation {operation.name}."
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/identities/GetEverything"),
        ("GET", "/identities/GetWorkloadAccessToken"),
        ("POST", "/identities/"),
        ("GET", "/identities/oauth2/authorizes"),
        ("GET", "/identities/oauth2/authorize/x"),
        ("GET", "/identities/oauth2/callback"),
        ("GET", "/runtimes/"),
        ("GET", "/runtimes/concierge-0000000000/ws"),
        ("POST", "/runtimes/a/b/c/d/e"),
        ("PATCH", "/resourcepolicy/x"),
        ("GET", "/tags/"),
    ],
)
def test_what_aws_does_not_have_either_is_an_unknown_operation(method: str, path: str) -> None:
    answer = ask(method, path)

    assert (answer.status, answer.error) == (404, "UnknownOperationException")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body)["message"] == "There is no operation of this method and path."


@pytest.mark.parametrize("path", ["/runtimes/%ff/", "/tags/%FF"])
def test_a_path_that_cannot_be_read_is_refused_in_the_same_way(path: str) -> None:
    answer = ask("GET", path)

    assert (answer.status, answer.error) == (400, "ValidationException")


@pytest.mark.parametrize(
    "path", ["/identities/oauth2/authorize", "/identities/oauth2/callback/a-provider"]
)
def test_the_pages_of_a_consent_stay_pages(path: str) -> None:
    assert chosen("GET", path, path) is pages.application


@pytest.mark.django_db(transaction=True)
def test_what_strangers_did_is_on_record_once_the_site_has_ended(settings: Any) -> None:
    settings.DAIKO_REFUSALS_PER_MINUTE = 1
    strangers.forget()

    with running_site() as site:
        told = [
            site.run(asked("POST", "/identities/GetWorkloadAccessToken")).status for _ in range(3)
        ]
    strangers.forget()

    assert told == [403, 429, 429]
    assert AuditEvent.objects.get(action="strangers.refused").detail["calls"] == 2
