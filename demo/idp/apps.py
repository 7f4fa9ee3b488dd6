from django.apps import AppConfig


class IdentityProviderConfig(AppConfig):
    """The people, and what is told about them."""

    name = "demo.idp"
    label = "demo_idp"
    default_auto_field = "django.db.models.BigAutoField"
