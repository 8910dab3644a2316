"""The Idempotency-Key of a request, as its caller wrote it."""

from __future__ import annotations

import re

from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,200}")


def key_of(request: Request) -> str:
    """Return the key, "" where there is none; quotes around it (a structured-field string) are not part of it."""
    key = request.headers.get(HEADER, "").strip()
    return key[1:-1] if len(key) > 1 and key.startswith('"') and key.endswith('"') else key


def is_key(text: str) -> bool:
    """Return whether this can be a key: 1 to 200 visible ASCII characters and no comma."""
    return _KEY.fullmatch(text) is not None


def key_to_look_up(request: Request) -> str | None:
    """Return the key under which an answer to this request may be kept, None where there cannot be one."""
    key = "" if request.method in SAFE_METHODS else key_of(request)
    return key if is_key(key) else None
