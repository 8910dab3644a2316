"""How the SDK's requests travel: on connections that are kept alive, by the SDK's own interface for that.

Nothing is ever sent twice: what goes wrong once a request has begun is an APIConnectionError, so "unknown", and is asked
about. See ADR 0021.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

import stripe
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from shop.kept_alive import KeptAlive
from shop.observability import tracing


class KeptAliveClient(stripe.HTTPClient):
    """The SDK's transport; certificates are verified against the SDK's own bundle."""

    name = "http.client"

    def __init__(self, *, timeout_seconds: float) -> None:
        super().__init__(verify_ssl_certs=True)
        self._connections = KeptAlive(timeout_seconds=timeout_seconds, cafile=stripe.ca_bundle_path)

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, *, _usage: Any = None
    ) -> tuple[Any, int, Any]:
        """Send one request once and return the answer's body, status and headers. Raises: APIConnectionError."""
        address = urlsplit(url)
        if not trace.get_current_span().is_recording():
            return self._exchange(method, address, headers or {}, post_data)
        told = {"http.request.method": method.upper(), "url.full": url, "server.address": address.hostname or ""}
        with tracing.tracer.start_as_current_span(method.upper(), kind=SpanKind.CLIENT, attributes=told) as span:
            answer = self._exchange(method, address, headers or {}, post_data)
            span.set_attribute("http.response.status_code", answer[1])
            return answer

    def close(self) -> None:
        """Close the idle connections."""
        self._connections.close()

    def _exchange(
        self, method: str, address: SplitResult, headers: Mapping[str, str], post_data: Any
    ) -> tuple[bytes, int, Any]:
        body = post_data.encode() if isinstance(post_data, str) else post_data
        try:
            return self._connections.exchange(method, address, headers=headers, body=body)
        except (OSError, http.client.HTTPException) as error:
            made: Any = stripe.APIConnectionError  # the SDK does not annotate it
            raise made(f"no answer: {error!r}", should_retry=False) from error
