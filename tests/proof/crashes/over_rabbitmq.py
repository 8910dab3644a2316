"""The ways of an event through RabbitMQ: published, applied, rejected, collected, by the product's own relay and worker.

Everything that speaks to the broker lives in children: the doomed one, and another that recovers after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import amqp
from celery.concurrency.solo import TaskPool
from celery.worker import autoscale, consumer, state  # noqa: F401  imported here so that not each child does
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError
from kombu import Connection

from config.celery import app
from notifications.models import Inbox
from shop import topology
from shop.events import broker, dead_letters, inbox, relay, subscribers, transport
from shop.events.broker import connect
from shop.events.inbox import DeliveryStatus
from tests.driver.rabbitmq import channel_of
from tests.driver.waiting import until
from tests.proof.crashes.children import Lived, Tell, live
from tests.proof.crashes.enumeration import settle, violations_at_rest
from tests.proof.crashes.journeys.journey import Journey
from tests.proof.heard import unheard

EVENTS = tuple(f"{context}.events" for context in topology.HEARING)
DEAD = tuple(f"{context}.dead" for context in topology.HEARING)
# The contexts that hear of a confirmed order.
TOLD_OF_CONFIRMED = ("shipping", "notifications")
MAIL = "notifications.tell_customer_order_confirmed"
GIBBERISH = amqp.Message("\x00 no event, and no JSON {", content_type="application/json", delivery_mode=2)
UNREADABLE = "notifications.unreadable"
MARK = "alive"


class OverRabbitmq(Journey):
    """A part of the way of a confirmed order's events; its parcel is booked, and stays on its way.

    `unreadable`: how many messages that nobody can read are left on record, set aside by staff.
    """

    status, money, stock = "CONFIRMED", (1, 1250), (9, 0, 1)
    bookings = 1
    mails = {"order_confirmed": 1}
    transit_seconds = 3600.0
    unreadable = 0

    def prepare(self) -> None:
        """Confirm its orders, so that their events wait in the outboxes, beside empty queues."""
        empty_queues()
        for _order in range(self.orders):
            self.shopper.place()
        self.bring()
        self.standing = ready()

    def bring(self) -> None:
        """Bring the events to where the journey begins."""

    def again(self) -> Any:
        return None

    def wait_until_let_go(self, lived: Lived) -> None:
        """Wait until the broker has all that a dead process sent, and has put back what it held."""
        wait_for_messages(self.standing - sum(point.startswith("after amqp ack") for point in lived.points))

    def wrongs(self, lived: Lived, answer: Any) -> list[str]:
        wrong = super().wrongs(lived, answer)
        wrong += [f"{queue} holds {depth}" for queue, depth in depths().items() if depth != (0, 0)]
        kept = list(Inbox.objects.filter(subscriber=UNREADABLE).values_list("status", flat=True))
        if kept != [DeliveryStatus.DISCARDED] * self.unreadable:
            wrong.append(f"of {self.unreadable} unreadable messages there are {kept}")
        return wrong


class Published(OverRabbitmq):
    """The relay publishes what stands in an outbox, waits for each confirm, and marks the rows."""

    name, floor = "published", 26

    def act(self, tell: Tell) -> None:
        with mock.patch.object(broker, "connect", connect_marked):
            relay.drain("orders")

    def wait_until_let_go(self, lived: Lived) -> None:
        # What it has sent need not have arrived: the kernel resets the connection of a process that died with confirms
        # unread, and the broker throws away what it had not read yet.
        until(is_unmarked, "the broker has noticed the death")


class Applied(OverRabbitmq):
    """A worker takes each delivery, applies it, and acknowledges it."""

    name, floor = "applied", 8

    def bring(self) -> None:
        publish()

    def act(self, tell: Tell) -> None:
        # One after the other: which of several queues a worker is given a message from first is the broker's choice.
        for queue in EVENTS:
            consume(queue)


class AppliedTogether(Applied):
    """A worker takes messages that hold deliveries of several orders, and applies each in one transaction.

    A message that a dead worker held comes again: its deliveries are then tried one at a time.
    """

    name, floor = "applied together", 8
    orders, stock, bookings = 3, (7, 0, 3), 3
    mails = {"order_confirmed": 3}

    def bring(self) -> None:
        super().bring()
        assert ready() == len(TOLD_OF_CONFIRMED), "each context's deliveries are in one message"


class Rejected(Applied):
    """The database is away: a worker rejects each delivery, and one that nobody could read, to the dead queues."""

    name, floor = "rejected", 6
    unreadable = 1

    def bring(self) -> None:
        super().bring()
        send_gibberish()

    def act(self, tell: Tell) -> None:
        with mock.patch.object(inbox, "deliver", side_effect=OperationalError("the database is away")):
            super().act(tell)


class Collected(Rejected):
    """What was rejected is collected; what then fails for good is replayed by staff, what is unreadable discarded."""

    name, floor = "collected", 20

    def bring(self) -> None:
        super().bring()
        bury("notifications.events")

    def act(self, tell: Tell) -> None:
        dead_letters.collect()
        with (
            mock.patch.dict(subscribers._subscribers, {MAIL: broken(MAIL)}),
            mock.patch.object(settings, "EVENTS_MAX_ATTEMPTS", 1),
        ):
            inbox.retry_due("notifications")
        decide()


JOURNEYS: tuple[type[OverRabbitmq], ...] = (Published, Applied, AppliedTogether, Rejected, Collected)


def recover_and_judge(journey: OverRabbitmq, lived: Lived) -> Iterator[str]:
    """Do what the other processes of the shop do, and the staff, until nothing is left to do; say what is wrong then."""
    journey.wait_until_let_go(lived)
    live(lambda _tell: recover())
    yield from violations_at_rest()
    yield from (wrong for wrong in unheard() if UNREADABLE not in wrong)
    yield from journey.wrongs(lived, None)


def recover() -> None:
    """Sweep, consume, collect and decide until nothing is left to do."""
    settle()
    while consume(*EVENTS) + dead_letters.collect() + decide():
        settle()


def consume(*queues: str) -> int:
    """Run the product's worker, in this thread, until it has settled all that stands in these queues; return how many."""
    before = depths()
    messages = sum(before[queue][0] for queue in queues)
    if messages:
        settled = Settled(messages)
        run_worker(queues, settled)
        wait_for_messages(sum(messages for messages, _held in before.values()) - settled.acknowledged)
    return messages


