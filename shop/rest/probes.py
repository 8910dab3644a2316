"""/health, /ready and /metrics on a port of their own, answered by a thread that no request can keep busy.

A pod whose request threads all wait, for a provider or for a database that hangs, is neither dead nor invisible. All
processes of a pod accept on one socket, which the first of them opened: one that hangs leaves the probes to the others.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog
from django.http import HttpResponse

from shop.observability import metrics
from shop.resilience.breaker import tell_states
from shop.rest.health import health_answer, ready_answer
from shop.rest.problem import edge_problem

TICK_SECONDS = 1.0
CALLER_SECONDS = 5

log = structlog.get_logger(__name__)


def metrics_answer(accept: str) -> HttpResponse:
    """Return the answer to /metrics."""
    tell_states()
    body, content_type = metrics.exposition(accept)
    return HttpResponse(body, content_type=content_type)


def serve(listener: socket.socket) -> ThreadingHTTPServer:
    """Answer probes on a listening socket, from a thread of this process, until the process ends."""
    # Several processes wait for the same callers: whoever comes second finds nobody, and must not wait there.
    listener.setblocking(False)  # noqa: FBT003  its own signature
    server = _Server(listener)
    thread = threading.Thread(target=server.serve_forever, args=[TICK_SECONDS], name="probes", daemon=True)
    thread.start()
    log.info("probes.serving", port=server.server_address[1])
    return server


class _Server(ThreadingHTTPServer):
    """Answer each caller on a thread of its own, so that a slow one cannot block the others."""

    daemon_threads = True

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname()[:2], _Probe, bind_and_activate=False)
        self.socket.close()
        self.socket = listener

    def service_actions(self) -> None:
        """Have every process tell, once a second, what time alone changes."""
        tell_states()


class _Probe(BaseHTTPRequestHandler):
    timeout = CALLER_SECONDS

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].rstrip("/")
        answers: dict[str, Callable[[], HttpResponse]] = {
            "/health": health_answer,
            "/ready": ready_answer,
            "/metrics": lambda: metrics_answer(self.headers.get("Accept", "")),
        }
        answer = answers.get(path, lambda: edge_problem("not_found").plain_response())()
        self.send_response(answer.status_code)
        for name, value in answer.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    do_HEAD = do_GET  # noqa: N815  the library's name

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  the library's name
        """Log no probe."""
