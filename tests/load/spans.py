"""An OpenTelemetry collector that counts the spans it is sent."""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class SpanCounter:
    """Serves OTLP over HTTP on a port of its own and counts what comes in, by name."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()
        counter = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                counter._count(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_line: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _count(self, body: bytes) -> None:
        sent = ExportTraceServiceRequest.FromString(body)
        names = [
            f"{_service(resource)} {span.name.split(' ', 1)[0]}"
            for resource in sent.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            self.names.update(names)


def _service(resource: Any) -> str:
    named = (each.value.string_value for each in resource.resource.attributes if each.key == "service.name")
    return next(named, "?")
