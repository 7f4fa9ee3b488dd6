"""The leaf app: what every other room stands on."""

from django.apps import AppConfig

from core.admin_site import PEOPLE_AND_AUDIT


class CoreConfig(AppConfig):
    """Holds the tables that every room uses."""

    name = "core"
    verbose_name = PEOPLE_AND_AUDIT
