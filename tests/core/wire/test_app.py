import asyncio
import json
import logging
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import pytest
import time_machine
from asgiref.typing import HTTPScope
from django.db import connection

from core import patience, reference
from core.errors import AppError, Forbidden
from core.secret import Secret
from core.wire import app as wire_app
from core.wire import body
from core.wire.app import Call, Operation, WireApp
from core.wire.canonical import SignedRequest
from core.wire.patterns import PatternRefused
from core.wire.shapes import UnsupportedShape
from tests.connections import come_down_to, connections_in_use
from tests.core.wire.sample import (
    Sample,
    SampleCall,
    SampleCaller,
    anybody,
    authenticate,
    operator_only,
)
from tests.core.wire.signing import AT, KEY_ID, signed

NAME = "GetWorkloadAccessToken"
BODY = b'{"workloadName": "concierge"}'


class Answer(NamedTuple):
    status: int
    error: str | None
    body: dict[str, Any]


def scope_of(request: SignedRequest) -> HTTPScope:
    return cast(
        HTTPScope,
        {
            "type": "http",
            "method": request.method,
            "path": request.raw_path.decode(),
            "raw_path": request.raw_path,
            "query_string": request.raw_query,
            "headers": list(request.headers),
            "client": ("192.0.2.7", 1234),
        },
    )


async def ask_async(app: Any, body: bytes = BODY, request: SignedRequest | None = None) -> Answer:
    chunks = [body[:7], body[7:]]
    sent: list[Any] = []

    async def receive() -> Any:
        chunk = chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    async def send(message: Any) -> None:
        sent.append(message)

    with time_machine.travel(AT):
        await app(scope_of(request or signed(body=body)), receive, send)
    start, rest = sent
    headers = dict(start["headers"])
    error = headers.get(b"x-amzn-errortype")
    return Answer(
        start["status"], error.decode() if error else None, json.loads(rest["body"] or b"{}")
    )


def ask(app: Any, body: bytes = BODY, request: SignedRequest | None = None) -> Answer:
    return asyncio.run(ask_async(app, body, request))


def serving(
    handler: Callable[[SampleCall], Any], guard: Callable[[SampleCall], None] = anybody
) -> WireApp[SampleCaller]:
    return WireApp([Operation(NAME, handler, guard=guard)], authenticate=authenticate)


# --- what may be registered ----------------------------------------------------------------------


def test_an_operation_cannot_be_made_without_a_guard() -> None:
    with pytest.raises(TypeError):
        Operation(NAME, lambda call: {})  # type: ignore[call-arg]  # the point


def test_an_operation_cannot_be_registered_with_no_guard_in_its_place() -> None:
    with pytest.raises(ValueError, match="no guard"):
        serving(lambda call: {}, guard=None)  # type: ignore[arg-type]  # the point


def test_an_operation_that_aws_does_not_have_cannot_be_registered() -> None:
    with pytest.raises(ValueError, match="GetEverything"):
        WireApp(
            [Operation("GetEverything", lambda call: {}, guard=anybody)], authenticate=authenticate
        )


def test_an_operation_cannot_be_registered_twice() -> None:
    once = Operation(NAME, lambda call: {}, guard=anybody)

    with pytest.raises(ValueError, match="twice"):
        WireApp([once, once], authenticate=authenticate)


@pytest.mark.parametrize(
    ("name", "error"),
    [("InvokeAgentRuntime", UnsupportedShape), ("CreatePaymentManager", PatternRefused)],
)
def test_an_operation_that_cannot_be_checked_cannot_be_registered(
    name: str, error: type[ValueError]
) -> None:
    with pytest.raises(error):
        WireApp([Operation(name, lambda call: {}, guard=anybody)], authenticate=authenticate)


# --- a call --------------------------------------------------------------------------------------


def test_a_handler_gets_the_call_and_its_output_is_the_answer() -> None:
    sample = Sample()

    answer = ask(sample.app())

    assert answer == Answer(200, None, {"workloadAccessToken": "wat-of-concierge"})
    [call] = sample.calls
    assert call.operation == NAME
    assert call.input == {"workloadName": "concierge"}
    assert call.caller.access_key_id == KEY_ID
    assert call.client_ip == "192.0.2.7"


