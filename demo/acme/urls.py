"""Every address of Acme Calendar."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from demo.acme import api, oauth, pages, rehearsal
from demo.sitekit.health import healthz

urlpatterns = [
    path("", pages.home, name="home"),
    path("healthz", healthz, name="healthz"),
    path("sign-in/", LoginView.as_view(template_name="acme/sign_in.html"), name="sign_in"),
    path("sign-out/", LogoutView.as_view(), name="sign_out"),
    path("access/<uuid:authorization_id>/remove/", pages.remove_access, name="remove_access"),
    path(".well-known/oauth-authorization-server", oauth.metadata, name="metadata"),
    path("oauth2/authorize", oauth.authorize, name="authorize"),
    path("oauth2/token", oauth.token, name="token"),
    path("oauth2/revoke", oauth.revoke, name="revoke"),
    path("api/calendar/events", api.list_events, name="events"),
    path("api/status", api.status, name="status"),
    path("demo/ledger", rehearsal.ledger, name="ledger"),
    path("demo/faults", rehearsal.order_faults, name="faults"),
    path("demo/redirect-uris", rehearsal.redirect_uri_add, name="redirect_uris"),
]
