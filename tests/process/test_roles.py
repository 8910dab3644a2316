"""Deliveries and sweeps in workers of their own: neither waits for the other, and a slow provider kills nobody."""

import json
import socket
from pathlib import Path
from uuid import uuid4

import pytest
from django.db.models.functions import Now

from notifications.models import Email, EmailKind
from payments.models import StrayIntent
from shop import topology
from shop.events import relay
from shop.events.broker import connect
from shop.models import RunningSweep
from tests.driver.strays import make_strays
from tests.driver.waiting import until
from tests.integration.events.bench import applied, ring

ALL = {queue.routing_key for queue in topology.worker_queues()}


def consumed(broker):
    return {queue for queue in ALL if (broker.depth(queue) or (0, 0))[1]}


def worker_of(start, broker, role, **environment):
    process = start(
        role, "-m", "celery", "-A", "config", "worker", "--concurrency=1", "--loglevel=INFO",
        f"--hostname={role}@localhost", "--without-heartbeat", "--without-gossip", "--without-mingle",
        **{"SHOP_ROLE": role} | environment,
    )  # fmt: skip
    queue = topology.queues_of_role(role)[0].removeprefix(topology.named(""))
    until(lambda: broker.depth(queue)[1], f"{role} consumes", process=process)
    return process


@pytest.fixture
def silent_provider():
    """Listen as the provider would and never answer; return what a process needs to ask there for 20 seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield {
            "STRIPE_API_BASE": f"http://127.0.0.1:{listener.getsockname()[1]}",
            "STRIPE_TIMEOUT_SECONDS": "20",
            "BREAKER_MINIMUM_CALLS": "1000",
        }


def ask(name):
    """Nudge a sweep, as a wake does."""
    with connect() as connection:
        connection.Producer().publish(
            json.dumps([[], {}, {}]),
            exchange=topology.named("tasks"),
            routing_key=f"{name.partition('.')[0]}.tasks",
            headers={"id": str(uuid4()), "task": name, "lang": "py", "argsrepr": "", "kwargsrepr": ""},
            content_type="application/json",
            content_encoding="utf-8",
        )


def test_the_two_roles_share_all_queues_between_them():
    deliveries, sweeps = (set(topology.queues_of_role(role)) for role in ("deliveries", "sweeps"))

    assert deliveries | sweeps == {queue.name for queue in topology.worker_queues()}
    assert not deliveries & sweeps
    assert {topology.named(f"{context}.events") for context in topology.HEARING} <= deliveries
    assert set(topology.queues_of_role("worker")) == deliveries | sweeps


def test_deliveries_and_mail_do_not_wait_for_a_sweep_that_waits_for_the_provider(broker, start, silent_provider):
    """The sweeps' one process hangs in a call for longer than all of this takes."""
    make_strays(3)
    busy = worker_of(start, broker, "sweeps", **silent_provider)
    prompt = worker_of(start, broker, "deliveries", **silent_provider)
    until(lambda: consumed(broker) == ALL, "every queue has somebody")
    ask("payments.settle_strays")
    until(lambda: RunningSweep.objects.filter(sweep="payments.settle_strays").exists(), "the sweep runs", process=busy)

    order_id = uuid4()
    Email.objects.create(order_id=order_id, cause_id=order_id, kind=EmailKind.ORDER_SHIPPED, due_at=Now())
    ask("notifications.send_due_emails")
    bell = ring()
    relay.drain("orders")

    until(lambda: applied() == [(bell, 1)], "the event is applied", process=prompt)
    until(lambda: Email.objects.get().status != "PENDING", "the mail is settled", process=prompt)
    assert StrayIntent.objects.filter(attempts=0).exists(), "the sweep is still at its work"


def children_of(process):
    main = process._child.pid
    return Path(f"/proc/{main}/task/{main}/children").read_text().split()


def test_the_soft_time_limit_ends_the_turn_and_neither_the_row_nor_the_process_pays_for_it(
    broker, start, silent_provider
):
    make_strays(2)
    worker = worker_of(start, broker, "sweeps", BENCH_SOFT_LIMIT_SECONDS="2", **silent_provider)
    children = children_of(worker)

    ask("payments.settle_strays")
    until(lambda: worker.said("work.out_of_time"), "the limit strikes", process=worker)
    until(lambda: worker.said("task.out_of_time"), "it is told where", process=worker)
    assert worker.said("payments/gateways/stripe/"), worker.tail()
    until(lambda: not RunningSweep.objects.filter(until__gt=Now()).exists(), "the place is left", process=worker)

    first, second = StrayIntent.objects.order_by("id")
    assert (first.attempts, first.last_error) == (0, "")
    assert StrayIntent.objects.filter(pk=first.pk, due_at__gt=Now()).exists(), "its lease decides"
    assert StrayIntent.objects.filter(pk=second.pk, due_at__lte=Now()).exists()
    assert children_of(worker) == children, "no process was killed"
    assert not worker.said("Traceback"), worker.tail()
