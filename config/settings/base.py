"""Everything the profiles share, read from the environment (docs/configuration.md lists every variable)."""

from __future__ import annotations

import logging
import re
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import quote

import environ
from django.core.exceptions import ImproperlyConfigured

from config.databases import asynchronous_commit_from_env, databases_from_env
from config.mail import mail_from_env
from config.origins import origins_from_env

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent.parent

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_prometheus",
    "django_structlog",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.headless",
    "shop",
    "shop.storefront",
    "inventory",
    "payments",
    "orders",
    "shipping",
    "notifications",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "shop.observability.lines.RequestLineMiddleware",
    "shop.rest.arrival.PlainHttpMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "shop.rest.policies.PoliciesMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "shop.rest.edge.NamedRequests",
    "shop.rest.throttling.EdgeHeadersMiddleware",
    "shop.rest.arrival.ArrivalMiddleware",
    "shop.rest.sign_in.SignInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "shop.observability.request_metrics.PageMetricsMiddleware",
]

# Of the addresses that programs call with a token or a signature (shop.rest.chains; docs/adr/0023-two-chains.md).
API_PATHS = ("/api/v1/", "/webhooks/")
API_MIDDLEWARE = ["shop.rest.edge.ApiMiddleware"]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
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

DATABASES = databases_from_env(env.ENVIRON)
# What a command says where its database is away.
DATABASE_ADVICE = (
    "Is DATABASE_URL right, and does the server take connections? See docs/runbooks/DatabaseUnreadable.md."
)
# A pooler in transaction mode gives each transaction another server connection, which does not know what was prepared.
DATABASE_PREPARED_STATEMENTS = env.bool(
    "DATABASE_PREPARED_STATEMENTS", env.str("DATABASE_SEARCH_PATH", "connection") != "role"
)
# Writes that a later commit of the same order makes durable do not wait for the disk (ADR 0027).
DATABASE_ASYNCHRONOUS_COMMIT = asynchronous_commit_from_env(env.ENVIRON, DATABASES)
DATABASE_ROUTERS = ["shop.database.router.ContextRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

# --- who is who -----------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "shop.User"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_ADAPTER = "shop.accounts.signup.AccountAdapter"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = env.str("ACCOUNT_EMAIL_VERIFICATION", "optional")
# An account has one address: a new one takes its place once it is confirmed (shop/accounts/addresses.py).
ACCOUNT_CHANGE_EMAIL = True
# Wrong passwords: by address and place (key), by place (ip), by address wherever they come from (shop/accounts/signup.py).
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/5m/key,50/d/key", "login_failed_anywhere": "1000/d/key"}
# Address, password and second factor are changed by who has just given the password; the account's address is told.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_EMAIL_NOTIFICATIONS = True
# How many proxies of our own stand in front: their X-Forwarded-For is believed, nobody else's.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0)
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
# How long a guest's token is good.
GUEST_TOKEN_DAYS = env.int("GUEST_TOKEN_DAYS", 7)
HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("app",)
STOREFRONT_URL = env.str("STOREFRONT_URL", "")
# The reference storefront at /; a shop with one of its own switches it off (shop/storefront/).
STOREFRONT = env.bool("STOREFRONT", True)
_LINKS = STOREFRONT_URL or "http://localhost:8000"
HEADLESS_FRONTEND_URLS = {
    "account_confirm_email": _LINKS + "/account/verify-email/{key}",
    "account_reset_password": _LINKS + "/account/password/reset",
    "account_reset_password_from_key": _LINKS + "/account/password/reset/key/{key}",
    "account_signup": _LINKS + "/account/signup",
}

# What a mail about an order leads to; `#access=...` follows in a guest's, which browsers send to no server.
ORDER_LINK = _LINKS + "/orders/{order_id}"

CSRF_FAILURE_VIEW = "shop.rest.problem.csrf_failure"
# Origins (scheme://host[:port]) of storefronts whose pages call the API and the sign-in from a browser.
CORS_ALLOWED_ORIGINS = origins_from_env(env.list("CORS_ALLOWED_ORIGINS", default=[]))

# --- the API ----------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["shop.rest.authentication.SessionTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["shop.rest.parsing.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "shop.rest.negotiation.ContentNegotiation",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "shop.rest.pagination.CursorPagination",
    "DEFAULT_SCHEMA_CLASS": "shop.rest.openapi.Schema",
    "DEFAULT_THROTTLE_CLASSES": ["shop.rest.throttling.CustomerThrottle", "shop.rest.throttling.AnonymousThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "customer": env.str("API_RATE_CUSTOMER", "600/min"),
        "anonymous": env.str("API_RATE_ANONYMOUS", "120/min"),
        "guests": env.str("API_RATE_GUESTS", "20/min"),
        "lookups": env.str("API_RATE_LOOKUPS", "10/min"),
        "wrong_codes": env.str("API_RATE_WRONG_CODES", "20/min"),
        "declined_cards": env.str("API_RATE_DECLINED_CARDS", "10/hour"),
        "declined_cards_of_many": env.str("API_RATE_DECLINED_CARDS_OF_MANY", "30/hour"),
    },
    "EXCEPTION_HANDLER": "shop.rest.problem.handle_exception",
    "NUM_PROXIES": TRUSTED_PROXIES,
    "PAGE_SIZE": 20,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Shop orders API",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    # A token that was given outlives the page; the operations are what one comes for, and the schemas stand at each.
    "SWAGGER_UI_SETTINGS": {
        "persistAuthorization": True,
        "displayOperationId": True,
        "displayRequestDuration": True,
        "defaultModelsExpandDepth": -1,
        "docExpansion": "list",
        "filter": True,
    },
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "PATH_CONVERTER_OVERRIDES": {"any_uuid": {"type": "string", "format": "uuid"}},
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "shop.rest.openapi.complete",
    ],
}
API_EXAMPLES = BASE_DIR / "config" / "api_examples.json"
IDEMPOTENCY_RETENTION_HOURS = env.int("IDEMPOTENCY_RETENTION_HOURS", 48)
# How long personal data is kept where nobody asks for its erasure (docs/personal-data.md); 0: without an end.
CONTACT_RETENTION_DAYS = env.int("CONTACT_RETENTION_DAYS", 3650)
DISCARDED_RETENTION_DAYS = env.int("DISCARDED_RETENTION_DAYS", 365)
STAFF_LOG_RETENTION_DAYS = env.int("STAFF_LOG_RETENTION_DAYS", 3650)
# Requests are counted in it (shop.rest.throttling). In memory, whoever has not called for longest is forgotten first, so
# each holds more callers than one process can serve within a rate's minute. Customers are counted apart: a flood of
# addresses cannot push them out.
CACHES = {
    name: {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": name,
        "OPTIONS": {"MAX_ENTRIES": 20_000, "CULL_FREQUENCY": 20},
    }
    for name in ("default", "customers")
}
if CACHE_URL := env.str("CACHE_URL", ""):
    CACHES = {name: env.cache_url_config(CACHE_URL) for name in CACHES}

