"""Static files, named by their content, and served by the site itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage
from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage

from core import inert


class ModuleStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # ships no types
    """Rewrites the imports between ES modules too, so that every module may be cached for ever."""

    support_js_module_import_aggregation = True

    def url(self, name: str | None, force: bool = False) -> str:
        """Return the URL of `name`; where nothing was collected, that of the file as it lies."""
        if not self.hashed_files and name is not None:
            return FileSystemStorage.url(self, name)
        return str(super().url(name, force))


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # ships no types
    """WhiteNoise, without what it warns of under ASGI and before anything was collected.

    A file is what a page has in it. Opened by itself, as an SVG can be, it runs and loads nothing.
    """

    def add_files(self, root: str, prefix: str | None = None) -> None:
        """Serve what is in `root`, if it is there."""
        if Path(root).is_dir():
            super().add_files(root, prefix)

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """Return a file whole: they are small, and a file is no stream to an ASGI server."""
        found = static_file.get_response(request.method, request.META)
        content = b""
        if found.file is not None:
            with found.file as opened:
                content = opened.read()
        response = HttpResponse(content, status=int(found.status))
        del response["Content-Type"]
        for name, value in (*found.headers, *inert.HEADERS):
            response[name] = value
        return response
