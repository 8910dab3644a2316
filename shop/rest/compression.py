"""Answers that are the same for all callers, compressed with gzip for those who take it (RFC 9110, section 12.5.3)."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers
from django.utils.decorators import decorator_from_middleware

_GZIP = re.compile(r"(?:^|,)\s*(?:x-)?gzip\s*(?:;\s*q=([\d.]+)\s*)?(?=,|$)")


class Compression(GZipMiddleware):
    """Django's, which reads `gzip;q=0` as a yes, and has only a compressed answer say that it depends on the header."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> Any:
        """Compress the answer for who takes it; whatever is answered, a 304 too, varies with Accept-Encoding."""
        patch_vary_headers(response, ("Accept-Encoding",))
        if not takes_gzip(request.headers.get("Accept-Encoding", "")):
            return response
        return super().process_response(request, response)


def takes_gzip(header: str) -> bool:
    """Return whether an Accept-Encoding names gzip, with a weight that is more than nothing."""
    weights = [found.group(1) for found in _GZIP.finditer(header)]
    return any(weight is None or weight.strip("0.") for weight in weights)


compressed = decorator_from_middleware(Compression)
