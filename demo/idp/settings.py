"""Settings of the demo identity provider, from the environment alone."""

from __future__ import annotations

from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONE, SELF

from demo.idp import environment
from demo.sitekit.environment import origins_of

django_stubs_ext.monkeypatch()

# --- what and where this site is -----------------------------------------------------------------
SECRET_KEY = environment.SECRET_KEY
DEBUG = False
ALLOWED_HOSTS = [str(urlsplit(environment.URL).hostname)]
ROOT_URLCONF = "demo.idp.urls"
WSGI_APPLICATION = "demo.idp.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

INSTALLED_APPS = [
    "demo.idp",
    "demo.sitekit",
    "allauth",
    "allauth.account",
    "allauth.idp.oidc",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "demo.sitekit.middleware.private_pages",
    "demo.sitekit.middleware.no_null_characters",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ],
        },
    },
]

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # a handful of small files; nothing to collect before a start

# --- state ---------------------------------------------------------------------------------------
DATABASES = {"default": environment.DATABASE}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
# allauth keeps authorization codes in the cache. In memory they live for a minute, in the one
# worker there is, and a dump of the database has none of them.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

# --- cookies and headers -------------------------------------------------------------------------
_SECURE = environment.URL.startswith("https:")
SESSION_COOKIE_NAME = "demo_idp_session"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = _SECURE
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"  # a sign-in arrives here from the client's own site
CSRF_COOKIE_NAME = "demo_idp_csrf"
CSRF_COOKIE_SECURE = _SECURE
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"  # no-referrer would send Origin: null, which CSRF refuses
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "style-src": [SELF],
        "img-src": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        # Browsers hold form-action against the redirects that follow a form: signing in and
        # signing out both end on the client's site.
        "form-action": [
            SELF,
            *origins_of(environment.REDIRECT_URIS + environment.POST_LOGOUT_URIS),
        ],
    }
}

# --- sign-in: a username and a password, and no other way in -------------------------------------
AUTH_USER_MODEL = "demo_idp.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "demo.sitekit.hashers.GeneratedSecretHasher",
]
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
IDP_OIDC_RP_INITIATED_LOGOUT_ASKS_FOR_OP_LOGOUT = False  # it asks only where there is no valid hint

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
