"""The site: sign-in, chat, connections, pages."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PortalConfig(AppConfig):
    """Connects what the vault tells of to the chat."""

    name = "portal"
    verbose_name = _("Portal")

    def ready(self) -> None:
        """Import the receivers so that the vault's signals reach them."""
        from portal.runs import consent  # noqa: F401, PLC0415  (connects itself on import)
