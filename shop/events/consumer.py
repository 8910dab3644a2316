"""A worker process's deliveries: it takes as many messages as wait, applies them together, then acknowledges them together.

Celery would hand them over one at a time, through a pipe, and each would be a transaction. It still runs the sweeps, and
deliveries where its command names queues. The messages are the same.

Note [A message that comes again]
It may hold what killed its process, and those beside it were applied with it. So its deliveries become rows that are
tried alone (batches.py). A process that ends in order acknowledges or applies what it holds, and none of that comes again.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Event
from typing import Any

import msgspec
import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections

from shop import topology
from shop.database.sessions import drop_broken_sessions
from shop.events import batches, inbox
from shop.events.batches import Delivery
from shop.events.broker import connect, read_ahead
from shop.events.messages import DELIVER_BATCH_TASK, DELIVER_TASK
from shop.work import handover

log = structlog.get_logger(__name__)

# Messages of one queue that a process holds; others are free for the other processes.
PREFETCH = 10
# Deliveries that one transaction applies, about.
TOGETHER = 200
LOOK_UP_SECONDS = 1.0
RECONNECT_SECONDS = 2.0
# After so long without a message the broker is asked whether it is there; it answers within CONFIRM_TIMEOUT_SECONDS.
SILENCE_SECONDS = 5.0
WATCH_SECONDS = 5.0
# The broker gives what a frozen process holds to others after about twice as long; longer than an application may take.
HEARTBEAT_SECONDS = 60
FINISH_SECONDS = 10.0


class _Unreadable(ValueError):
    """No deliveries can be made of a message."""


class Consumer(threading.Thread):
    """Applies what comes in some queues, until it is stopped."""

    def __init__(self, queues: Sequence[str], may_begin: Event | None = None) -> None:
        super().__init__(name="deliveries", daemon=True)
        self._queues, self._may_begin = queues, may_begin
        self._stopped = threading.Event()
        self._taken: list[Any] = []
        self._began: float | None = None

    def finish(self, *, timeout: float = FINISH_SECONDS) -> None:
        """Take no more, and wait until what was taken is applied, up to `timeout` seconds."""
        self._stopped.set()
        self.join(timeout)

    def run(self) -> None:
        """Consume, whatever happens to the broker and the database."""
        while self._may_begin is not None and not self._may_begin.wait(LOOK_UP_SECONDS):
            if self._stopped.is_set():
                return
        threading.Thread(target=self._watch, name="deliveries watch", daemon=True).start()
        try:
            while not self._stopped.is_set():
                self._consume_once()
        finally:
            connections.close_all()

    def _consume_once(self) -> None:
        """Consume until the connection fails or the process ends."""
        made = None
        try:
            made = connect(heartbeat_seconds=HEARTBEAT_SECONDS)
            self._consume(made.connection)
            made.release()
        except Exception as error:  # noqa: BLE001  whatever a broker that is away raises: asked again until it is there
            log.warning("deliveries.broker_unavailable", error=repr(error))
            if made is not None:
                made.collect()  # no goodbye: a broker that is frozen would never answer one
            self._stopped.wait(RECONNECT_SECONDS)
        finally:
            # They come again, from the broker.
            self._taken.clear()
            self._began = None

    def _consume(self, connection: Any) -> None:
        read_ahead(connection.transport)
        channel = connection.channel()
        topology.declare(channel)
        channel.basic_qos(0, PREFETCH, False)  # noqa: FBT003  of each consumer, as AMQP names it
        tags = [channel.basic_consume(queue, callback=self._taken.append) for queue in self._queues]
        heard_at = time.monotonic()
        while not self._stopped.is_set():
            self._take(connection)
            connection.heartbeat_tick()
            if self._taken:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > SILENCE_SECONDS:
                # A connection whose other end is gone without a word is as silent as an empty queue.
                channel.basic_qos(0, PREFETCH, False)  # noqa: FBT003
                heard_at = time.monotonic()
            self._work(channel)
        for tag in tags:
            channel.basic_cancel(tag)
        self._work(channel)

    def _take(self, connection: Any) -> None:
        """Wait for a message, then take what has come with it."""
        wait = LOOK_UP_SECONDS
        while len(self._taken) < PREFETCH * len(self._queues):
            try:
                connection.drain_events(timeout=wait)
            except TimeoutError:
                return
            wait = 0 if self._taken else LOOK_UP_SECONDS

    def _work(self, channel: Any) -> None:
        """Apply what was taken; acknowledge it, or give back what no row could be made of."""
        taken, self._taken[:] = list(self._taken), []
        if not taken:
            return
        drop_broken_sessions()
        readable = []
        for message in taken:
            try:
                readable.append((message, _deliveries_in(message)))
            except _Unreadable as error:
                log.error("event.undecodable", error=repr(error), content_type=message.properties.get("content_type"))  # noqa: TRY400  the message is at fault
                channel.basic_reject(message.delivery_tag, requeue=False)
        for together in _portions(readable):
            self._began = time.monotonic()
            self._apply(channel, together)
            self._began = None

    def _apply(self, channel: Any, together: Sequence[tuple[Any, list[Delivery]]]) -> None:
        try:
            _apply(together)
        except Exception as error:
            if len(together) == 1 or isinstance(error, OperationalError | InterfaceError):
                # As a task of Celery's that fails: collect_dead_letters makes rows of them, once that can be done.
                log.exception("deliveries.not_recorded", messages=len(together))
                for message, _deliveries in together:
                    channel.basic_reject(message.delivery_tag, requeue=False)
                return
            for one in together:
                self._began = time.monotonic()
                self._apply(channel, [one])
            return
        for message, _deliveries in together:
            channel.basic_ack(message.delivery_tag)

    def _watch(self) -> None:
        """End the process when a handler does not end, as Celery's hard time limit does; give back what waits behind slow work."""
        while not self._stopped.wait(WATCH_SECONDS):
            try:
                handover.give_back()
            except Exception as error:  # noqa: BLE001  it is tried again; their leases give the rows back as well
                log.warning("deliveries.not_given_back", error=repr(error))
            finally:
                connections.close_all()
            began = self._began
            if began is not None and time.monotonic() - began > settings.CELERY_TASK_TIME_LIMIT:
                log.error("deliveries.out_of_time", seconds=round(time.monotonic() - began))
                os._exit(1)


