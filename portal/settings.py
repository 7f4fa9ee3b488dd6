"""Settings of the site, from the environment alone.

Every secret may come as `NAME_FILE`, the path of a file that holds it. There is no branch on the
name of an environment: what is unsafe together is refused by the system checks in `core.checks`.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _
from environ import FileAwareEnv
from psycopg.conninfo import conninfo_to_dict

django_stubs_ext.monkeypatch()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


BASE_DIR = Path(__file__).resolve().parent.parent
env = FileAwareEnv()

# --- what and where this site is ---------------------------------------------------------------
SITE_URL: str = env.str("SITE_URL", default="http://localhost:8000").rstrip("/")
_SITE = urlsplit(SITE_URL)
SECRET_KEY: str = env.str("SECRET_KEY")
DEBUG = False
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[_SITE.hostname or "localhost"])
AWS_REGION: str = env.str("AWS_REGION", default="us-east-1")
DAIKO_ACCOUNT_ID: str = env.str("DAIKO_ACCOUNT_ID", default="000000000000")

ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "core.User"

INSTALLED_APPS = [
    "core",
    "agents",
    "vault",
    "portal",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "mozilla_django_oidc",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "portal.staticfiles.StaticFilesMiddleware",
    "csp.middleware.CSPMiddleware",
    "core.middleware.ReferenceMiddleware",
    "core.middleware.NoStoreMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.middleware.SignInMiddleware",
    "portal.middleware.RefusalPageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- engines -----------------------------------------------------------------------------------
# Read by libpq's own rules, so that whatever psql takes is right here too.
_DATABASE = conninfo_to_dict(env.str("DATABASE_URL"))
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        # One round trip a request, so that a restart of the database is nobody's error page.
        "CONN_HEALTH_CHECKS": True,
        "NAME": _DATABASE.pop("dbname", ""),
        "USER": _DATABASE.pop("user", ""),
        "PASSWORD": _DATABASE.pop("password", ""),
        "HOST": _DATABASE.pop("host", ""),
        "PORT": _DATABASE.pop("port", ""),
        "OPTIONS": {
            **_DATABASE,
            # The pool is what keeps one process of many threads within PostgreSQL's connections;
            # with it a connection goes back after each request.
            "pool": {
                "min_size": 1,
                "max_size": env.int("DATABASE_POOL_MAX", default=16),
                "timeout": 10,
            },
        },
    }
}
REDIS_URL: str = env.str("REDIS_URL")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
}

CELERY_BROKER_URL: str = env.str("CELERY_BROKER_URL", default=REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True  # state is in our rows; a result backend would store return values
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"

# --- keys --------------------------------------------------------------------------------------
# The key ring: `id:base64 of 32 bytes`, newest first, separated by commas or line ends.
VAULT_KEYS: str = env.str("VAULT_KEYS")

# --- outbound ----------------------------------------------------------------------------------
# Host names, whatever the port, that may resolve to a private address and be spoken to in clear.
DAIKO_ALLOWED_PRIVATE_HOSTS: list[str] = env.list("DAIKO_ALLOWED_PRIVATE_HOSTS", default=[])

# --- sign-in -----------------------------------------------------------------------------------
OIDC_ISSUER: str = env.str("OIDC_ISSUER")
OIDC_RP_CLIENT_ID: str = env.str("OIDC_CLIENT_ID")
OIDC_RP_CLIENT_SECRET: str = env.str("OIDC_CLIENT_SECRET")
OIDC_RP_SCOPES: str = env.str("OIDC_SCOPES", default="openid profile email groups offline_access")
OIDC_USE_PKCE = True
OIDC_USE_NONCE = True
OIDC_STORE_ACCESS_TOKEN = False  # kept sealed in the sign-in's row, never in the session
OIDC_STORE_ID_TOKEN = False
OIDC_AUTHENTICATION_CALLBACK_URL = "oidc_authentication_callback"
OIDC_CALLBACK_CLASS = "portal.flows.signin.CallbackView"
OIDC_AUTHENTICATE_CLASS = "portal.flows.signin.AuthenticateView"
AUTHENTICATION_BACKENDS = ["portal.flows.signin.Backend"]
LOGIN_URL = "oidc_authentication_init"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
# Issuers, besides those of registered authorizers, whose tokens GetWorkloadAccessTokenForJWT takes.
DAIKO_TRUSTED_ISSUERS: list[str] = env.list("DAIKO_TRUSTED_ISSUERS", default=[])
DAIKO_GROUPS_CLAIM: str = env.str("DAIKO_GROUPS_CLAIM", default="groups")
# Members of these groups administer the site.
DAIKO_ADMIN_GROUPS: list[str] = env.list("DAIKO_ADMIN_GROUPS", default=["admins"])

# --- sessions and transport --------------------------------------------------------------------
_HTTPS = _SITE.scheme == "https"
SESSION_COOKIE_NAME = "daiko_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_ENGINE = "portal.sessions"
CSRF_COOKIE_NAME = "daiko_csrf"
CSRF_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [SITE_URL]
CSRF_FAILURE_VIEW = "portal.views.errors.csrf_failure"
SECURE_SSL_REDIRECT = False  # a proxy in front ends TLS; see docs
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        # Signing out ends at the identity provider; browsers hold redirects of a form to this too.
        "form-action": [SELF, _origin(OIDC_ISSUER)],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["portal.api.authentication.SignedInSession"],
    "DEFAULT_PERMISSION_CLASSES": ["core.api.DenyAll"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "portal.api.errors.handle",
    "UNAUTHENTICATED_USER": None,
}

# --- language and time -------------------------------------------------------------------------
LANGUAGE_CODE: str = env.str("DAIKO_LANGUAGE", default="en")
LANGUAGES = [("en", _("English")), ("ja", _("Japanese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- static files ------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("DAIKO_STATIC_ROOT", default=str(BASE_DIR / "var" / "static")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "portal.staticfiles.ModuleStorage"},
}
# Without a collected manifest (tests, a first start) files are served where they lie.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"events": {"()": "core.logs.EventFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "events"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # Both print request lines with query strings, which may hold codes and states.
        "django.server": {"level": "ERROR"},
        "mozilla_django_oidc": {"level": "ERROR"},
    },
}
