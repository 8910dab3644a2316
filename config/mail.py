"""The mail server as EMAIL_URL names it."""

from __future__ import annotations

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

_TO_FILES = "django.core.mail.backends.filebased.EmailBackend"
_BY_SMTP = "django.core.mail.backends.smtp.EmailBackend"


def mail_from_env(env: environ.Env) -> dict[str, Any]:
    """Return Django's settings for sending mail. Raises: ImproperlyConfigured where filemail:// names no folder."""
    found: dict[str, Any] = env.email_url("EMAIL_URL", default="consolemail://")
    if found["EMAIL_BACKEND"] == _BY_SMTP:
        found["EMAIL_BACKEND"] = "shop.smtp.EmailBackend"
    if found["EMAIL_BACKEND"] == _TO_FILES:
        # The library takes the path's first slash for its own, and so a folder below wherever the process was started.
        path = found["EMAIL_FILE_PATH"].lstrip("/")
        if not path:
            raise ImproperlyConfigured(
                "EMAIL_URL=filemail:// names no folder: write filemail:///var/mail, three slashes"
            )
        found["EMAIL_FILE_PATH"] = f"/{path}"
    return found
