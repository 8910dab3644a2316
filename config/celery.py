"""The Celery application: queues from the topology, the schedule from the registered sweeps."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

from config import observability

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
observability.connect(app)


@app.on_after_configure.connect
def apply_topology(sender: Celery, **_kwargs: Any) -> None:
    """Name the queues as soon as there are settings: a web process sends nudges without ever finalizing the app."""
    from shop.events import topology

    sender.conf.update(
        task_queues=topology.worker_queues(),
        task_default_queue=topology.named("shop.tasks"),
        task_default_exchange=topology.named("tasks"),
        task_default_routing_key="shop.tasks",
    )


@app.on_after_finalize.connect
def schedule_sweeps(sender: Celery, **_kwargs: Any) -> None:
    """Have beat ask for every sweep on its interval."""
    from shop.background import sweeps

    for sweep in sweeps():
        sender.add_periodic_task(sweep.every_seconds, sweep.task.s(), name=sweep.name)
