"""The ASGI application that answers AWS's AgentCore API with the handlers of this site.

An app lists what it implements, and `portal/asgi.py` composes the lists:

    OPERATIONS = [Operation("GetWorkloadAccessToken", token_get, guard=own_workload), ...]

    WireApp(OPERATIONS, authenticate=access_key_caller)

Every operation wants a caller who proved to hold an access key, and a guard that lets this caller
through: there is no way to register one without. Sync handlers run on the data plane's threads,
which give their database connection back after each call; async handlers run where they are.
"""

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, Protocol, TypeVar, cast

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

from core import reference
from core.errors import AppError, Internal
from core.patience import patiently
from core.wire import model, respond
from core.wire.body import ClientGone, read_body
from core.wire.canonical import SignedRequest
from core.wire.read import InputReader
from core.wire.write import OutputWriter, Written

# The largest input that an operation takes is two tokens of 128 KiB.
MAX_BODY_BYTES = 1 << 20

Output = Mapping[str, Any]

log = logging.getLogger(__name__)


class Caller(Protocol):
    """Whoever proved to hold an access key. Apps have callers that say more."""

    @property
    def access_key_id(self) -> str: ...


CallerT = TypeVar("CallerT", bound=Caller)


@dataclass(frozen=True)
class Call(Generic[CallerT]):
    """One authenticated call of an operation, its input read and checked.

    `input` is by the model's member names. What the model calls sensitive is a `Secret` in it.
    """

    operation: str
    input: Mapping[str, Any]
    caller: CallerT
    request_id: str
    client_ip: str | None


@dataclass(frozen=True)
class Operation(Generic[CallerT]):
    """How this site does one operation of the API.

    The guard raises unless this caller may make this call, and returns None if so; it runs before
    the handler. A guard that returns anything else, such as False or a coroutine, is a bug and
    lets nobody through. The handler returns the output by the model's member names, with a `Secret`
    where it is sensitive.

    Where the handler needs a thread, `quick` may answer first, on the event loop, what is asked
    often and takes no time; None leaves the call to the handler.
    """

    name: str
    handler: Callable[[Call[CallerT]], Output | Awaitable[Output]]
    guard: Callable[[Call[CallerT]], None]
    quick: Callable[[Call[CallerT]], Awaitable[Output | None]] | None = None

    def admit(self, call: Call[CallerT]) -> None:
        """Raise unless the guard lets this call through."""
        verdict: object = self.guard(call)  # type: ignore[func-returns-value]  # is checked here
        if verdict is not None:
            raise TypeError(f"the guard of {self.name} must raise or return None")


@dataclass(frozen=True)
class _Compiled(Generic[CallerT]):
    operation: Operation[CallerT]
    reader: InputReader
    writer: OutputWriter


class WireApp(Generic[CallerT]):
    """Serves the given operations, and names any other that the API has as one it does not serve.

    `portal/asgi.py` says which paths come here. `authenticate` turns a signed request into its
    caller, who may ask for the operation of this name, or raises.

    Raises:
        ValueError: an operation is unknown to the model, listed twice, has no guard, or uses a
            part of the protocol that is not spoken here.
    """

    def __init__(
        self,
        operations: Iterable[Operation[CallerT]],
        *,
        authenticate: Callable[[SignedRequest, str], Awaitable[CallerT]],
    ) -> None:
        self._authenticate = authenticate
        self._compiled: dict[str, _Compiled[CallerT]] = {}
        for operation in operations:
            self._register(operation)
        self._routes = model.Routes(model.operations().values())

    def _register(self, operation: Operation[CallerT]) -> None:
        known = model.operations().get(operation.name)
        if known is None:
            raise ValueError(f"AWS has no operation {operation.name!r}")
        if operation.name in self._compiled:
            raise ValueError(f"{operation.name} is listed twice")
        if not callable(operation.guard):
            raise ValueError(f"{operation.name} has no guard")
        self._compiled[operation.name] = _Compiled(
            operation, InputReader(known), OutputWriter(known)
        )

    async def __call__(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        client = scope.get("client")
        begun = reference.begin(client[0] if client else None)
        try:
            written = await self._answer(scope, receive, begun)
            response = respond.success(written, request_id=begun.id)
        except ClientGone:
            return
        except AppError as error:
            log.info(
                "wire.refused",
                extra={"path": scope["path"], "reason": error.code, "detail": error.detail},
            )
            response = respond.failure(error, request_id=begun.id)
        except Exception:  # the boundary: a client learns the request's id and nothing else
            log.exception("wire.failed", extra={"path": scope["path"]})
            response = respond.failure(Internal(), request_id=begun.id)
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": respond.on_the_wire(response.headers),
                "trailers": False,
            }
        )
        await send({"type": "http.response.body", "body": response.body, "more_body": False})

    async def _answer(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, begun: reference.Reference
    ) -> Written:
        route = self._routes.find(scope["method"], scope["raw_path"])
        if route is None:
            raise model.UnknownOperation
        compiled = self._compiled.get(route.operation)
        if compiled is None:
            raise model.OperationNotServed(route.operation)
        body = await read_body(receive, max_bytes=MAX_BODY_BYTES)
        request = SignedRequest(
            method=scope["method"],
            raw_path=scope["raw_path"],
            raw_query=scope["query_string"],
            headers=tuple(scope["headers"]),
            body_sha256=sha256(body).hexdigest(),
        )
        caller = await self._authenticate(request, route.operation)
        call = Call(
            operation=route.operation,
            input=compiled.reader.read(
                labels=route.labels,
                query=request.pairs,
                headers=request.merged,
                body=body,
            ),
            caller=caller,
            request_id=begun.id,
            client_ip=begun.client_ip,
        )
        compiled.operation.admit(call)
        return compiled.writer.write(await self._handle(compiled.operation, call))

    async def _handle(self, operation: Operation[CallerT], call: Call[CallerT]) -> Output:
        if operation.quick is not None and (answer := await operation.quick(call)) is not None:
            return answer
        handler = operation.handler
        if inspect.iscoroutinefunction(handler):
            return cast(Output, await handler(call))
        return cast(Output, await patiently(handler, call))
