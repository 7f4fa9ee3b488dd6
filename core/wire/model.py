"""What AWS says its AgentCore API is: botocore's own service models, read at run time."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from django_stubs_ext import StrOrPromise

from core.errors import AppError, InvalidRequest

# The control plane and the data plane: one API here, as their paths do not collide.
SERVICES = ("bedrock-agentcore-control", "bedrock-agentcore")
# Both sign under this name, and so does everything that calls them.
SIGNING_NAME = "bedrock-agentcore"


class UnknownOperation(AppError):
    """No operation of the API has this method and path.

    AWS answers the same to an operation that an endpoint does not have. ResourceNotFoundException
    would say that a thing is missing, and make clients create it; a 5xx would make them retry.
    """

    code = "unknown_operation"
    status = 404
    aws = "UnknownOperationException"
    message: StrOrPromise = "There is no operation of this method and path."


class OperationNotServed(UnknownOperation):
    """The API has this operation, and this site does not serve it."""

    code = "operation_not_served"

    def __init__(self, operation: str) -> None:
        super().__init__(f"This site does not serve the operation {operation}.")


class Route(NamedTuple):
    """An operation found by its method and path, with the labels of the path decoded."""

    operation: str
    labels: dict[str, str]


@cache
def operations() -> Mapping[str, OperationModel]:
    """Return every operation of both services by name; the names do not collide."""
    services = [
        ServiceModel(Loader().load_service_model(name, "service-2"), name) for name in SERVICES
    ]
    return {
        name: service.operation_model(name)
        for service in services
        for name in service.operation_names
    }


@cache
def error_statuses() -> Mapping[str, int]:
    """Return the HTTP status of every error that the models know, by its AWS name."""
    services = {operation.service_model for operation in operations().values()}
    return {
        shape.name: shape.metadata["error"]["httpStatusCode"]
        for service in services
        for shape in service.error_shapes
    }


class Routes:
    """Finds operations by the raw method and path of a request."""

    def __init__(self, models: Iterable[OperationModel]) -> None:
        self._exact: dict[tuple[str, str], str] = {}
        # By method and number of segments; a segment is a literal or, as "{name}", a label.
        self._labelled: dict[tuple[str, int], list[tuple[list[str], str]]] = defaultdict(list)
        for model in models:
            method, uri = model.http["method"], model.http["requestUri"]
            if "{" in uri:
                segments = uri.split("/")
                self._labelled[method, len(segments)].append((segments, model.name))
            else:
                self._exact[method, uri] = model.name

    def find(self, method: str, raw_path: bytes) -> Route | None:
        """Return the operation, or None. The path is taken as it is, its last slash included.

        Raises:
            InvalidRequest: a label of the path is not UTF-8.
        """
        path = raw_path.decode("latin-1")
        if operation := self._exact.get((method, path)):
            return Route(operation, {})
        given = path.split("/")
        for segments, operation in self._labelled.get((method, len(given)), ()):
            labels = _match(segments, given)
            if labels is not None:
                return Route(operation, {name: _decoded(raw) for name, raw in labels.items()})
        return None


def _match(segments: list[str], given: list[str]) -> dict[str, str] | None:
    labels = {}
    for segment, value in zip(segments, given, strict=True):
        if segment.startswith("{") and value:
            labels[segment[1:-1]] = value
        elif segment != value:
            return None
    return labels


def _decoded(raw: str) -> str:
    try:
        return unquote_to_bytes(raw.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise InvalidRequest("The path is not UTF-8.", reason="CannotParse") from None
