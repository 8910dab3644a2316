"""The test suite: nothing runs by itself; a test drains, sweeps and wakes what it wants to see."""

from config.settings.base import *

SECRET_KEY = "test-only-not-a-secret-" + "x" * 40
ALLOWED_HOSTS = ["*"]
EVENTS_WAKE_IN_PROCESS = False
COALESCE = env.bool("COALESCE", False)
EVENTS_TRANSPORT = "shop.events.bus.InlineTransport"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SHIPPING_CARRIER = "sandbox"
SANDBOX_CARRIER_TRANSIT_SECONDS = 0.0
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# A test that is about a limit of the callers sets it.
REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] = {"customer": None, "anonymous": None}
MAX_OPEN_ORDERS_PER_CUSTOMER = env.int("MAX_OPEN_ORDERS_PER_CUSTOMER", 10_000)
MAX_HELD_UNPAID_PIECES = env.int("MAX_HELD_UNPAID_PIECES", 1_000_000)
MAX_UNPAID_ORDER_EMAILS = env.int("MAX_UNPAID_ORDER_EMAILS", 1_000_000)
MAX_ORDERS_AT_WORK = env.int("MAX_ORDERS_AT_WORK", 10_000)
LOG_LEVEL = env.str("LOG_LEVEL", "WARNING")
DEMO_DATA_ALLOWED = True
WHITENOISE_AUTOREFRESH = True
