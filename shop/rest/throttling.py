"""How often one caller may call; every answer says what is left (RateLimit fields, draft-ietf-httpapi-ratelimit)."""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Callable, Mapping
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
        """Count by network (network_of), hashed, as keys of a shared cache name nobody."""
        if request.user and request.user.is_authenticated:
            return None
        return f"throttle:anonymous:{hashlib.sha256(network_of(request).encode()).hexdigest()}"


class _AddressThrottle(_RateThrottle):
    """One rate per address, whoever is signed in."""

    def get_cache_key(self, request: Request, view: Any) -> str:
        """Count by network, as AnonymousThrottle does."""
        return f"throttle:{self.scope}:{hashlib.sha256(network_of(request).encode()).hexdigest()}"


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


class Tally(_RateThrottle):
    """Counts what somebody did and should not have: each thing by a name, so that a repetition counts once.

    What has no outcome yet is noted as open, and settled once that is known. Of two requests at once one may overwrite
    the other's note, as with every throttle here.
    """

    # Of open ones: those that come to nothing are forgotten with the rate's time. What counts is never forgotten for them.
    MOST = 200

    def __init__(self, scope: str, key: str, *, cache: str = "default") -> None:
        self.scope = scope
        self.cache = caches[cache]
        self._key = f"throttle:{scope}:{key}"
        super().__init__()

    def open_ones(self) -> dict[str, str]:
        """Return what has no outcome yet: by its name, what it is about."""
        return {name: about for name, (_at, about) in self._noted().items() if about}

    def note(self, name: str, *, open_about: str = "") -> None:
        """Note a thing under its name: as counting, or as open where it says what it is about."""
        noted = self._noted()
        at, about = noted.get(name, (self.timer(), open_about))
        self._keep(noted | {name: (at, open_about if about else "")})

    def settle(self, outcomes: Mapping[str, bool]) -> None:
        """Have open ones count, or forget them, by their names."""
        kept = {name: (at, "" if name in outcomes else about) for name, (at, about) in self._noted().items()}
        self._keep({name: noted for name, noted in kept.items() if outcomes.get(name, True)})

    def wait(self) -> float:
        """Return for how many seconds more the limit is reached; 0 while it is not."""
        counted = sorted((at for at, about in self._noted().values() if not about), reverse=True)
        if self.rate is None or len(counted) < self.num_requests:
            return 0.0
        if not self.num_requests:
            return float(self.duration)
        return max(0.0, counted[self.num_requests - 1] + self.duration - self.timer())

    def _noted(self) -> dict[str, tuple[float, str]]:
        if self.rate is None:
            return {}
        begin = self.timer() - self.duration
        try:
            noted: dict[str, tuple[float, str]] = self.cache.get(self._key, {})
        except Exception:
            # A cache that is away must not close the shop.
            log.exception("throttle.cache_unavailable")
            return {}
        return {name: (at, about) for name, (at, about) in noted.items() if at > begin}

    def _keep(self, noted: Mapping[str, tuple[float, str]]) -> None:
        if self.rate is None:
            return
        oldest_first = sorted(noted.items(), key=lambda each: each[1][0])
        counting = [each for each in oldest_first if not each[1][1]][-max(self.MOST, self.num_requests) :]
        open_ones = [each for each in oldest_first if each[1][1]][-self.MOST :]
        try:
            self.cache.set(self._key, dict(counting + open_ones), self.duration)
        except Exception:
            log.exception("throttle.cache_unavailable")


def network_of(request: Request) -> str:
    """Return where a request comes from, as a key: its IPv4 address, or its IPv6 network of /64, which one customer has."""
    sent_from = throttling.BaseThrottle().get_ident(request)
    try:
        address = ipaddress.ip_address(str(sent_from))
    except ValueError:
        return hashlib.sha256(str(sent_from).encode()).hexdigest()
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(getattr(address, "ipv4_mapped", None) or address)


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
