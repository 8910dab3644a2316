"""A real shop: every address and secret comes from the environment, and a missing one stops the start."""

from django.core.exceptions import ImproperlyConfigured

from config.settings.base import *

_required = ["SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "BROKER_URL", "INSTALLATION_NAME", "EMAIL_URL"]
if PAYMENT_PROVIDER == "payments.gateways.stripe.adapter.provider":
    _required += ["STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS"]
_missing = [name for name in _required if not env.str(name, "")]
if _missing:
    raise ImproperlyConfigured(f"set these environment variables, then start again: {', '.join(_missing)}")

DEBUG = False
SECRET_KEY = env.str("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", True)
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
# With less than mandatory, signing up tells who has an account already.
ACCOUNT_EMAIL_VERIFICATION = env.str("ACCOUNT_EMAIL_VERIFICATION", "mandatory")
LOG_FORMAT = env.str("LOG_FORMAT", "json")
