"""The leaf app: what every other room stands on."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Holds the tables that every room uses."""

    name = "core"
