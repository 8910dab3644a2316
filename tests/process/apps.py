"""Django's entry to the bench, for the processes under test."""

import os

from django.apps import AppConfig


class BellTowerConfig(AppConfig):
    """Put the bench into a process of the shop."""

    name = "tests.process"
    label = "bell_tower"

    def ready(self) -> None:
        from tests.process import bell_tower

        bell_tower.install()
        if os.environ.get("BENCH_RELEASE") == "0.1.0":
            from shop import tasks, topology
            from shop.events.messages import DELIVER_BATCH_TASK

            # That release had Celery hand over deliveries, and no messages of many of them.
            topology.delivery_queues = list
            tasks.deliver_events.app.tasks.unregister(DELIVER_BATCH_TASK)
