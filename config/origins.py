"""The origins that settings name."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured


def origins_from_env(named: list[str]) -> frozenset[str]:
    """Return the origins as browsers send them. Raises: ImproperlyConfigured for what is not an origin, `*` included."""
    for origin in named:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}":
            raise ImproperlyConfigured(
                f"CORS_ALLOWED_ORIGINS: {origin!r} is not an origin; write https://shop.example, without a path"
            )
    return frozenset(origin.lower() for origin in named)
