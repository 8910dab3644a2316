"""Counts in the processes of the shop what nobody else counts: tasks that run, messages that are published.

Each leaves a line in a file of its process; `read` adds them up. Only where BENCH_COUNTS names a folder.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

KINDS = ("task", "message")


def install(folder: str) -> None:
    import amqp
    from celery.signals import task_prerun
    from django.conf import settings

    from shop.events import frames

    def note(kind: str, name: str) -> None:
        descriptor = os.open(Path(folder) / str(os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, f"{kind} {name}\n".encode())
        os.close(descriptor)

    @task_prerun.connect(weak=False)
    def count_task(sender, **_arguments):
        note("task", sender.name)

    def note_message(exchange: str, routing_key: str) -> None:
        namespace = settings.EVENTS_NAMESPACE
        note("message", f"{exchange.removeprefix(namespace)} {routing_key.removeprefix(namespace)}")

    publish, framed = amqp.Channel.basic_publish, frames.publish

    def basic_publish(self, msg, exchange="", routing_key="", *args, **kwargs):
        note_message(exchange, routing_key)
        return publish(self, msg, exchange, routing_key, *args, **kwargs)

    def publish_framed(channel, *, exchange, routing_key, **kwargs):
        note_message(exchange, routing_key)
        return framed(channel, exchange=exchange, routing_key=routing_key, **kwargs)

    # A nudge goes out by py-amqp, facts by the bus's own frames.
    channel: Any = amqp.Channel
    channel.basic_publish = channel._basic_publish = basic_publish
    frames.publish = publish_framed


def read(folder: Path) -> Counter[str]:
    """Return how often each task ran and each message was published."""
    return Counter(line for file in folder.iterdir() for line in file.read_text().splitlines())
