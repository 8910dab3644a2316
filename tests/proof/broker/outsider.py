"""Somebody outside who listens to `domain.events` with a durable queue of their own."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import Any

import amqp
from kombu import Exchange, Queue

from shop import topology
from shop.events.broker import connect
from tests.driver.rabbitmq import channel_of

RECONNECT_SECONDS = 0.2
READ_SECONDS = 0.5
PREFETCH = 500


class Outsider:
    """Hears facts at least once; goes on after each death of the broker."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.heard: set[str] = set()
        self.copies = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outsider", daemon=True)

    def declare(self) -> None:
        """Make the queue that keeps what comes while nobody listens."""
        with connect(self.url) as connection, connection.channel() as channel:
            self._queue().bind(channel).declare()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, and take the queue away where the broker still answers."""
        self._ended.set()
        self._thread.join()
        with contextlib.suppress(OSError, amqp.AMQPError), channel_of(connect(self.url)) as channel:
            channel.queue_delete(self._queue().name)

    def has_heard(self, events: int) -> bool:
        """Say whether at least so many different facts came."""
        return len(self.heard) >= events

    def _queue(self) -> Queue:
        return Queue(
            topology.named("outsider"),
            exchange=Exchange(topology.named("domain.events"), type="topic", durable=True),
            routing_key="bench.#",
            queue_arguments={"x-queue-type": "quorum"},
        )

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._listen()
            except (OSError, amqp.AMQPError):
                self._ended.wait(RECONNECT_SECONDS)

    def _listen(self) -> None:
        connection: Any = connect(self.url).connection
        try:
            channel = connection.channel()
            channel.basic_qos(0, PREFETCH, a_global=False)
            channel.basic_consume(self._queue().name, callback=self._hear)
            while not self._ended.is_set():
                with contextlib.suppress(TimeoutError):
                    connection.drain_events(timeout=READ_SECONDS)
        finally:
            connection.collect()

    def _hear(self, message: amqp.Message) -> None:
        self.heard.add(json.loads(message.body)["id"])
        self.copies += 1
        message.channel.basic_ack(message.delivery_tag)
