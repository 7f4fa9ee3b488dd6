"""The two pages of the consent journey that belong to the wire API's own paths."""

from django.urls import path

from vault import views

app_name = "vault"
urlpatterns = [
    path("identities/oauth2/authorize", views.authorize, name="authorize"),
    path("identities/oauth2/callback/<uuid:provider_id>", views.callback, name="callback"),
]
