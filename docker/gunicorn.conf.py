"""How gunicorn serves the shop: processes with threads, since a request mostly waits for the database or the provider.

Everything that a deployment may want to turn comes from the environment.
"""

from __future__ import annotations

# ruff: noqa: INP001  gunicorn reads this file by its path
import os
from typing import Any

bind = [f"0.0.0.0:{os.environ.get('PORT', '8000')}"]
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "16"))
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
    from shop.observability.logging import configure_for

    configure_for(log_format=os.environ.get("LOG_FORMAT", "json"), level=os.environ.get("LOG_LEVEL", "INFO"))


def child_exit(server: Any, worker: Any) -> None:
    """Take a process that ended out of the live metrics."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
