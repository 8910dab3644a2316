"""Cross-origin calls: which storefronts in a browser may call the API and the sign-in (CORS_ALLOWED_ORIGINS).

No cookie decides anything on these addresses, so none is allowed across origins (no Access-Control-Allow-Credentials).
Both chains of middleware use this: a preflight is answered on arrival, before anything asks for a token.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

# What a browser calls: the API and the sign-in. Webhooks, probes and the admin are for nobody from elsewhere.
PATHS = ("/api/v1/", "/_allauth/")
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS = (
    "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, X-Session-Token, X-Order-Token, "
    "X-Email-Verification-Key, X-Password-Reset-Key, X-Request-ID, traceparent, tracestate"
)
RESPONSE_HEADERS = (
    "ETag, Idempotent-Replayed, Link, Location, Preference-Applied, RateLimit-Limit, RateLimit-Remaining, "
    "RateLimit-Reset, Retry-After, WWW-Authenticate, X-Request-ID"
)
# How long a browser may keep what a preflight said.
PREFLIGHT_SECONDS = 7200


def answer_preflight(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a browser's preflight from an allowed origin; None for any other request."""
    if request.method != "OPTIONS" or "HTTP_ACCESS_CONTROL_REQUEST_METHOD" not in request.META:
        return None
    if _allowed_origin(request) is None:
        return None
    return HttpResponse(
        status=204,
        headers={
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": REQUEST_HEADERS,
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        },
    )


def put_cors_headers(request: HttpRequest, response: HttpResponse) -> None:
    """Let an allowed origin read the answer. Every answer varies by origin, since caches keep those without one, too."""
    if not settings.CORS_ALLOWED_ORIGINS or not request.path_info.startswith(PATHS):
        return
    patch_vary_headers(response, ["Origin"])
    if (origin := _allowed_origin(request)) is not None:
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Expose-Headers"] = RESPONSE_HEADERS


def _allowed_origin(request: HttpRequest) -> str | None:
    origin = request.META.get("HTTP_ORIGIN")
    allowed = origin in settings.CORS_ALLOWED_ORIGINS and request.path_info.startswith(PATHS)
    return origin if allowed else None
