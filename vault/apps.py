"""The outbound app: what people granted, kept and released."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VaultConfig(AppConfig):
    """Names the app, and what of it has an ARN."""

    name = "vault"
    verbose_name = _("Connections and providers")

    def ready(self) -> None:
        """Register the resources of this app; models can be imported from here on."""
        from vault.resources import register_kinds  # noqa: PLC0415

        register_kinds()