def test_a_handler_finds_the_reference_of_its_request() -> None:
    seen = []

    def sync(call: SampleCall) -> dict[str, Any]:
        seen.append((reference.current().id, call.request_id))
        return {"workloadAccessToken": "t"}

    ask(serving(sync))

    [(found, given)] = seen
    assert found == given


def test_sync_handlers_run_on_threads_and_async_ones_on_the_loop() -> None:
    threads: list[str] = []

    def sync(call: SampleCall) -> dict[str, Any]:
        threads.append(threading.current_thread().name)
        return {"workloadAccessToken": "t"}

    async def on_loop(call: SampleCall) -> dict[str, Any]:
        return sync(call)

    ask(serving(sync))
    ask(serving(on_loop))

    assert threads[0] != threads[1]
    assert threads[1] == threading.current_thread().name


@pytest.mark.django_db(transaction=True)
def test_sync_handlers_use_the_database_and_give_their_connections_back() -> None:
    def query(call: SampleCall) -> dict[str, Any]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 'wat-' || %s", ["1"])
            [token] = cursor.fetchone()
        return {"workloadAccessToken": token}

    app = serving(query)
    before = connections_in_use()

    async def forty() -> list[Answer]:
        return await asyncio.gather(*[ask_async(app) for _ in range(40)])

    answers = asyncio.run(forty())

    assert [answer.body for answer in answers] == [{"workloadAccessToken": "wat-1"}] * 40
    assert come_down_to(before)


# --- refusals, in order --------------------------------------------------------------------------


def test_nothing_is_read_of_a_request_for_an_unknown_operation() -> None:
    async def nothing() -> Any:
        raise AssertionError("the body was asked for")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    request = signed("POST", "/identities/GetEverything")
    asyncio.run(Sample().app()(scope_of(request), nothing, send))

    assert sent[0]["status"] == 404
    assert (b"x-amzn-errortype", b"UnknownOperationException") in sent[0]["headers"]


def test_an_operation_of_the_model_that_is_not_registered_is_named() -> None:
    answer = ask(Sample().app(), request=signed("POST", "/identities/api-key", body=BODY))

    assert (answer.status, answer.error) == (404, "UnknownOperationException")
    assert answer.body["message"] == "This site does not serve the operation GetResourceApiKey."


def test_without_a_signature_nothing_happens() -> None:
    sample = Sample()
    request = signed(body=BODY)
    unsigned = SignedRequest(
        request.method,
        request.raw_path,
        request.raw_query,
        tuple(pair for pair in request.headers if pair[0] != b"authorization"),
        request.body_sha256,
    )

    answer = ask(sample.app(), request=unsigned)

    assert (answer.status, answer.error) == (403, "AccessDeniedException")
    assert answer.body == {"message": "Missing Authentication Token"}
    assert sample.calls == []


def test_another_body_than_the_signed_one_is_refused() -> None:
    sample = Sample()

    answer = ask(sample.app(), b'{"workloadName": "accounting"}', request=signed(body=BODY))

    assert answer.error == "AccessDeniedException"
    assert sample.calls == []


def test_the_guard_runs_before_the_handler_and_sees_the_input() -> None:
    handled: list[Any] = []
    guarded: list[Any] = []

    def refuse(call: SampleCall) -> None:
        guarded.append(call.input)
        raise Forbidden("Not this one.")

    answer = ask(serving(handled.append, guard=refuse))

    assert (answer.status, answer.body["message"]) == (403, "Not this one.")
    assert (guarded, handled) == ([{"workloadName": "concierge"}], [])


def test_a_guard_may_let_one_caller_through_and_not_another() -> None:
    assert ask(serving(Sample().access_token, guard=operator_only)).status == 200


@pytest.mark.parametrize("verdict", [True, False, object()])
def test_a_guard_that_answers_instead_of_raising_lets_nobody_through(verdict: Any) -> None:
    handled: list[Any] = []

    answer = ask(serving(handled.append, guard=lambda call: cast(None, verdict)))

    assert (answer.error, handled) == ("InternalServerException", [])