@dataclass
class Settled:
    """Counts what a worker acknowledges and rejects, and has it stop when nothing is left."""

    left: int
    acknowledged: int = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        with (
            mock.patch.object(amqp.Channel, "basic_ack", self._counted("basic_ack", acknowledged=1)),
            mock.patch.object(amqp.Channel, "basic_reject", self._counted("basic_reject", acknowledged=0)),
        ):
            yield

    def _counted(self, method: str, *, acknowledged: int) -> Callable[..., None]:
        original = getattr(amqp.Channel, method)

        def counted(*args: Any, **kwargs: Any) -> None:
            original(*args, **kwargs)
            self.left -= 1
            self.acknowledged += acknowledged
            if not self.left:
                state.should_stop = 0  # type: ignore[assignment]

        return counted


def run_worker(queues: Sequence[str], settled: Settled) -> None:
    """Run a worker of one thread, this one, on these queues until all is settled."""
    app.conf.update(broker_url=settings.BROKER_URL, worker_enable_remote_control=False)
    messages: Any = app.amqp
    messages.queues = topology.worker_queues()
    app.finalize()
    state.should_stop = None
    with mock.patch.dict("os.environ", CELERY_SKIP_CHECKS="yes"), settled.counting():
        worker = app.WorkController(
            app=app, pool=TaskPool, concurrency=1, queues=[topology.named(queue) for queue in queues],
            without_heartbeat=True, without_mingle=True, without_gossip=True,
        )  # fmt: skip
        # What a task leaves to do in the worker's own thread, such as its ack, would wait for the next event, up to 10 s.
        hub: Any = worker.hub
        hub.on_tick.add(lambda: hub._waker.wake() if hub._ready or not settled.left else None)
        worker.start()
    assert worker.exitcode == 0, "the worker failed; its log says why"


def decide() -> int:
    """Do what staff do about dead letters: replay each, and discard what is unreadable; return how many there were."""
    letters = [(letter._meta.app_label, letter.pk, letter.subscriber) for letter in dead_letters.dead_letters()]
    for context, letter_id, subscriber in letters:
        verb = "discard" if subscriber == UNREADABLE else "replay"
        call_command("dead_letters", verb, context, str(letter_id), stdout=mock.Mock())
    return len(letters)


def broken(subscriber: str) -> subscribers.Subscriber:
    """Return a subscriber with a handler that always fails."""

    def fail(_event: Any) -> None:
        raise ValueError("a bug of the handler")

    return replace(subscribers.subscriber_named(subscriber), handler=fail)


def publish() -> None:
    """Publish what stands in the outboxes, and leave no connection that a child would share."""
    relay.drain_all()
    let_go()


def let_go() -> None:
    """Throw this process's connection to the broker away."""
    transport.transport()._throw_away()  # type: ignore[attr-defined]


def send_gibberish() -> None:
    """Put a message into a queue that no worker can decode."""
    expected = ready() + 1
    with channel_of(connect()) as channel:
        channel.basic_publish(GIBBERISH, exchange=topology.named("events"), routing_key="notifications.events")
    wait_for_messages(expected)


def bury(queue: str) -> None:
    """Reject every message of a queue to its dead queue."""
    expected = ready()
    with channel_of(connect()) as channel:
        while (message := channel.basic_get(topology.named(queue))) is not None:
            channel.basic_reject(message.delivery_tag, requeue=False)
    wait_for_messages(expected)


def connect_marked() -> Connection:
    """Open a connection to the broker that can be seen from outside, for as long as the broker takes it to be alive."""
    connection = connect()
    channel: Any = connection.connection.channel()
    channel.queue_declare(topology.named(MARK), exclusive=True)
    return connection


def is_unmarked() -> bool:
    """Say whether a marked connection has ended."""
    with channel_of(connect()) as channel:
        try:
            channel.queue_declare(topology.named(MARK), passive=True)
        except amqp.NotFound:
            return True
        except amqp.exceptions.ResourceLocked:
            return False
    return False


def empty_queues() -> None:
    """Throw away what an earlier history left."""
    with channel_of(connect()) as channel:
        for queue in (*EVENTS, *DEAD):
            channel.queue_purge(topology.named(queue))


def depths() -> dict[str, tuple[int, int]]:
    """Return how many messages are ready in each queue, and how many consumers it has or hold messages of it."""
    with channel_of(connect()) as channel:
        found = {name: channel.queue_declare(topology.named(name), passive=True) for name in (*EVENTS, *DEAD)}
    return {name: (messages, consumers) for name, (_queue, messages, consumers) in found.items()}


def ready() -> int:
    """Return how many messages are ready in all queues."""
    return sum(messages for messages, _held in depths().values())


def wait_for_messages(expected: int) -> None:
    """Wait until so many messages are ready and nobody holds any; a process that died lets go a moment later."""

    def are_there() -> bool:
        found = depths().values()
        return sum(messages for messages, _held in found) == expected and not any(held for _messages, held in found)

    until(are_there, f"{expected} messages are ready and none is held")