# Names this installation in the metadata of what it makes at the provider, and to outsiders.
INSTALLATION_NAME = env.str("INSTALLATION_NAME", "shop")

# --- events and background work ---------------------------------------------------------------------------------------
BROKER_URL = env.str("BROKER_URL", "")
EVENTS_TRANSPORT = "shop.events.broker.CeleryTransport" if BROKER_URL else "shop.events.transport.InlineTransport"
EVENTS_NAMESPACE = env.str("EVENTS_NAMESPACE", "")
# What outsiders know this shop's events by (shop/events/cloudevents.py).
EVENTS_SOURCE = env.str("EVENTS_SOURCE", f"/{quote(INSTALLATION_NAME)}").rstrip("/")
EVENTS_TYPE_PREFIX = env.str("EVENTS_TYPE_PREFIX", "shop")
if not re.fullmatch(r"[\w.~:/@!$&'()*+,;=%-]+", EVENTS_SOURCE, re.ASCII):
    raise ImproperlyConfigured("EVENTS_SOURCE is a URI without query and fragment, such as https://shop.example.com")
if not re.fullmatch(r"[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*", EVENTS_TYPE_PREFIX):
    raise ImproperlyConfigured("EVENTS_TYPE_PREFIX is a name in lower case, such as com.example.shop")
