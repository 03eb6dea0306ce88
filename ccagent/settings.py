"""Django's settings, grouped by concern; every value that may differ comes from ``ccagent.environment``."""

import hashlib
import secrets
from pathlib import Path
from socket import gethostname
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from django.templatetags.static import static

from ccagent.environment import connection_parameters, read_environment

# Lets the admin's classes be written with their model, ModelAdmin[Message], as the type checker wants them.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
ENV = read_environment(BASE_DIR / ".env")
DEV_MODE = ENV.dev_mode
CHAT_PAGE = DEV_MODE if ENV.chat_page is None else ENV.chat_page
STORAGE_DIR = (ENV.persistent_storage_dir or BASE_DIR / "var").absolute()

# --- Applications ---------------------------------------------------------------------------------------------------
SHOW_DOCUMENTATION = DEV_MODE if ENV.show_documentation is None else ENV.show_documentation
INSTALLED_APPS = [
    "ccagent",
    "chat",
    "chatpage",
    "context",
    # Before Unfold, and that before the admin: templates of the same name are taken from the first.
    "operators",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "channels",
    "corsheaders",
    "rest_framework",
    "servestatic",
    "operators.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    # The files of Swagger UI; what makes the document is imported when somebody asks for it.
    *(["drf_spectacular_sidecar"] if SHOW_DOCUMENTATION else []),
]
ROOT_URLCONF = "ccagent.urls"
ASGI_APPLICATION = "ccagent.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APP_NAME = ENV.app_name
MIDDLEWARE = [
    "corsheaders.middleware.CorsMiddleware",
    "ccagent.api.middleware.ApiMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
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
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Safety ---------------------------------------------------------------------------------------------------------
DEBUG = DEV_MODE
# Without a SECRET_KEY of the operator's, `serve` replaces this passing one by the one kept in the database.
SECRET_KEY = ENV.secret_key.get_secret_value() or secrets.token_urlsafe(64)
_APP = urlsplit(ENV.app_url)
LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = [*LOCAL_HOSTS, *([_APP.hostname] if _APP.hostname else [])]
CSRF_TRUSTED_ORIGINS = [
    *([ENV.app_url] if ENV.app_url else []),
    *(f"http://{host}:{ENV.port}" for host in LOCAL_HOSTS),
]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
BEHIND_HTTPS = not DEV_MODE and _APP.scheme != "http"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_HTTPS else 0
SILENCED_SYSTEM_CHECKS = [
    # The platform's proxy ends https in front of us, and its health checks and chat window call by plain http from
    # inside: a redirect of ours would break them.
    "security.W008",
    # Whether an operator's other host names keep to https is not for one agent to promise to browsers.
    "security.W005",
    "security.W021",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
BODY_LIMIT = 10 * 1024 * 1024
"""Largest request body in bytes, the same as the platform's templates; `ccagent.server` enforces it."""
DATA_UPLOAD_MAX_MEMORY_SIZE = BODY_LIMIT

# --- Database -------------------------------------------------------------------------------------------------------
EMBEDDED_POSTGRES_DIR = STORAGE_DIR / "postgres"
_POOL = {
    "min_size": 1,
    "max_size": ENV.database_pool_size,
    "timeout": 3,
    # Short, so that after an outage the next request connects anew instead of waiting for a long back-off to end.
    "reconnect_timeout": 2,
}


def _database() -> dict[str, Any]:
    common = {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}
    url = ENV.database_url.get_secret_value()
    if not url:
        return {"ENGINE": "ccagent.embedded_backend", "NAME": "ccagent", "OPTIONS": {"pool": _POOL}, **common}
    parameters = connection_parameters(url)
    named = {
        key.upper(): str(parameters.pop(name, ""))
        for key, name in (
            ("name", "dbname"),
            ("user", "user"),
            ("password", "password"),
            ("host", "host"),
            ("port", "port"),
        )
    }
    options = {"connect_timeout": "3", "tcp_user_timeout": "3000", **parameters, "pool": _POOL}
    return {"ENGINE": "django.db.backends.postgresql", **named, "OPTIONS": options, **common}


DATABASES = {"default": _database()}

# --- API ------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["ccagent.api.authentication.PlatformAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "ccagent.api.errors.handle",
    "UNAUTHENTICATED_USER": None,
    "NUM_PROXIES": 1,
}
INTERNAL_API_KEY = ENV.internal_api_key.get_secret_value()
ALLOW_ANONYMOUS = ENV.allow_anonymous
CHAT_RATE = ENV.chat_rate
CONTEXT_RATE = ENV.context_rate
CORS_URLS_REGEX = r"^/(api/|swagger\.json$)"
CORS_ALLOWED_ORIGINS = [origin.strip() for origin in ENV.cors_allowed_origins.split(",") if origin.strip()]
CORS_ALLOW_ALL_ORIGINS = not CORS_ALLOWED_ORIGINS
CORS_ALLOW_HEADERS = ["content-type", "authorization", "x-cc-api-key", "x-cc-email"]
CORS_EXPOSE_HEADERS = ["link", "retry-after", "x-request-id"]

# --- What processes share: who watches an answer, how often somebody called -------------------------------------------
_REDIS_URL = ENV.redis_url.get_secret_value()
_REDIS_TIMEOUTS = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}


