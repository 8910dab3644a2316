"""The test suite: nothing runs automatically; a test drains, sweeps and wakes what it wants to see.

No limit in time is reached because a machine is slow or stands still for seconds; a test of a limit sets it.
"""

from config.databases import databases_from_env
from local.settings import *

PATIENT = {
    "DATABASE_CONNECT_TIMEOUT_SECONDS": "30",
    "DATABASE_TCP_USER_TIMEOUT_SECONDS": "60",
    "DATABASE_STATEMENT_TIMEOUT_SECONDS": "90",
    "DATABASE_LOCK_TIMEOUT_SECONDS": "60",
    "DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS": "120",
    "DATABASE_POOL_WAIT_SECONDS": "30",
}
DATABASES = databases_from_env(PATIENT | dict(env.ENVIRON), otherwise=EMBEDDED_URL)
STRIPE_TIMEOUT_SECONDS = env.float("STRIPE_TIMEOUT_SECONDS", 30.0)
SAGA_LEASE_SECONDS = env.float("SAGA_LEASE_SECONDS", 120.0)
# A third of it is what a batch waits for a lock.
BREAKER_TIMEOUT_SECONDS = env.float("BREAKER_TIMEOUT_SECONDS", 45.0)

SECRET_KEY = "test-only-not-a-secret-" + "x" * 40
ALLOWED_HOSTS = ["*"]
EVENTS_WAKE_IN_PROCESS = False
COALESCE = env.bool("COALESCE", False)
EVENTS_TRANSPORT = "shop.events.transport.InlineTransport"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SHIPPING_CARRIER = "sandbox"
SANDBOX_CARRIER_TRANSIT_SECONDS = 0.0
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# A test that is about a limit of the callers sets it.
REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] = {"customer": None, "anonymous": None, "guests": None, "lookups": None}
MAX_OPEN_ORDERS_PER_CUSTOMER = env.int("MAX_OPEN_ORDERS_PER_CUSTOMER", 10_000)
MAX_HELD_UNPAID_PIECES = env.int("MAX_HELD_UNPAID_PIECES", 1_000_000)
MAX_UNPAID_ORDER_EMAILS = env.int("MAX_UNPAID_ORDER_EMAILS", 1_000_000)
MAX_ORDERS_AT_WORK = env.int("MAX_ORDERS_AT_WORK", 10_000)
# No statement more because a test runs for long; each test begins with what empty tables say (tests/conftest.py).
PRICING_RULES_SECONDS = env.float("PRICING_RULES_SECONDS", 3600.0)
TAX_SERVICE_TIMEOUT_SECONDS = 30.0
SHIPPING_RATE_SERVICE_TIMEOUT_SECONDS = 30.0
LOG_LEVEL = env.str("LOG_LEVEL", "WARNING")
WHITENOISE_AUTOREFRESH = True
