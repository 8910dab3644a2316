"""HTTP on connections that are kept alive, by http.client: for calls at a known few servers, of which each counts.

A call costs a quarter of the CPU that it costs over `requests`. Nothing is ever sent twice: what goes wrong once a
request has begun rises, and whoever called asks what became of it.
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

from shop import deadlines
from shop.http_answers import Answer

# Shorter than any load balancer on the way keeps a silent connection, so that a request rarely meets its end.
IDLE_SECONDS = 30.0
MOST_IDLE = 64

Kept = deque[tuple[float, http.client.HTTPConnection]]


class _InOnePiece(http.client.HTTPConnection):
    """Sends a request's head and body at once: one system call and one packet, where http.client makes two."""

    response_class = Answer
    _pieces: list[Any] | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Prepare a connection that keeps the deadlines of whoever uses it."""
        super().__init__(*arguments, **named)
        self._create_connection = deadlines.connect

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


class KeptAlive:
    """One pool of idle connections per process, shared by its threads; a request has its connection to itself.

    `timeout_seconds` holds for a request and its whole answer, connecting included, however slowly a server sends it.
    Certificates are verified against the bundle in `cafile`.
    HTTPS_PROXY and NO_PROXY are followed; plain HTTP, which only stand-ins speak, goes straight there.
    """

    def __init__(self, *, timeout_seconds: float, cafile: str) -> None:
        self._timeout_seconds, self._cafile = timeout_seconds, cafile
        # By process: a forked child must not speak on its parent's connections.
        self._kept: dict[tuple[int, str, str], Kept] = {}

    def exchange(
        self, method: str, address: SplitResult, *, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[bytes, int, Any]:
        """Send one request once and return the answer's body, status and headers. Raises: OSError, HTTPException."""
        with deadlines.within(self._timeout_seconds):
            return self._exchange(method, address, headers, body)

    def _exchange(
        self, method: str, address: SplitResult, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[bytes, int, Any]:
        kept = self._kept.setdefault((os.getpid(), address.scheme, address.netloc), deque())
        connection = _take(kept) or self._connect(address)
        whole = False
        try:
            target = f"{address.path}?{address.query}" if address.query else address.path
            connection.request(method.upper(), target, body=body, headers=dict(headers))
            answer = connection.getresponse()
            content = answer.read()
            whole = True
        finally:
            # Whatever broke in, be it a worker's time limit: half an answer must not become the next one's.
            if whole and connection.sock is not None:
                _keep(kept, connection)
            else:
                connection.close()
        return content, answer.status, answer.headers

    def close(self) -> None:
        """Close the idle connections."""
        for (pid, _scheme, _netloc), kept in list(self._kept.items()):
            while pid == os.getpid() and (connection := _pop(kept)) is not None:
                connection[1].close()

    def _connect(self, address: SplitResult) -> http.client.HTTPConnection:
        """Prepare a connection; it is opened by the first request on it."""
        host = address.hostname or ""
        if address.scheme != "https":
            return _InOnePiece(host, address.port)
        if (proxy := _proxy_to(host)) is None:
            return _InOnePieceEncrypted(host, address.port, context=self._certificates)
        connection = _InOnePieceEncrypted(proxy.hostname or "", proxy.port, context=self._certificates)
        connection.set_tunnel(host, address.port, headers=_proxy_credentials(proxy))
        return connection

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        return deadlines.encrypted(ssl.create_default_context(cafile=self._cafile))


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
