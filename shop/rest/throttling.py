"""How often one caller may call; every answer says what is left (RateLimit fields, draft-ietf-httpapi-ratelimit)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any, cast

import structlog
from django.conf import settings
from django.core.cache import BaseCache, caches
from django.http import HttpRequest, HttpResponse
from django.utils.connection import ConnectionProxy
from rest_framework import exceptions, throttling
from rest_framework.request import Request

from shop import request_ids
from shop.rest.cors import put_cors_headers

log = structlog.get_logger(__name__)


class _RateThrottle(throttling.SimpleRateThrottle):
    """Counts in Django's cache: per process with the local one, for all processes with CACHE_URL."""

    num_requests: int
    duration: int

    def get_rate(self) -> str | None:
        """Read the rate of this scope from the settings; None disables."""
        rates = cast("dict[str, str | None]", settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"])
        return rates.get(str(self.scope))

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the request, and leave what is left of the rate for the answer's headers."""
        try:
            allowed = super().allow_request(request, view)
        except Exception:
            # A cache that is away must not close the shop.
            log.exception("throttle.cache_unavailable")
            return True
        if self.rate is not None and getattr(self, "key", None) is not None:
            oldest = self.history[-1] if self.history else self.now
            request._request.rate_limit = {  # type: ignore[attr-defined]  # noqa: SLF001  DRF names it no other way
                "RateLimit-Limit": str(self.num_requests),
                "RateLimit-Remaining": str(max(0, self.num_requests - len(self.history))),
                "RateLimit-Reset": str(max(0, math.ceil(oldest + self.duration - self.now))),
            }
        return bool(allowed)


class CustomerThrottle(_RateThrottle):
    """One rate per signed-in user."""

    scope = "customer"
    cache = cast("BaseCache", ConnectionProxy(caches, "customers"))

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        """Count by user id; leave the others to AnonymousThrottle."""
        return f"throttle:customer:{request.user.pk}" if request.user and request.user.is_authenticated else None


class AnonymousThrottle(_RateThrottle):
    """One rate per address; REST_FRAMEWORK["NUM_PROXIES"] says whose word on the address is taken."""

    scope = "anonymous"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        """Count by address, hashed, so that a forged header makes no odd cache key."""
        if request.user and request.user.is_authenticated:
            return None
        return f"throttle:anonymous:{hashlib.sha256(self.get_ident(request).encode()).hexdigest()}"


class _AddressThrottle(_RateThrottle):
    """One rate per address, whoever is signed in."""

    def get_cache_key(self, request: Request, view: Any) -> str:
        """Count by address, as AnonymousThrottle does."""
        return f"throttle:{self.scope}:{hashlib.sha256(self.get_ident(request).encode()).hexdigest()}"


class GuestThrottle(_AddressThrottle):
    """For making guests, each of which is a customer of its own."""

    scope = "guests"


class LookupThrottle(_AddressThrottle):
    """For asking for the links of orders."""

    scope = "lookups"


class WrongCodes(_AddressThrottle):
    """How many discount codes that do not exist one address may send: whoever guesses is stopped, whoever mistypes is not.

    By address, whoever is signed in: guests are made in no time.
    """

    scope = "wrong_codes"

    def refuse_too_many(self, request: Request) -> None:
        """Insist that the caller has not sent too many. Raises: Throttled, until the oldest of them is forgotten."""
        if self.rate is None:
            return
        sent = self._sent(request)
        if len(sent) >= self.num_requests:
            raise exceptions.Throttled(wait=sent[-1] + self.duration - self.timer())

    def count(self, request: Request, codes: int) -> None:
        """Count so many codes more."""
        if self.rate is None or not codes:
            return
        sent = [self.timer()] * codes + self._sent(request)
        try:
            self.cache.set(self.get_cache_key(request, None), sent[: self.num_requests], self.duration)
        except Exception:
            log.exception("throttle.cache_unavailable")

    def _sent(self, request: Request) -> list[float]:
        """Return when the caller sent each that still counts, the newest first."""
        begin = self.timer() - self.duration
        try:
            sent: list[float] = self.cache.get(self.get_cache_key(request, None), [])
        except Exception:
            # A cache that is away must not close the shop.
            log.exception("throttle.cache_unavailable")
            return []
        return [at for at in sent if at > begin]


class EdgeHeadersMiddleware:
    """Puts the request's id, what is left of its rate, and who may read it in a browser on every answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, with headers."""
        response = self._get_response(request)
        put_edge_headers(request, response)
        return response


def put_edge_headers(request: HttpRequest, response: HttpResponse) -> None:
    """Put the request's id, what is left of its rate, and who may read it in a browser on an answer."""
    put_cors_headers(request, response)
    for name, value in getattr(request, "rate_limit", {}).items():
        response[name] = value
    response["X-Request-ID"] = request_ids.id_of(request)
