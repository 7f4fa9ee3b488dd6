from django.apps import AppConfig


class AcmeConfig(AppConfig):
    """Accounts, what they authorised, and the tokens that came of it."""

    name = "demo.acme"
    label = "acme"
    default_auto_field = "django.db.models.BigAutoField"
