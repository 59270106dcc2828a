"""Django settings. Everything that differs between places comes from the environment; see .env.example."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from dotenv import load_dotenv

from apcweb import env
from apcweb.places import embedded_database_url, embedded_redis_url, make_var, places

BASE_DIR = Path(__file__).resolve().parent.parent
load_dotenv(BASE_DIR / ".env")  # the environment itself goes first

# --- which installation this is ---------------------------------------------------------------------------------------
APC_DEMO = env.boolean("APC_DEMO", False)
DEBUG = env.boolean("APC_DEBUG", False)
APC_HTTPS = env.boolean("APC_HTTPS", not (APC_DEMO or DEBUG))
APC_BIND = env.text("APC_BIND", "127.0.0.1")
APC_PORT = env.integer("APC_PORT", 8000, least=1, most=65535)
APC_ROLE = env.choice("APC_ROLE", "command", env.ROLES)
APC_VAR_DIR = Path(env.text("APC_VAR", str(BASE_DIR / "var"))).absolute()
APC_RUN_DIR = places(APC_VAR_DIR).run

try:
    _loopback = ip_address(APC_BIND).is_loopback
except ValueError:
    raise ImproperlyConfigured(f"APC_BIND must be an IP address, not {APC_BIND!r}.") from None
if DEBUG and not _loopback:
    raise ImproperlyConfigured("APC_DEBUG shows secrets to every visitor and is refused unless APC_BIND is loopback.")

SECRET_KEY = env.secret("APC_SECRET_KEY", APC_VAR_DIR / "secret_key" if APC_DEMO else None, make_var)
APC_AUDIT_DIR = Path(env.text("APC_AUDIT_DIR", str(APC_VAR_DIR / "audit"))).absolute()
APC_AUDIT_KEY = env.secret("APC_AUDIT_KEY", APC_VAR_DIR / "audit_key" if APC_DEMO else None, make_var)
APC_DEMO_PASSWORD = env.text("APC_DEMO_PASSWORD")
if APC_DEMO and not APC_DEMO_PASSWORD:
    APC_DEMO_PASSWORD = env.kept_secret(APC_VAR_DIR / "demo_password", 12, make_var)
APC_DEMO_HOURS = env.number("APC_DEMO_HOURS", 8.0, least=0.25, most=24.0)  # of past shift that seed_demo makes
APC_WEBHOOK_HOSTS = env.listing("APC_WEBHOOK_HOSTS")  # the only hosts outside that are told anything
ALLOWED_HOSTS = env.listing("APC_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
if "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("APC_ALLOWED_HOSTS must name the hosts; * would answer for any.")
CSRF_TRUSTED_ORIGINS = env.origins("APC_TRUSTED_ORIGINS")
APC_SOCKET_ORIGINS = CSRF_TRUSTED_ORIGINS or [f"http://{host}:{APC_PORT}" for host in ALLOWED_HOSTS]

# --- applications -----------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.admin.apps.SimpleAdminConfig",  # its pages are found with the addresses: only the web needs them
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "control",
    "dashboards",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "dashboards.refused.RefusedRequests",
    "django.contrib.messages.middleware.MessageMiddleware",
    "dashboards.zeros.NoZeros",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "apcweb.urls"
ASGI_APPLICATION = "apcweb.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
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

# --- PostgreSQL: every fact -------------------------------------------------------------------------------------------
_database = env.database("DATABASE_URL", env.text("DATABASE_URL") or embedded_database_url(APC_VAR_DIR))
_options = {
    **_database.pop("OPTIONS"),  # type: ignore[dict-item]
    "options": env.timeouts(env.ROLES[APC_ROLE]),
    "application_name": f"apc {APC_ROLE}",
    "connect_timeout": 5,
}
if env.boolean("APC_POOL", False):  # the web process alone: a pool does not survive a fork
    _options["pool"] = {"min_size": 2, "max_size": 8, "timeout": 5}
DATABASES = {"default": {**_database, "OPTIONS": _options, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: a doorbell between processes, and Celery's queue ----------------------------------------------------------
REDIS_URL = env.redis_url("REDIS_URL", env.text("REDIS_URL") or embedded_redis_url(APC_VAR_DIR))
_keepalive = {} if REDIS_URL.startswith("unix:") else {"socket_keepalive": True}
_redis_manners = {"socket_connect_timeout": 3, "health_check_interval": 15, **_keepalive}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 30, **_redis_manners}], "prefix": "apc"},
    },
}

_VISIBILITY_S = 300  # longer than the hard time limit, or a running task would be handed out again
CELERY_BROKER_URL = env.broker_url(REDIS_URL)
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": _VISIBILITY_S,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_timeout": 10,
    **_redis_manners,
}
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"visibility_timeout": _VISIBILITY_S}
CELERY_VISIBILITY_TIMEOUT = _VISIBILITY_S
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SOFT_TIME_LIMIT = 90
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_PUBLISH_RETRY = False  # the pulse rings again a second later
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {  # a slot that was missed is not made up for: the next one does the same work
    "tend_changes": {"task": "control.tend_changes", "schedule": 2.0, "options": {"expires": 2.0}},
    "carry_events": {"task": "control.carry_events", "schedule": 5.0, "options": {"expires": 5.0}},
    "hand_over": {"task": "control.hand_over", "schedule": 30.0, "options": {"expires": 30.0}},
    "send_webhooks": {"task": "control.send_webhooks", "schedule": 5.0, "options": {"expires": 5.0}},
    "tend_training": {"task": "control.tend_training", "schedule": 5.0, "options": {"expires": 5.0}},
    "watch_recipes": {"task": "control.watch_recipes", "schedule": 60.0, "options": {"expires": 60.0}},
    "value_rolls": {"task": "control.value_rolls", "schedule": 60.0, "options": {"expires": 60.0}},
    "value_loops": {"task": "control.value_loops", "schedule": 60.0, "options": {"expires": 60.0}},
    "checkpoint_audit": {"task": "control.checkpoint_audit", "schedule": 60.0, "options": {"expires": 60.0}},
    "make_days": {"task": "control.make_days", "schedule": 3600.0, "options": {"expires": 3600.0}},
}

# --- people -----------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["dashboards.signin.Guarded"]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = LOGIN_URL
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
SESSION_COOKIE_AGE = 12 * 3600  # a shift and its hand-over
SESSION_COOKIE_NAME = "apc_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "apc_csrf"
CSRF_COOKIE_SAMESITE = "Strict"

# --- what a browser may do --------------------------------------------------------------------------------------------
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = APC_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # asked by the machine itself, without a proxy
SECURE_HSTS_SECONDS = 365 * 86400 if APC_HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if APC_HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS for subdomains: the names below ours belong to the plant, not to us
    "security.W021",  # HSTS preload: an intranet name is not for the browsers' public list
]
_PLOTLY_STYLES = (  # the two style elements plotly.js makes: one empty, one fixed
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    "'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='",
)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'", *_PLOTLY_STYLES],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "manifest-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20  # forms and API decisions; ingest has its own door and its own limit
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
FILE_UPLOAD_HANDLERS = ["dashboards.uploads.Bounded"]

# --- words and time ---------------------------------------------------------------------------------------------------
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ko", "한국어")]
LOCALE_PATHS = [BASE_DIR / "dashboards" / "locale"]

# --- static files -----------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = APC_VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "apcweb.static.PlotlyFinder",
]
# `up` collects the files for the web process, compressed and named by content; elsewhere they are served as they lie,
# each looked for when it is asked: a list of all of them takes longer than a page
_collected = APC_ROLE == "web" and not DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if _collected
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not _collected
WHITENOISE_AUTOREFRESH = not _collected
WHITENOISE_ALLOW_ALL_ORIGINS = False

# --- what is said -----------------------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "line"}},
    "root": {"handlers": ["stdout"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "propagate": True, "level": "INFO"},
        "celery": {"level": "WARNING"},  # a line a task would be several a second
    },
}