def test_an_error_of_a_handler_is_the_answer_whether_sync_or_async() -> None:
    def sync(call: SampleCall) -> dict[str, Any]:
        raise Forbidden("No.")

    async def on_loop(call: SampleCall) -> dict[str, Any]:
        raise Forbidden("No.")

    for handler in (sync, on_loop):
        assert ask(serving(handler)) == Answer(403, "AccessDeniedException", {"message": "No."})


def test_a_refusal_is_logged_with_its_reason_and_detail(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(call: SampleCall) -> dict[str, Any]:
        raise Forbidden("No.", detail="because of a rule")

    with caplog.at_level(logging.INFO, "core.wire"):
        ask(serving(handler))

    [record] = caplog.records
    assert record.getMessage() == "wire.refused"
    assert vars(record)["reason"] == "forbidden"
    assert vars(record)["detail"] == "because of a rule"


# --- what breaks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["handler", "guard", "authenticate"])
def test_a_bug_is_an_internal_error_that_says_nothing(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    def bug(_: Any) -> Any:
        raise KeyError("at-of-alice")

    async def broken(_: SignedRequest, _operation: str) -> Any:
        bug(_)

    operation: Operation[Any] = Operation(
        NAME,
        bug if where == "handler" else lambda call: {"workloadAccessToken": "t"},
        guard=bug if where == "guard" else anybody,
    )
    how = broken if where == "authenticate" else authenticate

    answer = ask(WireApp([operation], authenticate=how))

    assert (answer.status, answer.error) == (500, "InternalServerException")
    assert "alice" not in json.dumps(answer.body)
    [record] = caplog.records
    assert record.getMessage() == "wire.failed"
    assert record.exc_info


def test_an_output_that_does_not_fit_the_model_is_an_internal_error() -> None:
    answer = ask(serving(lambda call: {"accessToken": "of somebody else"}))

    assert answer.error == "InternalServerException"
    assert "somebody" not in json.dumps(answer.body)


def test_a_body_that_is_too_large_is_refused_before_it_is_whole() -> None:
    sample = Sample()
    asked: list[int] = []
    sent: list[Any] = []

    async def receive() -> Any:
        asked.append(1)
        return {"type": "http.request", "body": b"a" * 100_000, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(sample.app()(scope_of(signed()), receive, send))

    assert sent[0]["status"] == 400
    assert json.loads(sent[1]["body"])["reason"] == "CannotParse"
    assert len(asked) == wire_app.MAX_BODY_BYTES // 100_000 + 1
    assert sample.calls == []


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BODY_TIMEOUT_S", 0.01)
    sample = Sample()
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(sample.app()(scope_of(signed()), receive, send))

    assert sent[0]["status"] == 400
    assert "in time" in json.loads(sent[1]["body"])["message"]
    assert sample.calls == []


def test_a_client_that_goes_away_is_not_answered() -> None:
    sample = Sample()
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(sample.app()(scope_of(signed()), receive, send))

    assert (sent, sample.calls) == ([], [])


def test_more_sync_calls_than_may_wait_are_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "MAX_PENDING", 2)
    full, go = threading.Barrier(3), threading.Event()

    def slow(call: SampleCall) -> dict[str, Any]:
        full.wait(10)
        assert go.wait(10)
        return {"workloadAccessToken": "t"}

    app = serving(slow)

    async def three() -> list[Answer]:
        two = [asyncio.create_task(ask_async(app)) for _ in range(2)]
        await asyncio.to_thread(full.wait, 10)
        third = await ask_async(app)
        go.set()
        return [*await asyncio.gather(*two), third]

    answers = asyncio.run(three())

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].error == "ThrottlingException"


def test_a_call_shows_no_secret() -> None:
    call: Call[SampleCaller] = Call(
        NAME, {"userToken": Secret("at-of-alice")}, SampleCaller(KEY_ID, True), "r1", None
    )

    assert "at-of-alice" not in repr(call)


def test_app_errors_of_the_authentication_reach_the_client() -> None:
    class KeysAway(AppError):
        code = "keys_away"
        status = 503

    async def away(_: SignedRequest, _operation: str) -> SampleCaller:
        raise KeysAway

    app = WireApp([Operation(NAME, Sample().access_token, guard=anybody)], authenticate=away)

    assert ask(app).error == "InternalServerException"
