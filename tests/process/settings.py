"""What the worker and beat processes of these tests run with: the shop over RabbitMQ, with the bench installed."""

from config.settings.test import *  # noqa: F403
from shop import topology

topology.DELIVERY_LIMIT = env.int("BENCH_DELIVERY_LIMIT", topology.DELIVERY_LIMIT)  # noqa: F405

CELERY_TASK_SOFT_TIME_LIMIT = env.int("BENCH_SOFT_LIMIT_SECONDS", CELERY_TASK_SOFT_TIME_LIMIT)  # noqa: F405
EVENTS_TRANSPORT = "shop.events.broker.CeleryTransport"
EVENTS_WAKE_IN_PROCESS = env.bool("EVENTS_WAKE_IN_PROCESS", False)  # noqa: F405
INSTALLED_APPS = [*INSTALLED_APPS, "tests.process.apps.BellTowerConfig"]  # noqa: F405
