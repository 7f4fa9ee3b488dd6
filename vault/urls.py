"""The pages of the consent journey at the wire API's own paths, and the keys we sign with."""

from django.urls import path

from vault.pages import views
from vault.providers.jwks import jwks
from vault.token_endpoint.metadata import metadata

app_name = "vault"
urlpatterns = [
    path(".well-known/jwks.json", jwks, name="jwks"),
    path(".well-known/oauth-authorization-server", metadata, name="authorization_server"),
    path("identities/oauth2/authorize", views.authorize, name="authorize"),
    path("identities/oauth2/callback/<uuid:provider_id>", views.callback, name="callback"),
]