EVENTS_MAX_ATTEMPTS = env.int("EVENTS_MAX_ATTEMPTS", 10)
EVENTS_RETENTION_DAYS = env.int("EVENTS_RETENTION_DAYS", 30)
# Of the facts that have left the outbox, and of the provider's notices: an order's story is as old as these.
HISTORY_RETENTION_DAYS = env.int("HISTORY_RETENTION_DAYS", 3650)
EVENTS_WAKE_IN_PROCESS = env.bool("EVENTS_WAKE_IN_PROCESS", True)
# 1 while workers run that do not know messages of many deliveries (docs/deployment.md).
EVENTS_DELIVERIES_PER_MESSAGE = env.int("EVENTS_DELIVERIES_PER_MESSAGE", 50)
EVENTS_NUDGE_GATHER_SECONDS = env.float("EVENTS_NUDGE_GATHER_SECONDS", 0.05)
EVENTS_SWEEP_WHERE_WOKEN = env.bool("EVENTS_SWEEP_WHERE_WOKEN", True)
EVENTS_GATHER_SECONDS = env.float("EVENTS_GATHER_SECONDS", 0.1)
EVENTS_GATHER_UNHEARD_SECONDS = env.float("EVENTS_GATHER_UNHEARD_SECONDS", 1.0)
EVENTS_UNHEARD_AFTER_MINUTES = env.float("EVENTS_UNHEARD_AFTER_MINUTES", 15.0)

CELERY_BROKER_URL = BROKER_URL or "memory://"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 60
CELERY_TASK_SOFT_TIME_LIMIT = 50
CELERY_TASK_ACKS_ON_FAILURE = False
CELERY_TASK_ACKS_ON_TIMEOUT = False
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONSUMER = "shop.events.worker:DeadLetteringConsumer"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_NATIVE_DELAYED_DELIVERY_QUEUE_TYPE = "quorum"
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# For wake-up messages only: losing one is harmless, so they do not wait for confirms or reconnects.
CELERY_BROKER_TRANSPORT_OPTIONS = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
CELERY_DB_REUSE_MAX = 1000
# Workers of two shops on one broker may have the same name.
CELERY_CONTROL_EXCHANGE = f"{EVENTS_NAMESPACE}celery"
CELERY_EVENT_EXCHANGE = f"{EVENTS_NAMESPACE}celeryev"

