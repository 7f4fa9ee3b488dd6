"""The inbound app: agents, who may call them, and the way to them."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AgentsConfig(AppConfig):
    """Names the app, and registers its system checks."""

    name = "agents"
    verbose_name = _("Agents")

    def ready(self) -> None:
        """Import the checks so that Django knows them."""
        from agents import checks  # noqa: F401, PLC0415  (registers itself on import)
