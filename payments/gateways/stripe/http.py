"""How the SDK's requests travel: http.client on connections that are kept alive, by the SDK's own interface for that.

A call costs a quarter of the CPU that it costs over `requests`. Nothing is ever sent twice: what goes wrong once a
request has begun is an APIConnectionError, so "unknown", and is asked about. See ADR 0021.
"""

from __future__ import annotations

import http.client
import os
import select
import ssl
import time
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import stripe
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from payments.gateways.stripe.answers import Answer
from shop.observability import tracing

# Shorter than any load balancer on the way keeps a silent connection, so that a request rarely meets its end.
IDLE_SECONDS = 30.0
MOST_IDLE = 64

Kept = deque[tuple[float, http.client.HTTPConnection]]


class _InOnePiece(http.client.HTTPConnection):
    """Sends a request's head and body at once: one system call and one packet, where http.client makes two."""

    response_class = Answer
    _pieces: list[Any] | None = None

    def request(self, *arguments: Any, **named: Any) -> None:
        """Build the request, then send it."""
        pieces = self._pieces = []
        try:
            super().request(*arguments, **named)
        finally:
            self._pieces = None
        self.send(b"".join(pieces))

    def send(self, data: Any) -> None:
        """Send, or put by what belongs to a request that is being built."""
        if self._pieces is None:
            super().send(data)
        else:
            self._pieces.append(data)


class _InOnePieceEncrypted(_InOnePiece, http.client.HTTPSConnection):
    """The same over TLS."""


class KeptAliveClient(stripe.HTTPClient):
    """One pool of idle connections per process, shared by its threads; a request has its connection to itself.

    `timeout_seconds` holds for connecting and for each read. Certificates are verified against the SDK's own bundle.
    HTTPS_PROXY and NO_PROXY are followed; plain HTTP, which only the sandbox speaks, goes straight there.
    """

    name = "http.client"

    def __init__(self, *, timeout_seconds: float) -> None:
        super().__init__(verify_ssl_certs=True)
        self._timeout_seconds = timeout_seconds
        # By process: a forked child must not speak on its parent's connections.
        self._kept: dict[tuple[int, str, str], Kept] = {}

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, *, _usage: Any = None
    ) -> tuple[Any, int, Any]:
        """Send one request once and return the answer's body, status and headers. Raises: APIConnectionError."""
        parts = urlsplit(url)
        if not trace.get_current_span().is_recording():
            return self._exchange(method, parts, headers or {}, post_data)
        told = {"http.request.method": method.upper(), "url.full": url, "server.address": parts.hostname or ""}
        with tracing.tracer.start_as_current_span(method.upper(), kind=SpanKind.CLIENT, attributes=told) as span:
            answer = self._exchange(method, parts, headers or {}, post_data)
            span.set_attribute("http.response.status_code", answer[1])
            return answer

    def close(self) -> None:
        """Close the idle connections."""
        for (pid, _scheme, _netloc), kept in list(self._kept.items()):
            while pid == os.getpid() and (connection := _pop(kept)) is not None:
                connection[1].close()

    def _exchange(
        self, method: str, parts: SplitResult, headers: Mapping[str, str], post_data: Any
    ) -> tuple[bytes, int, Any]:
        kept = self._kept.setdefault((os.getpid(), parts.scheme, parts.netloc), deque())
        connection = _take(kept) or self._connect(parts)
        body = post_data.encode() if isinstance(post_data, str) else post_data
        whole = False
        try:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request(method.upper(), target, body=body, headers=dict(headers))
            answer = connection.getresponse()
            content = answer.read()
            whole = True
        except (OSError, http.client.HTTPException) as error:
            raise _unanswered(error) from error
        finally:
            # Whatever broke in, be it a worker's time limit: half an answer must not become the next one's.
            if whole and connection.sock is not None:
                _keep(kept, connection)
            else:
                connection.close()
        return content, answer.status, answer.headers

    def _connect(self, parts: SplitResult) -> http.client.HTTPConnection:
        """Prepare a connection; it is opened by the first request on it."""
        host = parts.hostname or ""
        if parts.scheme != "https":
            return _InOnePiece(host, parts.port, timeout=self._timeout_seconds)
        if (proxy := _proxy_to(host)) is None:
            return _InOnePieceEncrypted(host, parts.port, timeout=self._timeout_seconds, context=self._certificates)
        connection = _InOnePieceEncrypted(
            proxy.hostname or "", proxy.port, timeout=self._timeout_seconds, context=self._certificates
        )
        connection.set_tunnel(host, parts.port, headers=_proxy_credentials(proxy))
        return connection

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=stripe.ca_bundle_path)


def _unanswered(error: Exception) -> stripe.APIConnectionError:
    made: Any = stripe.APIConnectionError  # the SDK does not annotate it
    return made(f"no answer: {error!r}", should_retry=False)  # type: ignore[no-any-return]


def _take(kept: Kept) -> http.client.HTTPConnection | None:
    """Return the connection that was used last, unless its other end has closed it or may have."""
    while (idle := _pop(kept)) is not None:
        since, connection = idle
        if time.monotonic() - since < IDLE_SECONDS and not _readable(connection):
            return connection
        connection.close()
    return None


def _keep(kept: Kept, connection: http.client.HTTPConnection) -> None:
    """Put a connection back; close the one that has been idle for longest where it is too old or one too many."""
    moment = time.monotonic()
    kept.append((moment, connection))
    if len(kept) > MOST_IDLE or kept[0][0] < moment - IDLE_SECONDS:
        try:
            kept.popleft()[1].close()
        except IndexError:
            return  # other threads have taken them all


def _pop(kept: Kept) -> tuple[float, http.client.HTTPConnection] | None:
    try:
        return kept.pop()
    except IndexError:
        return None


def _readable(connection: http.client.HTTPConnection) -> bool:
    """Return whether there is something to read where nothing was asked: its end, as a rule."""
    if connection.sock is None:
        return True
    waiting = select.poll()
    waiting.register(connection.sock, select.POLLIN)
    return bool(waiting.poll(0))


def _proxy_to(host: str) -> SplitResult | None:
    """Return the proxy that the environment names for HTTPS to this host. Raises: ValueError for one of another kind."""
    proxies = getproxies()
    named = proxies.get("https") or proxies.get("all")
    if not named or proxy_bypass(host):
        return None
    proxy = urlsplit(named if "://" in named else f"http://{named}")
    if proxy.scheme != "http":
        raise ValueError(f"HTTPS_PROXY must be an http:// address, not {proxy.scheme}://")
    return proxy


def _proxy_credentials(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    told = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {b64encode(told).decode()}"}
