"""The leaf app: what every other room stands on."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Registers the system checks."""

    name = "core"

    def ready(self) -> None:
        """Import the checks so that Django knows them."""
        from core import checks  # noqa: F401, PLC0415  (registers itself on import)
