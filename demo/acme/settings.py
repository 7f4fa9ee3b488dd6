"""Settings of Acme Calendar: what both demo sites set, and what is its own."""

from __future__ import annotations

from urllib.parse import urlsplit

from demo.acme import environment
from demo.acme.scopes import JWT_BEARER, SCOPES, TOKEN_EXCHANGE
from demo.sitekit import settings as alike
from demo.sitekit.settings import *  # noqa: F403 - that is what they are for

# --- what and where this site is -----------------------------------------------------------------
SECRET_KEY = environment.SECRET_KEY
ALLOWED_HOSTS = [str(urlsplit(environment.URL).hostname)]
ROOT_URLCONF = "demo.acme.urls"
WSGI_APPLICATION = "demo.acme.wsgi.application"
INSTALLED_APPS = ["demo.acme", *alike.INSTALLED_APPS]

# --- tokens --------------------------------------------------------------------------------------
AUTHLIB_OAUTH2_PROVIDER = {
    "scopes_supported": list(SCOPES),
    "access_token_generator": "demo.acme.tokens.new_token",
    "refresh_token_generator": "demo.acme.tokens.new_token",
    "token_expires_in": {
        "authorization_code": environment.ACCESS_TOKEN_S,
        "refresh_token": environment.ACCESS_TOKEN_S,
        "client_credentials": environment.ACCESS_TOKEN_S,
        TOKEN_EXCHANGE: environment.ACCESS_TOKEN_S,
        JWT_BEARER: environment.ACCESS_TOKEN_S,
    },
}

# --- state ---------------------------------------------------------------------------------------
DATABASES = {"default": environment.DATABASE}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}

# --- cookies and headers -------------------------------------------------------------------------
SESSION_COOKIE_NAME = "acme_session"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = environment.URL.startswith("https:")
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_NAME = "acme_csrf"
CONTENT_SECURITY_POLICY = alike.content_security_policy(
    leaves_for=[
        *environment.REDIRECT_URIS,
        # From there the portal leads on to the page of whoever develops an agent on this machine.
        "http://localhost:*",
    ]
)

# --- sign-in -------------------------------------------------------------------------------------
AUTH_USER_MODEL = "acme.Account"
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign_in"
