"""Who starts tracing, logging and metrics, and when: once per process, after any fork."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init, worker_process_init, worker_process_shutdown
from django_structlog.celery.steps import DjangoStructLogInitStep

from shop.observability import folding
from shop.observability.metrics import serve
from shop.observability.tracing import setup_tracing


def start(role: str) -> None:
    """Start what this process says about itself; `role` is web, deliveries, sweeps, worker, beat or the name of a command."""
    setup_tracing(role)


def connect(app: Celery) -> None:
    """Have Celery's processes do the same."""
    app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def keep_logging(**_arguments: Any) -> None:
    """Stand where Celery would set up logging of its own: Django's settings did."""


@worker_init.connect
def start_worker(**_arguments: Any) -> None:
    """Serve the metrics of all processes of a worker on METRICS_PORT, where one is set."""
    if port := int(os.environ.get("METRICS_PORT") or 0):
        serve(port)


@worker_process_init.connect
def start_worker_process(**_arguments: Any) -> None:
    """Trace in each process of a worker, under its role: exporting threads do not survive a fork."""
    start(os.environ.get("SHOP_ROLE") or "worker")
    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        # It takes the place of one that ended, which may have been killed.
        folding.fold(Path(folder))


@worker_process_shutdown.connect
def forget_worker_process(pid: int | None = None, **_arguments: Any) -> None:
    """Take a process that ended out of the live metrics."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        # Loaded only where several processes count.
        from prometheus_client import multiprocess  # noqa: PLC0415

        multiprocess.mark_process_dead(pid or os.getpid())  # type: ignore[no-untyped-call]


@beat_init.connect
def start_beat(**_arguments: Any) -> None:
    """Trace in beat, so that a scheduled sweep has a beginning."""
    start("beat")
