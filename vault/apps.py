"""The outbound app: what people granted, kept and released."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VaultConfig(AppConfig):
    """Names the app."""

    name = "vault"
    verbose_name = _("Connections and providers")
