"""The inbound app: agents, who may call them, and the way to them."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AgentsConfig(AppConfig):
    """Names the app."""

    name = "agents"
    verbose_name = _("Agents")
