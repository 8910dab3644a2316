"""The one middleware before what programs call: the API and the provider's webhooks.

It does what the list of a page does, but for what only a page needs: no cookie session, CSRF token, message or file
concerns a program that brings a token or a signature. Host check, redirect to HTTPS and headers are Django's own
middleware, the line is django_structlog's, the counters are django-prometheus's, without the layers between them.
ADR 0023.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import structlog
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware
from django_structlog.app_settings import app_settings
from django_structlog.middlewares import RequestMiddleware

from shop import request_ids
from shop.observability import request_trace
from shop.observability.lines import RequestLineMiddleware, is_routine, says_nothing
from shop.observability.request_metrics import RequestMetrics
from shop.rest.arrival import read_whole, refuse_on_arrival, refuse_plain_http
from shop.rest.problem import database_problem
from shop.rest.throttling import put_edge_headers

GetResponse = Callable[[HttpRequest], HttpResponse]
_lines = logging.getLogger("django_structlog")


class ApiMiddleware:
    """Measures, traces, names, guards and marks each request of a program."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response
        self._metrics = RequestMetrics()
        named: Any = NamedRequests(self._guarded)
        self._told = RequestLineMiddleware(named)
        self._security: Any = SecurityMiddleware(get_response)
        self._common: Any = CommonMiddleware(get_response)
        self._frames: Any = XFrameOptionsMiddleware(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer."""
        self._metrics.begin(request)
        trace = request_trace.begin(request.META, request.method or "")
        request.trace = trace  # type: ignore[attr-defined]
        status = request_trace.SERVER_ERROR
        try:
            response = self._told(request)
            status = response.status_code
        finally:
            if trace is not None:
                match = request.resolver_match
                route = "" if match is None else match.route
                trace.end(method=request.method or "", route=route, path=request.path, status=status)
        self._metrics.end(request, response)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Note what a view raised, which Django then makes an answer of; 503 where the database was not available.

        Views of REST framework answer that themselves; those of webhooks and accounts do not.
        """
        self._metrics.raised(request, error)
        if request.trace is not None:  # type: ignore[attr-defined]
            request.trace.raised = error  # type: ignore[attr-defined]
        unavailable = database_problem(error)
        return unavailable.plain_response() if unavailable else None

    def _guarded(self, request: HttpRequest) -> HttpResponse:
        """Answer as Django's SecurityMiddleware, CommonMiddleware and XFrameOptionsMiddleware have it."""
        try:
            refusal = (
                refuse_plain_http(request)
                or self._security.process_request(request)
                or self._common.process_request(request)
                or refuse_on_arrival(request)
                or read_whole(request)
            )
        except Exception as error:  # noqa: BLE001  what Django itself does around each middleware
            refusal = response_for_exception(request, error)
        response: HttpResponse = refusal or self._get_response(request)
        response = self._frames.process_response(request, response)
        put_edge_headers(request, response)
        response = self._common.process_response(request, response)
        marked: HttpResponse = self._security.process_response(request, response)
        return marked


class NamedRequests(RequestMiddleware):
    """django_structlog's, without the lines that nobody wants: of a request's begin, and of what says nothing."""

    def prepare(self, request: HttpRequest) -> None:
        """Bind the request's id."""
        if _lines.isEnabledFor(app_settings.STATUS_START_LOG_LEVEL) and not is_routine(request):
            request.META["HTTP_X_REQUEST_ID"] = request_ids.id_of(request)
            super().prepare(request)
        else:
            structlog.contextvars.bind_contextvars(request_id=request_ids.id_of(request))

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        """Tell of the request. What its line costs is an eighth of a webhook that teaches nothing."""
        if says_nothing(request, response):
            structlog.contextvars.clear_contextvars()
        else:
            super().handle_response(request, response)
