"""Settings of the demo identity provider: what both demo sites set, and what is its own."""

from __future__ import annotations

from urllib.parse import urlsplit

from demo.idp import environment
from demo.sitekit import settings as alike
from demo.sitekit.settings import *  # noqa: F403 - that is what they are for

# --- what and where this site is -----------------------------------------------------------------
SECRET_KEY = environment.SECRET_KEY
ALLOWED_HOSTS = [str(urlsplit(environment.URL).hostname)]
ROOT_URLCONF = "demo.idp.urls"
WSGI_APPLICATION = "demo.idp.wsgi.application"
INSTALLED_APPS = [
    "demo.idp",
    "allauth",
    "allauth.account",
    "allauth.idp.oidc",
    *alike.INSTALLED_APPS,
]
MIDDLEWARE = [*alike.MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]

# --- state ---------------------------------------------------------------------------------------
DATABASES = {"default": environment.DATABASE}
# allauth keeps authorization codes in the cache. In memory they live for a minute, in the one
# worker there is, and a dump of the database has none of them.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# --- cookies and headers -------------------------------------------------------------------------
SESSION_COOKIE_NAME = "demo_idp_session"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = environment.URL.startswith("https:")
CSRF_COOKIE_NAME = "demo_idp_csrf"
CONTENT_SECURITY_POLICY = alike.content_security_policy(
    leaves_for=[
        *environment.REDIRECT_URIS,
        *environment.POST_LOGOUT_URIS,
        *environment.PROGRAM_REDIRECT_URIS,
    ]
)

# --- sign-in: a username and a password, and no other way in -------------------------------------
AUTH_USER_MODEL = "demo_idp.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "home"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_RATE_LIMITS = {
    "login": "300/m/ip",  # everybody on this machine shares one address
    "login_failed": "60/m/ip,5/5m/key",
}

# --- OpenID Connect ------------------------------------------------------------------------------
IDP_OIDC_ADAPTER = "demo.idp.claims.Adapter"
IDP_OIDC_PRIVATE_KEY = environment.SIGNING_KEY
IDP_OIDC_ACCESS_TOKEN_FORMAT = "jwt"  # noqa: S105 - the name of a format
IDP_OIDC_ACCESS_TOKEN_EXPIRES_IN = environment.ACCESS_TOKEN_S
IDP_OIDC_AUTHORIZATION_CODE_EXPIRES_IN = 60
IDP_OIDC_ROTATE_REFRESH_TOKEN = True
IDP_OIDC_REFRESH_TOKEN_EXPIRES_IN = 12 * 3600
IDP_OIDC_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]
if environment.PROGRAM_CLIENT_ID:
    IDP_OIDC_AUTH_METHODS.append("none")  # it proves itself by PKCE alone
IDP_OIDC_RP_INITIATED_LOGOUT_ASKS_FOR_OP_LOGOUT = False  # it asks only where there is no valid hint
