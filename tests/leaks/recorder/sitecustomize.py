"""Writes down every secret that a process of the tests uses, for the search at their end.

Python imports a module of this name when it starts. The folder is on PYTHONPATH of what the tests
start, and nowhere else, so that the product has no hook for this. A process writes a file of its
own, readable by its owner only; a line is `[value in base64, what it is, whose process]`.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

FOLDER = "SECRETS_RECORDED_IN"
# What holds a secret in a form, a query or an answer, in anybody's spelling.
FIELDS = frozenset(
    {
        *("access_token", "refresh_token", "id_token", "id_token_hint", "token", "subject_token"),
        *("actor_token", "assertion", "client_assertion", "client_secret", "code", "code_verifier"),
        *("csrfmiddlewaretoken", "nonce", "password", "state", "request_uri", "api_key"),
    }
)
# These travel in queries and forms; in a document of a site of ours they are words such as `live`.
NEVER_IN_DOCUMENTS = frozenset({"code", "state"})


class Recorder:
    """The file of this process, and what is in it already."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid = -1
        self._file = -1
        self._known: set[str | bytes] = set()

    def note(self, value: object, kind: str) -> None:
        """Write `value` down, once."""
        if not isinstance(value, str | bytes) or not value or value in self._known:
            return
        if self._pid != os.getpid():  # the first secret, or the first after a fork
            path = self._folder / f"{os.getpid()}.secrets"
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._pid = os.getpid()  # last: another thread writes as soon as it is right
        self._known.add(value)
        octets = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        test = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0]
        line = [base64.b64encode(octets).decode(), f"{kind} {test}".rstrip(), _program()]
        os.write(self._file, json.dumps(line).encode() + b"\n")


def _program() -> str:
    """Return which module or script this process runs."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec.name if spec else Path(sys.argv[0]).name


def _secret(module: Any, recorder: Recorder) -> None:
    made = module.Secret.__init__

    @functools.wraps(made)
    def noting(self: object, value: str) -> None:
        caller = sys._getframe(1)
        where = f"{caller.f_globals.get('__name__')}.{caller.f_code.co_qualname}"
        recorder.note(value, f"Secret of {where}")
        made(self, value)

    module.Secret.__init__ = noting


def _data_keys(module: Any, recorder: Recorder) -> None:
    wrap, unwrap = module._wrap, module._unwrap

    @functools.wraps(wrap)
    def noting_new(data_key: bytes, **how: Any) -> bytes:
        recorder.note(data_key, "data key")
        wrapped: bytes = wrap(data_key, **how)
        return wrapped

    @functools.wraps(unwrap)
    def noting_opened(row: object) -> bytes:
        data_key: bytes = unwrap(row)
        recorder.note(data_key, "data key")
        return data_key

    module._wrap, module._unwrap = noting_new, noting_opened


def _requests(module: Any, recorder: Recorder) -> None:
    """Note what passes through any Django site, once it has answered."""
    handler = module.BaseHandler
    answered, answered_async = handler.get_response, handler.get_response_async

    @functools.wraps(answered)
    def noting(self: object, request: Any) -> Any:
        response = answered(self, request)
        _exchange(request, response, recorder)
        return response

    @functools.wraps(answered_async)
    async def noting_async(self: object, request: Any) -> Any:
        response = await answered_async(self, request)
        _exchange(request, response, recorder)
        return response

    handler.get_response, handler.get_response_async = noting, noting_async


def _exchange(request: Any, response: Any, recorder: Recorder) -> None:
    for name, value in request.COOKIES.items():
        recorder.note(value, f"cookie {name}")
    for name, morsel in response.cookies.items():
        recorder.note(morsel.value, f"cookie {name}")
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() in {"basic", "bearer"}:
        recorder.note(credentials, f"{scheme} credentials")
    forms: list[Iterable[tuple[str, object]]] = [
        request.GET.items(),
        parse_qsl(urlsplit(response.get("Location", "")).query),
    ]
    if "_post" in vars(request):  # only where the site itself has read it
        forms.append(request._post.items())
    if response.get("Content-Type", "").startswith("application/json") and not response.streaming:
        told = _leaves(_document(response.content))
        forms.append((name, value) for name, value in told if name not in NEVER_IN_DOCUMENTS)
    for form in forms:
        for name, value in form:
            if name in FIELDS:
                recorder.note(value, f"field {name}")


def _document(content: bytes) -> object:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _leaves(document: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Return each value in a JSON document, with the name that it has there."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from _leaves(value, key)
    elif isinstance(document, list):
        for value in document:
            yield from _leaves(value, name)
    else:
        yield name, document


_CHANGED: dict[str, Callable[[Any, Recorder], None]] = {
    "core.secret": _secret,
    "core.wrapping": _data_keys,
    "django.core.handlers.base": _requests,
}


class _AfterImport(MetaPathFinder):
    """Changes a module right after its own code has run, before anybody has got it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        change = _CHANGED.get(fullname)
        spec = PathFinder.find_spec(fullname, path, target) if change else None
        if spec is None or spec.loader is None or change is None:
            return None
        run = spec.loader.exec_module

        def run_and_change(module: ModuleType) -> None:
            run(module)
            change(module, self._recorder)

        spec.loader.exec_module = run_and_change  # type: ignore[method-assign]
        return spec


def record_in(folder: Path) -> Recorder:
    """Write down in `folder` every secret that this process uses from now on."""
    recorder = Recorder(folder)
    for name in sys.modules.keys() & _CHANGED.keys():
        _CHANGED[name](sys.modules[name], recorder)
    sys.meta_path.insert(0, _AfterImport(recorder))
    return recorder


if __name__ == "sitecustomize" and os.environ.get(FOLDER):
    record_in(Path(os.environ[FOLDER]))
