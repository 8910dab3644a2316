"""A worker's process that stands still without dying: the broker takes back what it holds."""

from __future__ import annotations

import threading
from typing import Any

import amqp

from shop import topology
from shop.events import consumer, relay
from shop.events.consumer import Consumer
from tests.driver.waiting import DEADLINE_SECONDS, until
from tests.integration.events.bench import Struck, ring
from tests.process.broker import Broker

# A busy machine may hold a process up for a while.
PATIENT_SECONDS = 8


def test_what_a_frozen_process_holds_goes_to_another(broker: Broker, monkeypatch: Any):
    monkeypatch.setattr(consumer, "HEARTBEAT_SECONDS", 1)
    frozen, held = threading.Event(), threading.Event()

    def stand_still(_consumer: Consumer, _channel: Any) -> None:
        if _consumer._taken:
            held.set()
            frozen.wait(DEADLINE_SECONDS)
            raise ConnectionError("thawed")

    monkeypatch.setattr(Consumer, "_work", stand_still)
    stuck = Consumer([topology.named("shipping.events")])
    stuck.start()
    ring(event=Struck)
    relay.drain("orders")
    assert held.wait(DEADLINE_SECONDS)

    message = until(lambda: broker.take("shipping.events"), "the broker gives the message to another")

    assert message.delivery_info["redelivered"]
    frozen.set()
    stuck.finish()


def test_a_process_that_waits_for_messages_is_not_taken_for_a_frozen_one(broker: Broker, monkeypatch: Any):
    monkeypatch.setattr(consumer, "HEARTBEAT_SECONDS", PATIENT_SECONDS)
    monkeypatch.setattr(consumer, "SILENCE_SECONDS", float("inf"))
    monkeypatch.setattr(consumer, "LOOK_UP_SECONDS", 0.1)
    beats, made, worked = [], [], []
    send, consume = amqp.Connection.send_heartbeat, Consumer._consume
    monkeypatch.setattr(amqp.Connection, "send_heartbeat", lambda self: (beats.append(1), send(self)))
    monkeypatch.setattr(Consumer, "_consume", lambda self, connection: (made.append(1), consume(self, connection)))
    monkeypatch.setattr(Consumer, "_work", lambda self, _channel: worked.extend(self._taken))
    idle = Consumer([topology.named("shipping.events")])
    idle.start()

    until(lambda: len(beats) >= 4, "time passes without a message, twice as long as a beat may be away")
    ring(event=Struck)
    relay.drain("orders")
    until(lambda: worked, "a message arrives all the same")

    assert len(made) == 1, "the connection is the first one"
    idle.finish()
