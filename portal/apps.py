"""The site: sign-in, chat, connections, pages."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PortalConfig(AppConfig):
    """Connects what the vault tells of to the chat."""

    name = "portal"
    verbose_name = _("Portal")

    def ready(self) -> None:
        """Import the checks, and the receivers that the vault's signals reach; tell of sessions
        and of who is signed in.
        """
        from agents.explainer import sources  # noqa: PLC0415  (as all here, it needs the models)
        from core import sealed_columns  # noqa: PLC0415
        from portal import checks, explained, roles_kept, sessions, workers  # noqa: F401, PLC0415  (checks, roles and workers register themselves)
        from portal.runs import consent  # noqa: F401, PLC0415  (connects itself on import)

        sealed_columns.include(sessions.COLUMN)
        sources.include(explained.SignIns())
