"""Every address of the identity provider. allauth's other pages (sign-up, e-mail, password reset,
device codes) are not here, and answer 404.
"""

from __future__ import annotations

from allauth.account import views as account
from allauth.idp.oidc import views as oidc
from django.urls import URLPattern, URLResolver, include, path

from demo.idp import flows, pages
from demo.sitekit.health import healthz

# allauth builds its metadata from these names, device codes included, so that one name has to
# lead somewhere.
oidc_urls = (
    [
        path(".well-known/openid-configuration", oidc.configuration, name="configuration"),
        path(".well-known/jwks.json", oidc.jwks, name="jwks"),
        path("oauth2/authorize", flows.StrictAuthorizationView.as_view(), name="authorization"),
        path("oauth2/token", flows.SpendOnceTokenView.as_view(), name="token"),
        path("oauth2/revoke", oidc.revoke, name="revoke"),
        path("oauth2/userinfo", oidc.user_info, name="userinfo"),
        path("oauth2/logout", flows.ExactLogoutView.as_view(), name="logout"),
        path("oauth2/device", pages.not_offered, name="device_code"),
    ],
    "oidc",
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", pages.home, name="home"),
    path("healthz", healthz, name="healthz"),
    path("sign-in/", account.login, name="account_login"),
    path("sign-in/again/", flows.TimedReauthenticateView.as_view(), name="account_reauthenticate"),
    path("sign-in/inactive/", account.account_inactive, name="account_inactive"),
    path("sign-out/", account.logout, name="account_logout"),
    path("", include(([path("", include(oidc_urls))], "idp"))),
]
