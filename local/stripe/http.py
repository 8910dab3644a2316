"""The wire: HTTP/1.1 with keep-alive, one thread for each connection, and what faults do to a connection."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import unquote

from local.stripe import errors
from local.stripe.calls import Api, Call, Request, Response, new_request_id, refused
from local.stripe.control import Control
from local.stripe.faults import Fault, Faults
from local.stripe.store import API_VERSION, dump

log = logging.getLogger(__name__)

LONGEST_LINE = 16 * 1024
MOST_HEADERS = 100
LARGEST_BODY = 1024 * 1024
IDLE_SECONDS = 120.0
POLL_SECONDS = 0.05
REASONS = {status.value: status.phrase for status in HTTPStatus}
CORS = (
    "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: GET, POST, OPTIONS\r\n"
    "Access-Control-Allow-Headers: authorization, content-type, idempotency-key, stripe-version\r\n"
    "Access-Control-Expose-Headers: Request-Id, Stripe-Should-Retry\r\n"
)


class BadRequest(Exception):
    """Bytes that are not a request this server takes."""


class Hangup(Exception):
    """The connection is to be closed without a (further) answer."""


class Server(socketserver.ThreadingTCPServer):
    """Listens, and knows its open connections so that it can end them."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self, *, address: tuple[str, int], api: Api, control: Control, faults: Faults) -> None:
        self.api = api
        self.control = control
        self.faults = faults
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, Handler)

    def opened(self, *, connection: socket.socket) -> None:
        """Remember a connection."""
        with self._lock:
            self._open.add(connection)

    def closed(self, *, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._open.discard(connection)

    def hang_up(self) -> None:
        """End every open connection."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Report what a connection's thread could not handle."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            log.error("sandbox.connection_failed", exc_info=error)


class Handler(socketserver.StreamRequestHandler):
    """Serves one connection."""

    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        """Register the connection."""
        super().setup()
        self.server.opened(connection=self.connection)

    def finish(self) -> None:
        """Forget the connection."""
        self.server.closed(connection=self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def handle(self) -> None:
        """Answer requests until either side ends it."""
        with contextlib.suppress(OSError, Hangup):
            while not self.server.stopping.is_set():
                try:
                    request = self._read()
                except BadRequest as error:
                    self._send(
                        refused(error=errors.invalid(message=str(error)), request_id=new_request_id()), closing=True
                    )
                    return
                if request is None:
                    return
                closing = request.headers.get("connection", "").lower() == "close"
                self._send(self._answer(request), closing=closing)
                if closing:
                    return

    def _read(self) -> Request | None:
        line = self._line()
        if not line:
            return None
        try:
            method, target, version = line.split(" ")
        except ValueError as error:
            raise BadRequest("malformed request line") from error
        headers = self._headers()
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "transfer-encoding" in headers:
            raise BadRequest("transfer-encoding is not supported")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > LARGEST_BODY:
            raise BadRequest("bad content-length")
        body = self.rfile.read(int(length)) if int(length) else b""
        if len(body) < int(length):
            return None
        if version == "HTTP/1.0":
            headers["connection"] = "close"
        path, _, query = target.partition("?")
        host = headers.get("host") or "{}:{}".format(*self.server.server_address[:2])
        return Request(method, unquote(path), query, headers, body, f"http://{host}")

    def _line(self) -> str:
        raw = self.rfile.readline(LONGEST_LINE + 1)
        if len(raw) > LONGEST_LINE:
            raise BadRequest("line too long")
        return raw.decode("latin-1").rstrip("\r\n")

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(MOST_HEADERS):
            line = self._line()
            if not line:
                return headers
            name, colon, value = line.partition(":")
            if not colon:
                raise BadRequest("malformed header")
            headers[name.strip().lower()] = value.strip()
        raise BadRequest("too many headers")

    def _answer(self, request: Request) -> Response:
        if request.path.startswith("/sandbox/"):
            return self.server.control.answer(request=request)
        if request.method == "OPTIONS":
            return Response(status=HTTPStatus.NO_CONTENT, body={})
        request_id = new_request_id()
        try:
            call = self.server.api.open(request=request, request_id=request_id)
            fault = self.server.faults.take(
                method=request.method,
                path=request.path,
                metadata=lambda: self.server.api.metadata(call=call),
                is_replay=lambda: self.server.api.is_replay(call=call),
            )
            return self._run(call) if fault is None else self._run_with(call, fault)
        except errors.StripeError as error:
            return refused(error=error, request_id=request_id)
        except (OSError, Hangup):
            raise
        except Exception:
            if self.server.stopping.is_set():
                raise Hangup from None
            log.exception("sandbox.request_failed")
            return refused(error=errors.server_error(saved=False), request_id=request_id)

    def _run(self, call: Call, *, wait: Callable[[], bool] | None = None, then_fail: bool = False) -> Response:
        return self.server.api.run(call=call, wait=wait, then_fail=then_fail)

    def _run_with(self, call: Call, fault: Fault) -> Response:
        """Execute a call as a fault has it. Raises: Hangup, StripeError."""
        delay = fault.delay_seconds
        match fault.kind:
            case "late":
                response = self._run(call)
                self._sleep(delay)
                return response
            case "late_effect":
                return self._run(call, wait=lambda: self._sleep(delay))
            case "late_effect_dropped":
                self._run(call, wait=lambda: self._drop() and self._sleep(delay))
            case "lost_answer":
                self._run(call)
            case "error_500_after_effect":
                return self._run(call, then_fail=True)
            case _:
                self._refuse(call, fault)
        raise Hangup

    def _refuse(self, call: Call, fault: Fault) -> None:
        """Fail without any effect; returning means the connection just ends. Raises: StripeError."""
        match fault.kind:
            case "never":
                self._hold(fault.delay_seconds)
            case "reset":
                # Closing with a linger of zero seconds sends RST instead of FIN.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.rfile.close()
                self.connection.close()
            case "error_500":
                raise errors.server_error(saved=False)
            case "rate_limited":
                raise errors.rate_limited()
            case "conflict_409":
                raise errors.key_in_use(key=call.key or "")

    def _sleep(self, seconds: float) -> bool:
        """Wait; say whether the server is still meant to run."""
        return not self.server.stopping.wait(seconds)

    def _drop(self) -> bool:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        return True

    def _hold(self, seconds: float) -> None:
        """Keep the connection open in silence until the client leaves or the time is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.server.stopping.is_set():
            readable, _, _ = select.select([self.connection], [], [], POLL_SECONDS)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return
            if readable:
                self.server.stopping.wait(POLL_SECONDS)

    def _send(self, response: Response, *, closing: bool) -> None:
        if "html" in response.body:
            kind, payload = "text/html; charset=utf-8", response.body["html"].encode()
        else:
            kind, payload = "application/json", dump(response.body).encode()
        head = [
            f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}\r\n",
            f"Content-Type: {kind}\r\nContent-Length: {len(payload)}\r\nServer: stripe-sandbox\r\n",
            "Cache-Control: no-cache, no-store\r\n",
        ]
        if "Request-Id" in response.headers or response.status == HTTPStatus.NO_CONTENT:
            head.append(f"Stripe-Version: {API_VERSION}\r\n" + CORS)
        head.extend(f"{name}: {_header_value(value)}\r\n" for name, value in response.headers.items())
        head.append("Connection: close\r\n\r\n" if closing else "Connection: keep-alive\r\n\r\n")
        self.wfile.write("".join(head).encode("latin-1", "replace") + payload)


def _header_value(value: str) -> str:
    return value.replace("\r", "").replace("\n", "")
