"""Settings of Acme Calendar, from the environment alone."""

from __future__ import annotations

from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONE, SELF

from demo.acme import environment
from demo.acme.scopes import SCOPES
from demo.sitekit.environment import origins_of

django_stubs_ext.monkeypatch()

# --- what and where this site is -----------------------------------------------------------------
SECRET_KEY = environment.SECRET_KEY
DEBUG = False
ALLOWED_HOSTS = [str(urlsplit(environment.URL).hostname)]
ROOT_URLCONF = "demo.acme.urls"
WSGI_APPLICATION = "demo.acme.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

# --- tokens --------------------------------------------------------------------------------------
AUTHLIB_OAUTH2_PROVIDER = {
    "scopes_supported": list(SCOPES),
    "access_token_generator": "demo.acme.tokens.new_token",
    "refresh_token_generator": "demo.acme.tokens.new_token",
    "token_expires_in": {
        "authorization_code": environment.ACCESS_TOKEN_S,
        "refresh_token": environment.ACCESS_TOKEN_S,
    },
}

INSTALLED_APPS = [
    "demo.acme",
    "demo.sitekit",
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
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

# --- cookies and headers -------------------------------------------------------------------------
_SECURE = environment.URL.startswith("https:")
SESSION_COOKIE_NAME = "acme_session"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_SECURE = _SECURE
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"  # a consent begins on the client's own site
CSRF_COOKIE_NAME = "acme_csrf"
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
        # Browsers hold form-action against the redirects that follow a form: Allow and Deny
        # both end on the client's site.
        "form-action": [SELF, *origins_of(environment.REDIRECT_URIS)],
    }
}

# --- sign-in -------------------------------------------------------------------------------------
AUTH_USER_MODEL = "acme.Account"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "demo.sitekit.hashers.GeneratedSecretHasher",
]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign_in"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
