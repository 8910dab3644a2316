"""Sweeps over RabbitMQ: beat asks for them, wakes hurry them, and neither is waited for."""

import subprocess
from uuid import uuid4

from django.db.models.functions import Now

from local.processes import ROOT, free_port, python
from notifications.models import Email, EmailKind
from shop import topology
from shop.contexts import CONTEXTS
from shop.events.broker import connect
from tests.driver.waiting import until
from tests.integration.events.bench import ring
from tests.process.starting import environment_of

WAKE = """
import sys, time
import django
django.setup()
from shop.work import background
seconds = []
for _ in range(100):
    began = time.monotonic()
    background.wake("shop.relay_outbox", context="orders")
    background.wake("notifications.send_due_emails", context="notifications")
    seconds.append(time.monotonic() - began)
print(f"{sorted(seconds)[90]:.6f}", flush=True)
sys.stdin.read()
"""


def test_beat_asks_for_sweeps_that_have_work_in_each_contexts_own_queue_for_a_minute_at_most(broker, beat):
    ring()
    order_id = uuid4()
    Email.objects.create(order_id=order_id, cause_id=order_id, kind=EmailKind.ORDER_SHIPPED, due_at=Now())
    process = beat()

    of_shop = until(lambda: broker.take("shop.tasks"), "beat asks the kernel", process=process)
    of_mail = until(lambda: broker.take("notifications.tasks"), "beat asks notifications", process=process)

    assert of_shop.headers["task"].startswith("shop.")
    assert of_mail.headers["task"] == "notifications.send_due_emails"
    assert 0 < int(of_mail.properties["expiration"]) <= 60_000
    assert of_mail.headers["expires"]


def test_beat_asks_for_nothing_in_an_idle_shop_and_collects_what_the_broker_holds(broker, beat):
    with connect() as connection:
        connection.Producer().publish("7", exchange=topology.named("dead.letters"), routing_key="orders.dead")
    process = beat()

    nudge = until(lambda: broker.take("shop.tasks"), "beat asks to collect a dead letter", process=process)

    assert nudge.headers["task"] == "shop.collect_dead_letters"
    asked = [broker.depth(f"{context}.tasks") for context in CONTEXTS]
    assert asked == [(0, 0)] * 5, "by then each context was looked at more than once"


def wake_in_a_process(environment):
    return subprocess.Popen(
        python("-c", WAKE),
        env=environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_wake_sends_one_nudge_per_sweep_to_the_workers(broker, settings, clean_environment):
    process = wake_in_a_process(clean_environment | environment_of(settings) | {"EVENTS_WAKE_IN_PROCESS": "True"})

    nudge = until(lambda: broker.take("shop.tasks"), "the kernel's sweep is asked for")
    other = until(lambda: broker.take("notifications.tasks"), "and that of notifications")

    assert nudge.headers["task"] == "shop.relay_outbox"
    assert other.headers["task"] == "notifications.send_due_emails"
    assert 0 < int(nudge.properties["expiration"]) <= 60_000
    process.communicate("", timeout=60)
    assert process.returncode == 0


def test_wake_neither_blocks_nor_raises_without_a_broker(broker, settings, clean_environment):
    settings.BROKER_URL = f"amqp://guest:guest@127.0.0.1:{free_port()}//"
    process = wake_in_a_process(clean_environment | environment_of(settings) | {"EVENTS_WAKE_IN_PROCESS": "True"})
    settings.BROKER_URL = broker.url

    seconds = float(process.stdout.readline())
    _out, errors = process.communicate("", timeout=60)

    assert seconds < 0.01, "all but a few, which the machine may keep, return at once"
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
