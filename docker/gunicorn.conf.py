"""How gunicorn serves the shop: processes with threads, since a request mostly waits for the database or the provider.

Everything that a deployment may want to turn comes from the environment.
"""

from __future__ import annotations

# ruff: noqa: INP001  gunicorn reads this file by its path
import os
import socket
from pathlib import Path
from typing import Any

from shop.observability.logging import configure_for
from shop.serving import any_address

bind = [f"[{any_address()}]:{os.environ.get('PORT', '8000')}"]
# With threads; and once it is told to stop, it stops listening before it ends what it has begun.
worker_class = "shop.draining.DrainingWorker"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
# Most of them wait for the provider, and a thread that waits holds no connection (ADR 14).
threads = int(os.environ.get("WEB_THREADS", "32"))
# A request may wait for a card's authorization; a worker that answers nobody for longer than this hangs.
timeout = 60
# Longer than any request may take, shorter than the orchestrator's patience (terminationGracePeriodSeconds).
graceful_timeout = 25
# Longer than the gateway keeps its idle connections, so that it never writes into one that closes.
keepalive = 75
max_requests = int(os.environ.get("WEB_MAX_REQUESTS", "10000"))
max_requests_jitter = 1000
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108  heartbeats in memory
control_socket_disable = True  # the root is read-only, and nobody uses it
accesslog = None  # django_structlog's request_finished says more
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")


def on_starting(server: Any) -> None:
    """Log as the application does from the first line on."""
    configure_for(log_format=os.environ.get("LOG_FORMAT", "json"), level=os.environ.get("LOG_LEVEL", "INFO"))
    # Opened before the workers are forked: all of them accept on it, so that a probe is answered at any time.
    if port := int(os.environ.get("HEALTH_PORT") or 0):
        address = any_address()
        both = address == "::"
        server.probes = socket.create_server(
            (address, port),
            family=socket.AF_INET6 if both else socket.AF_INET,
            backlog=64,
            reuse_port=True,
            dualstack_ipv6=both,
        )


def post_fork(server: Any, worker: Any) -> None:
    """Hand the socket of the probes on to a new process."""
    worker.probes = getattr(server, "probes", None)


def post_worker_init(worker: Any) -> None:
    """Answer probes as soon as the application stands."""
    if worker.probes is not None:
        from shop.rest.probes import serve  # noqa: PLC0415  once Django is set up

        serve(worker.probes)


def child_exit(server: Any, worker: Any) -> None:
    """Take a process that ended out of the live metrics, and add its counts to those of others that ended."""
    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        # Loaded only where several processes count.
        from prometheus_client import multiprocess  # noqa: PLC0415

        from shop.observability import folding  # noqa: PLC0415

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
        folding.fold(Path(folder))
