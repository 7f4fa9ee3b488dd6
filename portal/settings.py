"""Settings of the site, from the environment alone.

Every variable may come as `NAME_FILE`, the path of a file that holds it. There is no branch on the
name of an environment: what is wrong by itself is refused by `portal.environment`, and what is
unsafe together by system checks.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from core.identity_providers import IdentityProvider
from core.secret import Secret
from portal import environment as env
from portal.roles import ROLES

django_stubs_ext.monkeypatch()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


BASE_DIR = Path(__file__).resolve().parent.parent

# --- what the environment says ------------------------------------------------------------------
_told = env.Environment(os.environ)

SITE_URL = _told.read("SITE_URL", env.SITE_URL, default="http://localhost:8000")
SECRET_KEY = _told.read("SECRET_KEY", env.SECRET_KEY)
# The key ring, newest first; `core.keyring` reads it.
VAULT_KEYS = _told.read("VAULT_KEYS", env.KEY_RING)
# A key in AWS KMS, which then wraps data keys in place of the ring's newest.
VAULT_KMS_KEY_ARN = _told.read("VAULT_KMS_KEY_ARN", env.KMS_KEY, default="")
_DATABASE = _told.read("DATABASE_URL", env.DATABASE)
_POOL_MAX = _told.read("DATABASE_POOL_MAX", env.whole(least=1, most=10_000), default="16")
REDIS_URL = _told.read("REDIS_URL", env.REDIS)
CELERY_BROKER_URL = _told.read(
    "CELERY_BROKER_URL",
    env.BROKER,
    default=REDIS_URL or "redis:",  # where that one is wrong, it is told once
)

OIDC_ISSUER = _told.read("OIDC_ISSUER", env.ISSUER)
OIDC_RP_CLIENT_ID = _told.read("OIDC_CLIENT_ID", env.text("the id of a client"))
OIDC_RP_CLIENT_SECRET = _told.read("OIDC_CLIENT_SECRET", env.text("that client's secret"))
OIDC_RP_SCOPES = _told.read(
    "OIDC_SCOPES",
    env.text("scopes separated by blanks"),
    default="openid profile email groups offline_access",
)
OIDC_LABEL = _told.read(
    "OIDC_LABEL", env.text("what people call it"), default=urlsplit(OIDC_ISSUER or "").netloc or "-"
)
# Identity providers beside that one, each with variables that bear its short name.
OIDC_FURTHER = tuple(
    IdentityProvider(
        name=name,
        label=_told.read(f"OIDC_{name.upper()}_LABEL", env.text("what people call it")),
        issuer=_told.read(f"OIDC_{name.upper()}_ISSUER", env.ISSUER),
        client_id=_told.read(f"OIDC_{name.upper()}_CLIENT_ID", env.text("the id of a client")),
        client_secret=Secret(
            _told.read(f"OIDC_{name.upper()}_CLIENT_SECRET", env.text("that client's secret"))
        ),
        scopes=_told.read(
            f"OIDC_{name.upper()}_SCOPES",
            env.text("scopes separated by blanks"),
            default=OIDC_RP_SCOPES,
        ),
    )
    for name in _told.read("OIDC_FURTHER", env.SHORT_NAMES, default="") or ()
)
DAIKO_GROUPS_CLAIM = _told.read(
    "DAIKO_GROUPS_CLAIM", env.text("the name of a claim"), default="groups"
)
# Members of these groups administer the site.
DAIKO_ADMIN_GROUPS = _told.read(
    "DAIKO_ADMIN_GROUPS", env.listed("groups separated by commas"), default="admins"
)
# Members of these groups have a role on the admin site: the role's name to its groups.
DAIKO_ROLES = _told.read("DAIKO_ROLES", env.given_to(ROLES), default="")
# Issuers, besides those of registered authorizers, whose tokens GetWorkloadAccessTokenForJWT takes.
DAIKO_TRUSTED_ISSUERS = _told.read("DAIKO_TRUSTED_ISSUERS", env.ISSUERS, default="")
# Refused calls of strangers from one address that are told and recorded one by one; 0: all are.
DAIKO_REFUSALS_PER_MINUTE = _told.read(
    "DAIKO_REFUSALS_PER_MINUTE", env.whole(least=0, most=1_000_000), default="60"
)
# Host names, whatever the port, that may resolve to a private address and be spoken to in clear.
DAIKO_ALLOWED_PRIVATE_HOSTS = _told.read(
    "DAIKO_ALLOWED_PRIVATE_HOSTS", env.PRIVATE_HOSTS, default=""
)
# Whether any workload identity may use a provider that is created over the wire API, as at AWS.
DAIKO_OPEN_PROVIDERS = (
    _told.read("DAIKO_OPEN_PROVIDERS", env.one_of("true", "false"), default="true") == "true"
)
# Whether everybody whom its authorizer lets through may use an agent that is created over the wire
# API, as at AWS.
DAIKO_OPEN_AGENTS = (
    _told.read("DAIKO_OPEN_AGENTS", env.one_of("true", "false"), default="true") == "true"
)

AWS_REGION = _told.read("AWS_REGION", env.text("a region, such as us-east-1"), default="us-east-1")
DAIKO_ACCOUNT_ID = _told.read("DAIKO_ACCOUNT_ID", env.text("twelve digits"), default="0" * 12)
LANGUAGES = [("en", _("English")), ("ja", _("Japanese"))]
LANGUAGE_CODE = _told.read(
    "DAIKO_LANGUAGE", env.one_of(*(code for code, _name in LANGUAGES)), default="en"
)
ALLOWED_HOSTS = _told.read(
    "ALLOWED_HOSTS",
    env.listed("host names separated by commas"),
    default=urlsplit(SITE_URL or "").hostname or "",
)
_STATIC_ROOT = _told.read(
    "DAIKO_STATIC_ROOT", env.text("the path of a folder"), default=str(BASE_DIR / "var" / "static")
)
_LOG_LEVEL = _told.read("LOG_LEVEL", env.LOG_LEVEL, default="INFO")

# Where `manage.py serve` listens, and with how many processes.
SERVE_HOST = _told.read("HOST", env.text("an address of this machine"), default="127.0.0.1")
SERVE_PORT = _told.read("PORT", env.PORT, default="8000")
SERVE_WORKERS = _told.read("WEB_WORKERS", env.whole(least=1, most=1000), default="1")

_told.refuse_what_is_wrong()

# --- what this site is ---------------------------------------------------------------------------
DEBUG = False
ROOT_URLCONF = "portal.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "core.User"

INSTALLED_APPS = [
    "core",
    "agents",
    "vault",
    "portal",
    "core.admin_site.AdminConfig",
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
    # Before anything looks a value up; the page that it answers with is in the person's language.
    "portal.middleware.NullCharacterMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.middleware.SignInMiddleware",
    "portal.middleware.StepUpMiddleware",
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
                "max_size": _POOL_MAX,
                "timeout": 10,
            },
        },
    }
}
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
}

CELERY_TASK_IGNORE_RESULT = True  # state is in our rows; a result backend would store return values
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"

# --- sign-in -----------------------------------------------------------------------------------
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

# --- sessions and transport --------------------------------------------------------------------
_HTTPS = SITE_URL.startswith("https:")
LANGUAGE_COOKIE_NAME = "daiko_language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = _HTTPS
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

_ISSUERS = (OIDC_ISSUER, *(one.issuer for one in OIDC_FURTHER))
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        # Signing out ends at the identity provider; browsers hold redirects of a form to this too.
        "form-action": [SELF, *(_origin(one) for one in _ISSUERS)],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["portal.api.authentication.SignedInSession"],
    "DEFAULT_PERMISSION_CLASSES": ["core.api.DenyAll"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "portal.api.errors.handle",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Daiko",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "portal.api.openapi.complete",
    ],
}

# --- language and time -------------------------------------------------------------------------
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "portal.formats"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- static files ------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = Path(_STATIC_ROOT)
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
    "root": {"handlers": ["stderr"], "level": _LOG_LEVEL},
    "loggers": {
        # Both print request lines with query strings, which may hold codes and states.
        "django.server": {"level": "ERROR"},
        "mozilla_django_oidc": {"level": "ERROR"},
        # Says with each client where it found credentials and endpoints.
        "botocore": {"level": "WARNING"},
    },
}