def _portions(messages: Sequence[tuple[Any, list[Delivery]]]) -> list[list[tuple[Any, list[Delivery]]]]:
    """Cut into what one transaction applies, in order."""
    portions: list[list[tuple[Any, list[Delivery]]]] = []
    room = 0
    for message, deliveries in messages:
        if room < len(deliveries) or not portions:
            portions.append([])
            room = TOGETHER
        portions[-1].append((message, deliveries))
        room -= len(deliveries)
    return portions


def _apply(together: Sequence[tuple[Any, list[Delivery]]]) -> None:
    """Give deliveries to their subscribers; those of messages that come again become rows.

    Raises: what keeps that from being done.
    """
    again = [each for message, deliveries in together if _comes_again(message) for each in deliveries]
    fresh = [each for message, deliveries in together if not _comes_again(message) for each in deliveries]
    if again:
        batches.set_aside(deliveries=again, reason="a worker died with its message, or gave it back")
    if len(fresh) == 1:
        inbox.deliver(subscriber=fresh[0][0], attributes=fresh[0][1])
    elif fresh:
        batches.deliver_batch(deliveries=fresh)


def _comes_again(message: Any) -> bool:
    return bool(message.delivery_info["redelivered"])


def _deliveries_in(message: Any) -> list[Delivery]:
    """Return the deliveries that a message carries. Raises: _Unreadable, for what Celery would not make a task of."""
    properties = message.properties
    headers = properties.get("application_headers") or {}
    if properties.get("content_type") != "application/json" or headers.get("compression"):
        raise _Unreadable("not plain JSON")
    task = headers.get("task")
    if task not in (DELIVER_TASK, DELIVER_BATCH_TASK):
        raise _Unreadable(f"not a task of deliveries: {task!r}")
    try:
        _arguments, keywords, *_options = msgspec.json.decode(message.body)
        if task == DELIVER_TASK:
            return [(str(keywords["subscriber"]), keywords["attributes"])]
        return [(str(subscriber), attributes) for subscriber, attributes in keywords["deliveries"]]
    except Exception as error:
        # A body can be wrong in any way, such as nested too deeply; its neighbors must not be given back with it.
        raise _Unreadable(repr(error)) from error


_queues: tuple[str, ...] = ()
_may_begin: Event | None = None
_running: Consumer | None = None


def consume_from(queues: Sequence[str]) -> None:
    """Have each process of this worker, which forks after this, consume these queues once `begin` is called."""
    global _queues, _may_begin
    _queues, _may_begin = tuple(queues), multiprocessing.get_context("fork").Event()


def begin() -> None:
    """Let the processes of this worker begin.

    A worker looks once whether its first processes live, and ends where one does not. None of them may be killed by a
    message before that.
    """
    if _may_begin is not None:
        _may_begin.set()


def start() -> None:
    """Begin to consume in this process."""
    global _running  # noqa: PLW0603  one consumer per process
    if _queues:
        _running = Consumer(_queues, _may_begin)
        _running.start()


def finish() -> None:
    """Apply what this process has taken, before it ends."""
    if _running is not None:
        _running.finish()
