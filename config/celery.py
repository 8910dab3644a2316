"""The Celery application: queues from the topology, the schedule from the registered sweeps."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any

import kombu
import structlog
from celery import Celery, Task
from celery.app.amqp import AMQP
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import (
    beat_init,
    celeryd_after_setup,
    task_prerun,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
)
from django.conf import settings

from config import observability
from shop import topology
from shop.database.sessions import drop_broken_sessions
from shop.resilience.breaker import tell_states
from shop.work import background
from shop.work.lookout import Lookout
from shop.work.sweeps import sweeps

RECONNECT_SECONDS = 2
# Of what ran out of time, so many are told: the last ones are of sockets, the ones before say what was asked.
FRAMES = 6

log = structlog.get_logger(__name__)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")


class _Connection(kombu.Connection):
    """A connection that retries a broker that is away at a steady interval.

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


class _Task(Task):  # type: ignore[type-arg]
    """A task whose soft time limit is expected: one line says where it struck, instead of two tracebacks."""

    throws = (SoftTimeLimitExceeded,)

    def on_failure(self, exc: BaseException, *_arguments: Any) -> None:
        """Say where the time was over; every other failure is logged with its traceback by Celery."""
        if isinstance(exc, SoftTimeLimitExceeded):
            log.warning("task.out_of_time", task=self.name, where=_where(exc))


def _where(error: BaseException) -> list[str]:
    """Return the innermost lines of the shop's own code in the traceback, as `file:line function`, the innermost last."""
    ours = []
    for frame in traceback.extract_tb(error.__traceback__):
        file = Path(frame.filename)
        if file.is_relative_to(settings.BASE_DIR) and "site-packages" not in file.parts:
            ours.append(f"{file.relative_to(settings.BASE_DIR)}:{frame.lineno} {frame.name}")
    return ours[-FRAMES:]


app: Celery[Any] = Celery("shop", amqp=_Amqp, task_cls=_Task)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
observability.connect(app)


@task_prerun.connect
def give_sessions_that_work(sender: Task[Any, Any], **_kwargs: Any) -> None:
    """Give each task database sessions that work.

    Celery keeps them over CELERY_DB_REUSE_MAX tasks, broken or not: all of these would fail after PostgreSQL restarted.
    """
    if not sender.request.is_eager:
        drop_broken_sessions()


@worker_process_init.connect
def deliver_and_sweep(**_kwargs: Any) -> None:
    """Have a worker's process take deliveries, and run the sweeps that they wake: a message would cost more than a sweep."""
    from shop.events import consumer  # noqa: PLC0415  it has models

    background.sweep_here()
    consumer.start()


@worker_ready.connect
def let_deliveries_begin(sender: Any, **_kwargs: Any) -> None:
    """Have the worker's processes take deliveries, from the first turn of its loop: right before it, it looks after them."""
    from shop.events import consumer  # noqa: PLC0415  it has models

    if (hub := getattr(sender, "hub", None)) is not None:
        hub.call_soon(consumer.begin)
    else:
        consumer.begin()


@worker_process_shutdown.connect
def finish_what_runs(**_kwargs: Any) -> None:
    """Let deliveries end, and then what runs beside them; what that has not begun is free for other processes at once."""
    from shop.events import consumer  # noqa: PLC0415  it has models
    from shop.work import handover  # noqa: PLC0415  it has models

    consumer.finish()
    handover.give_back(all_of_them=True)
    background.finish()


@task_prerun.connect
def tell_of_breakers(**_kwargs: Any) -> None:
    """Have each process of a worker tell how its breakers stand now: time alone makes an open one half-open."""
    tell_states()


@app.on_after_configure.connect
def apply_topology(sender: Celery, **_kwargs: Any) -> None:
    """Name the queues as soon as there are settings: a web process sends nudges without ever finalizing the app."""
    sender.conf.update(
        task_queues=topology.worker_queues(),
        task_routes=topology.routes(),
        task_default_queue=topology.named("shop.tasks"),
        task_default_exchange=topology.named("tasks"),
        task_default_routing_key="shop.tasks",
    )


@celeryd_after_setup.connect
def consume_the_queues_of_the_role(instance: Any, **_arguments: Any) -> None:
    """Have a worker consume what its role says (SHOP_ROLE), unless its command names queues.

    Deliveries are taken by its processes; where the command names their queues Celery hands them over.
    """
    from shop.events import consumer  # noqa: PLC0415  it has models

    queues = instance.app.amqp.queues
    names = [name for name in topology.queues_of_role(settings.SHOP_ROLE) if name in queues.consume_from]
    if set(queues.consume_from) == set(queues):
        consumer.consume_from([name for name in names if name in topology.delivery_queues()])
        names = [name for name in names if name not in topology.delivery_queues()]
    queues.select(names)


@app.on_after_finalize.connect
def schedule_sweeps(sender: Celery, **_kwargs: Any) -> None:
    """Have beat ask on their intervals for the sweeps of which nobody can say whether they have something to do."""
    for sweep in sweeps():
        if sweep.due is None and sweep.waits is None:
            sender.add_periodic_task(sweep.every_seconds, sweep.task.s(), name=sweep.name)


@beat_init.connect
def look_out(**_arguments: Any) -> None:
    """Have beat look for work, and ask for the sweeps that have some."""
    Lookout(sweeps(), background.ask).start()
