"""The Celery application: queues from the topology, the schedule from the registered sweeps."""

from __future__ import annotations

import os
from typing import Any

import kombu
from celery import Celery, Task
from celery.app.amqp import AMQP
from celery.signals import task_prerun
from django.db import close_old_connections

from config import observability

RECONNECT_SECONDS = 2

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")


class _Connection(kombu.Connection):
    """A connection that asks steadily for a broker that is away.

    Kombu waits 2, 4, 6 and up to 30 s: after a long outage a worker would leave the events lying for half a minute.
    Celery has no setting for it.
    """

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Connect, however long it takes, trying every RECONNECT_SECONDS."""
        steadily = {"interval_start": RECONNECT_SECONDS, "interval_step": 0, "interval_max": RECONNECT_SECONDS}
        return super().ensure_connection(*args, **(steadily | kwargs))


class _Amqp(AMQP):
    """What Celery's workers and beat make their connections of."""

    Connection = _Connection


app = Celery("shop", amqp=_Amqp)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
observability.connect(app)


@task_prerun.connect
def drop_broken_sessions(sender: Task[Any, Any], **_kwargs: Any) -> None:
    """Give each task database sessions that work, as Django does for each request.

    Celery keeps them over CELERY_DB_REUSE_MAX tasks, broken or not: all of these would fail after PostgreSQL restarted.
    """
    if not sender.request.is_eager:
        close_old_connections()


@app.on_after_configure.connect
def apply_topology(sender: Celery, **_kwargs: Any) -> None:
    """Name the queues as soon as there are settings: a web process sends nudges without ever finalizing the app."""
    from shop.events import topology

    sender.conf.update(
        task_queues=topology.worker_queues(),
        task_routes=topology.routes(),
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