def _redis_prefix() -> str:
    """The same for processes with the same database; other agents may use the same Redis."""
    database = DATABASES["default"]
    # Processes that share an embedded Postgres are on one machine.
    place = [database[key] for key in ("HOST", "PORT", "NAME")] if "HOST" in database else [gethostname(), STORAGE_DIR]
    return f"ccagent-{hashlib.sha256(repr(place).encode()).hexdigest()[:12]}"


CHANNEL_LAYERS: dict[str, Any]
CACHES: dict[str, Any]
if _REDIS_URL:
    # Of the two layers of channels_redis the one that leaves nothing in Redis for a process that died, and whose
    # listeners outlive a restart of Redis.
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [{"address": _REDIS_URL, **_REDIS_TIMEOUTS}], "prefix": _redis_prefix()},
        }
    }
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": [_REDIS_URL],
            "KEY_PREFIX": _redis_prefix(),
            "OPTIONS": _REDIS_TIMEOUTS,
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            # Django's 300 would forget the counts of the 151st person.
            "OPTIONS": {"MAX_ENTRIES": 20_000},
        }
    }

# --- Pages and files ------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "ccagent.formats"
TIME_ZONE = ENV.time_zone
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# Found in the packages themselves, so that no collectstatic is needed before a start.
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = False
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

# --- The admin's look -------------------------------------------------------------------------------------------------
UNFOLD = {
    # Functions, because Unfold would import a text with dots in it.
    "SITE_TITLE": lambda _request: APP_NAME,
    "SITE_HEADER": lambda _request: APP_NAME,
    "SITE_URL": None,
    "SITE_SYMBOL": "forum",
    "SHOW_BACK_BUTTON": True,
    "STYLES": [lambda _request: static("operators/admin.css")],
    "DASHBOARD_CALLBACK": "operators.numbers.page.overview",
    "SIDEBAR": {"show_search": True, "navigation": "operators.navigation.menu"},
    "COLORS": {
        # The chat page's green, which is the one of 600, lighter and darker.
        "primary": {
            "50": "oklch(97.5% .014 178)",
            "100": "oklch(94% .03 178)",
            "200": "oklch(88% .055 178)",
            "300": "oklch(80% .085 178)",
            "400": "oklch(70% .1 178)",
            "500": "oklch(58% .095 178)",
            "600": "oklch(47.5% .085 178)",
            "700": "oklch(41% .073 178)",
            "800": "oklch(35% .06 178)",
            "900": "oklch(30% .05 178)",
            "950": "oklch(21% .035 178)",
        },
    },
}

# --- Logging: never a message's text, never a key ---------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "json": {"()": "ccagent.observability.logs.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": ENV.log_format}},
    "root": {"handlers": ["console"], "level": ENV.log_level},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # The access log has a line for each answer already.
        "django.request": {"level": "ERROR"},
        # Scanners try host names all day long.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # It writes a trace every second while Redis is away; `ccagent.outage` says it in a line.
        "channels_redis": {"level": "CRITICAL"},
        "httpx2": {"level": "WARNING"},
        # It writes whole traces, with what a server sent, for errors that we are told of anyway.
        "mcp": {"level": "CRITICAL"},
        "client": {"level": "CRITICAL"},
        "openai": {"level": "WARNING"},
        "psycopg.pool": {"level": "ERROR"},
    },
}
