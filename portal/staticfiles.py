"""Static files, named by their content."""

from __future__ import annotations

from django.core.files.storage import FileSystemStorage
from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # ships no types
    """Rewrites the imports between ES modules too, so that every module may be cached for ever."""

    support_js_module_import_aggregation = True

    def url(self, name: str | None, force: bool = False) -> str:
        """Return the URL of `name`; where nothing was collected, that of the file as it lies."""
        if not self.hashed_files and name is not None:
            return FileSystemStorage.url(self, name)
        return str(super().url(name, force))
