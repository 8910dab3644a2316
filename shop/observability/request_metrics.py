"""The counters of django-prometheus for a request, in both chains of middleware: no label is taken from what a stranger made up.

For a program's request they are looked up once, not each time; the names are those of a page.
"""

from __future__ import annotations

from functools import lru_cache
from time import perf_counter
from typing import Any

from django.http import HttpRequest, HttpResponse
from django_prometheus import middleware

_library: Any = middleware  # it has no types
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH"})
# Of views, methods, statuses and charsets together there are fewer; what more there were would be looked up again.
REMEMBERED = 1000


class PageMetricsMiddleware(_library.PrometheusAfterMiddleware):  # type: ignore[misc]
    """django-prometheus's, whose histogram of latencies would have the method as it was sent for a label."""

    def label_metric(self, metric: Any, request: HttpRequest, response: Any = None, **labels: str) -> Any:
        """Return the metric with these labels."""
        if "method" in labels:
            labels["method"] = method_label(request.method)
        return metric.labels(**labels) if labels else metric


class RequestMetrics:
    """Count requests of the short chain: `begin`, then `end`, and `raised` in between where a view raises."""

    def __init__(self) -> None:
        self._metrics = _library.Metrics.get_instance()
        self._library = PageMetricsMiddleware(lambda _request: HttpResponse())
        self._arriving = lru_cache(maxsize=REMEMBERED)(self._look_up_arriving)
        self._leaving = lru_cache(maxsize=REMEMBERED)(self._look_up_leaving)

    def begin(self, request: HttpRequest) -> None:
        """Count a request that has come."""
        self._metrics.requests_total.inc()
        for counter in self._arriving(method_label(request.method), request.is_secure()):
            counter.inc()
        if request.META.get("HTTP_X_REQUESTED_WITH") == "XMLHttpRequest":
            self._metrics.requests_ajax.inc()
        length = request.META.get("CONTENT_LENGTH") or "0"
        self._metrics.requests_body_bytes.observe(int(length) if length.isdecimal() else 0)
        # By this name, since `raised` is the library's own. Its clock, too.
        request.prometheus_after_middleware_event = perf_counter()  # type: ignore[attr-defined]

    def raised(self, request: HttpRequest, error: Exception) -> None:
        """Count what a view raised."""
        self._library.process_exception(request, error)

    def end(self, request: HttpRequest, response: HttpResponse) -> None:
        """Count an answer that leaves."""
        match = request.resolver_match
        view = "<unnamed view>" if match is None else match.view_name or "<unnamed view>"
        secure = None if match is None else request.is_secure()
        seconds = perf_counter() - request.prometheus_after_middleware_event  # type: ignore[attr-defined]
        counters, latency = self._leaving(
            view, method_label(request.method), secure, response.status_code, str(response.charset)
        )
        for counter in counters:
            counter.inc()
        latency.observe(seconds)
        self._metrics.requests_latency_before.observe(seconds)
        if hasattr(response, "template_name"):
            self._metrics.responses_by_templatename.labels(templatename=str(response.template_name)).inc()
        if response.streaming:
            self._metrics.responses_streaming.inc()
        else:
            self._metrics.responses_body_bytes.observe(len(response.content))

    def _look_up_arriving(self, method: str, secure: bool) -> tuple[Any, ...]:
        return (
            self._metrics.requests_by_method.labels(method=method),
            self._metrics.requests_by_transport.labels(transport=_transport(secure)),
        )

    def _look_up_leaving(
        self, view: str, method: str, secure: bool | None, status: int, charset: str
    ) -> tuple[tuple[Any, ...], Any]:
        """Return the counters of an answer and its histogram; `secure` is None where no view was found."""
        metrics = self._metrics
        counters = [
            metrics.responses_total,
            metrics.responses_by_status.labels(status=str(status)),
            metrics.responses_by_status_view_method.labels(status=str(status), view=view, method=method),
            metrics.responses_by_charset.labels(charset=charset),
        ]
        if secure is not None:
            labels = {"view": view, "transport": _transport(secure), "method": method}
            counters.append(metrics.requests_by_view_transport_method.labels(**labels))
        return tuple(counters), metrics.requests_latency_by_view_method.labels(view=view, method=method)


def method_label(method: str | None) -> str:
    """Return the method for a label: one of HTTP's, or that it is none of them."""
    return method if method in METHODS else "<invalid method>"


def _transport(secure: bool) -> str:
    return "https" if secure else "http"
