from django.apps import AppConfig


class SitekitConfig(AppConfig):
    """Templates, styles and nothing in the database."""

    name = "demo.sitekit"
    label = "demo_sitekit"