# --- orders ----
# Longer than one saga walk in which every provider call takes STRIPE_TIMEOUT_SECONDS; whoever loses it does no harm.
SAGA_LEASE_SECONDS = env.float("SAGA_LEASE_SECONDS", 10.0)
ORDER_MAX_LINES = env.int("ORDER_MAX_LINES", 100)
ORDER_MAX_QUANTITY = env.int("ORDER_MAX_QUANTITY", 1000)
# Two thirds of the threads wait for providers; the rest answers what costs little, and turns away quickly.
MAX_ORDERS_AT_WORK = env.int("MAX_ORDERS_AT_WORK", max(1, env.int("WEB_THREADS", 32) * 2 // 3))
MAX_OPEN_ORDERS_PER_CUSTOMER = env.int("MAX_OPEN_ORDERS_PER_CUSTOMER", 5)
# Of one product, held without a payment: so many pieces, or this share of what is free, whichever is more.
MAX_HELD_UNPAID_PIECES = env.int("MAX_HELD_UNPAID_PIECES", 10)
MAX_HELD_UNPAID_SHARE = env.float("MAX_HELD_UNPAID_SHARE", 0.2)
MAX_HELD_UNPAID_PLACE_FACTOR = env.int("MAX_HELD_UNPAID_PLACE_FACTOR", 2)
# Of a limited discount code, held without a payment by all orders together: this share of its uses left, and at least one.
MAX_HELD_UNPAID_CODE_SHARE = env.float("MAX_HELD_UNPAID_CODE_SHARE", 0.2)
LIMIT_HELD_UNPAID_BY_ADDRESS = env.bool("LIMIT_HELD_UNPAID_BY_ADDRESS", True)
# How long the link in a mail opens a guest's order.
ORDER_LINK_DAYS = env.int("ORDER_LINK_DAYS", 30)

# --- prices ---
# What staff change of taxes, fees and shipping rates is charged after so many seconds at the latest.
PRICING_RULES_SECONDS = env.float("PRICING_RULES_SECONDS", 5.0)
QUOTE_VALID_SECONDS = env.int("QUOTE_VALID_SECONDS", 15 * 60)
# What makes the adapter of a tax service or of one for shipping rates: docs/how-to/rates-and-taxes.md. Where it fails,
# "table" has the shop's own rates stand in, and "refuse" answers 503.
TAX_SERVICE = env.str("TAX_SERVICE", "")
TAX_SERVICE_FALLBACK = env.str("TAX_SERVICE_FALLBACK", "table")
TAX_SERVICE_TIMEOUT_SECONDS = env.float("TAX_SERVICE_TIMEOUT_SECONDS", 2.0)
SHIPPING_RATE_SERVICE = env.str("SHIPPING_RATE_SERVICE", "")
SHIPPING_RATE_SERVICE_FALLBACK = env.str("SHIPPING_RATE_SERVICE_FALLBACK", "table")
SHIPPING_RATE_SERVICE_TIMEOUT_SECONDS = env.float("SHIPPING_RATE_SERVICE_TIMEOUT_SECONDS", 2.0)

# --- notifications ----------------------------------------------------------------------------------------------------
# To one mailbox, whose owner may never have ordered anything. What is beyond is withheld, and staff see it.
MAX_UNPAID_ORDER_EMAILS = env.int("MAX_UNPAID_ORDER_EMAILS", 5)
UNPAID_ORDER_EMAILS_SECONDS = env.int("UNPAID_ORDER_EMAILS_SECONDS", 86_400)
# Of mails with the link of one order, which anybody may ask for who knows its number and address.
ORDER_LINK_MAIL_SECONDS = env.int("ORDER_LINK_MAIL_SECONDS", 600)

# --- inventory --------------------------------------------------------------------------------------------------------
# What many threads of a process ask for at the same time is written in one transaction.
COALESCE = env.bool("COALESCE", True)
RESERVATION_TTL_SECONDS = env.int("RESERVATION_TTL_SECONDS", 15 * 60)
# The audit names a hold of more than a day.
if not 1 <= RESERVATION_TTL_SECONDS <= 24 * 60 * 60:
    raise ImproperlyConfigured(
        f"RESERVATION_TTL_SECONDS must be from 1 to 86400 (a day), not {RESERVATION_TTL_SECONDS}."
    )
# How much longer an order may be paid if its customer asks, once; 0: not at all.
HOLD_EXTENSION_SECONDS = env.int("HOLD_EXTENSION_SECONDS", 15 * 60)
if not 0 <= HOLD_EXTENSION_SECONDS <= 24 * 60 * 60:
    raise ImproperlyConfigured(f"HOLD_EXTENSION_SECONDS must be from 0 to 86400 (a day), not {HOLD_EXTENSION_SECONDS}.")
STOCK_LOW_THRESHOLD = env.int("STOCK_LOW_THRESHOLD", 5)

# --- payments ---------------------------------------------------------------------------------------------------------
# So many payment methods may be tried for an order; with 1 the first decline ends it.
PAYMENT_ATTEMPTS = env.int("PAYMENT_ATTEMPTS", 5)
# What makes the adapter of the card provider: docs/how-to/payment-provider.md.
PAYMENT_PROVIDER = env.str("PAYMENT_PROVIDER", "payments.gateways.stripe.adapter.provider")
STRIPE_API_KEY = env.str("STRIPE_API_KEY", "")
STRIPE_API_BASE = env.str("STRIPE_API_BASE", "")
# For the pages of the storefront: cards become tokens in the browser.
STRIPE_PUBLISHABLE_KEY = env.str("STRIPE_PUBLISHABLE_KEY", "")
# Where a browser reaches the sandbox, which stands in for the customer's bank; local/ sets it.
STRIPE_TEST_BANK = ""
STRIPE_WEBHOOK_SECRETS = env.list("STRIPE_WEBHOOK_SECRETS", default=[])
STRIPE_TIMEOUT_SECONDS = env.float("STRIPE_TIMEOUT_SECONDS", 3.0)

# --- breakers (on Stripe and on inventory) ----------------------------------------------------------------------------
BREAKER_TIMEOUT_SECONDS = env.float("BREAKER_TIMEOUT_SECONDS", 3.0)
BREAKER_FAILURE_RATIO = env.float("BREAKER_FAILURE_RATIO", 0.5)
BREAKER_MINIMUM_CALLS = env.int("BREAKER_MINIMUM_CALLS", 10)
BREAKER_WINDOW_SECONDS = env.float("BREAKER_WINDOW_SECONDS", 60.0)
BREAKER_RESET_SECONDS = env.float("BREAKER_RESET_SECONDS", 30.0)

# --- shipping and mail ------------------------------------------------------------------------------------------------
# Where the adapter of each carrier is, by its name.
SHIPPING_CARRIERS = {"manual": "shipping.gateways.manual.ManualCarrier"}
SHIPPING_CARRIER = env.str("SHIPPING_CARRIER", "manual")
EMAIL_CONFIG = mail_from_env(env)
vars().update(EMAIL_CONFIG)
# In seconds, for each wait at the mail server, whoever sends; shop/smtp.py limits a whole sending.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "Shop <orders@shop.example>")

# --- who sells, on receipts -------------------------------------------------------------------------------------------
SELLER_NAME = env.str("SELLER_NAME", "") or parseaddr(DEFAULT_FROM_EMAIL)[0] or "The shop"
SELLER_ADDRESS = [line.strip() for line in env.str("SELLER_ADDRESS", "").split("|") if line.strip()]
SELLER_VAT_NUMBER = env.str("SELLER_VAT_NUMBER", "")

# --- seen from outside ------------------------------------------------------------------------------------------------
PROMETHEUS_EXPORT_MIGRATIONS = False
DJANGO_STRUCTLOG_CELERY_ENABLED = True
# What is believed of it is settled before (shop/request_ids.py).
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True
LOG_FORMAT = env.str("LOG_FORMAT", "console")
LOG_LEVEL = env.str("LOG_LEVEL", "INFO")
SHOP_ROLE = env.str("SHOP_ROLE", "shop")
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", "")
# The callable reads LOG_FORMAT and LOG_LEVEL; LOGGING only has to be there for Django to call it.
LOGGING_CONFIG = "shop.observability.logging.configure"
LOGGING = {"version": 1}
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO
# A 5xx that the shop answers is a 503 that says when to come again. What broke is an error of its own (request_failed,
# request.database_unavailable).
DJANGO_STRUCTLOG_STATUS_5XX_LOG_LEVEL = logging.WARNING
# The request's log line names the user if the request has looked it up; looking it up here would cost statements.
DJANGO_STRUCTLOG_USER_ID_FIELD = None
DJANGO_STRUCTLOG_CELERY_TASK_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_CELERY_TASK_SUCCESS_LOG_LEVEL = logging.DEBUG

# --- the admin --------------------------------------------------------------------------------------------------------
# The sidebar's sections in their order: app label -> icon (fonts.google.com/icons).
ADMIN_SECTIONS = {
    "orders": "shopping_cart",
    "inventory": "inventory_2",
    "payments": "credit_card",
    "shipping": "local_shipping",
    "notifications": "mail",
    "shop": "storefront",
}
UNFOLD = {
    "SITE_TITLE": "Shop operations",
    "SITE_HEADER": "Shop operations",
    "SITE_SYMBOL": "storefront",
    "SHOW_VIEW_ON_SITE": False,
    "SITE_URL": "shop.admin.storefront",
    "DASHBOARD_CALLBACK": "shop.admin.dashboard",
    "SIDEBAR": {"show_search": True, "show_all_applications": True, "navigation": "shop.admin.navigation"},
}
