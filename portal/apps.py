"""The site: sign-in, chat, connections, pages."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PortalConfig(AppConfig):
    """Connects what the vault tells of to the chat."""

    name = "portal"
    verbose_name = _("Portal")

    def ready(self) -> None:
        """Import the checks, and the receivers that the vault's signals reach."""
        from portal import checks  # noqa: F401, PLC0415  (registers itself on import)
        from portal.runs import consent  # noqa: F401, PLC0415  (connects itself on import)
