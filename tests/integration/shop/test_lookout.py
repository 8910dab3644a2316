"""Looking for work: what is due is asked for, nothing else is, and a database that is away hides nothing for long."""

import threading
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError, connections
from django.db.models.functions import Now

from notifications.models import Email, EmailKind
from notifications.models import Inbox as NotificationsInbox
from orders.models import Outbox as OrdersOutbox
from payments.models import StrayIntent, WebhookEvent
from shop.work import lookout, sweeps
from shop.work.lookout import Lookout
from shop.work.sweeps import Sweep
from tests.driver.sweeps import ASIDE
from tests.integration.events.bench import ring

DEADLINE = 60


def found() -> set[str]:
    """Return the sweeps that have something to do, as the lookout sees it now."""
    return {sweep.name for look in lookout._looks(sweeps.sweeps()) for sweep in look.find()}


def test_an_idle_shop_has_nothing_to_ask_for(database):
    assert found() == set()


def test_every_sweep_on_an_order_s_way_says_when_it_has_something_to_do():
    silent = {sweep.name for sweep in sweeps.sweeps() if sweep.due is None and sweep.waits is None}
    assert silent == ASIDE - {"shop.collect_dead_letters"} | {"shop.read_dead_letters_again"}


def test_what_is_due_is_asked_for_in_each_context(database):
    stray = {"order_id": uuid4(), "reason": "UNKNOWN_ORDER", "amount_minor": 1, "currency": "EUR"}
    StrayIntent.objects.create(intent_id="pi_1", due_at=Now(), **stray)
    WebhookEvent.objects.create(event_id="evt_1", type="t", intent_id="pi_1", due_at=Now() + timedelta(minutes=1))
    order_id = uuid4()
    Email.objects.create(order_id=order_id, cause_id=order_id, kind=EmailKind.ORDER_SHIPPED, due_at=Now())
    NotificationsInbox.objects.create(
        subscriber="s", event_id=uuid4(), event_type="t", status="RETRYING", due_at=Now(), error=""
    )
    ring()

    assert found() == {
        "payments.settle_strays",
        "notifications.send_due_emails",
        "shop.retry_deliveries",
        "shop.relay_outbox",
    }


@pytest.mark.parametrize(
    ("wakes", "age", "looks"), [(True, 0, False), (True, 3, True), (False, 0, True), (True, -60, True)]
)
def test_a_fact_is_left_to_its_process_for_a_moment(database, settings, wakes, age, looks):
    settings.EVENTS_WAKE_IN_PROCESS = False
    ring()
    settings.EVENTS_WAKE_IN_PROCESS = wakes
    OrdersOutbox.objects.update(occurred_at=Now() - timedelta(seconds=age))

    assert ("shop.relay_outbox" in found()) is looks


def test_an_older_fact_is_found_behind_one_that_is_under_way(database, settings):
    ring()
    ring()
    settings.EVENTS_WAKE_IN_PROCESS = True
    first, second = OrdersOutbox.objects.order_by("id")
    OrdersOutbox.objects.update(occurred_at=Now() - timedelta(minutes=1))
    OrdersOutbox.objects.filter(pk=first.pk).update(claimed_until=Now() + timedelta(minutes=1))
    assert found() == {"shop.relay_outbox"}

    OrdersOutbox.objects.filter(pk=second.pk).update(published_at=Now())
    assert found() == set()


def test_a_context_is_looked_at_as_often_as_its_most_frequent_sweep():
    every = {look.context: look.every_seconds for look in lookout._looks(sweeps.sweeps())}
    assert every == {"orders": 1, "notifications": 1, "shipping": 1, "inventory": 2, "payments": 2, "shop": 60}


class Asked:
    def __init__(self):
        self.names, self.event = [], threading.Event()

    def __call__(self, name):
        self.names.append(name)
        self.event.set()


def sweep(name="payments.bench", every_seconds=0.01, **how):
    return Sweep(name, "payments", every_seconds, lambda: 0, None, **how)


@pytest.fixture
def run(database):
    """Run a lookout until the test ends."""
    begun = []

    def start(*sweeps):
        asked = Asked()
        begun.append(Lookout(sweeps, asked))
        begun[-1].start()
        return asked

    yield start
    for each in begun:
        each.stop()
    deadline = time.monotonic() + DEADLINE
    while any(thread.name.startswith("lookout") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the lookout ends when it is told to"
        time.sleep(0.01)


def test_a_lookout_asks_again_and_again_but_not_more_often_than_the_interval(run):
    asked = run(sweep(due=lambda: {"payments": "true"}), sweep("payments.rare", 3600, due=lambda: {"payments": "true"}))
    deadline = time.monotonic() + DEADLINE
    while asked.names.count("payments.bench") < 3 and time.monotonic() < deadline:
        time.sleep(0.01)

    assert asked.names.count("payments.bench") >= 3
    assert asked.names.count("payments.rare") == 1


def test_a_lookout_outlives_a_database_that_is_away(run, monkeypatch, caplog):
    monkeypatch.setattr(lookout, "REST_AFTER_FAILURE_SECONDS", 0.01)
    failures = iter([OperationalError("away"), OperationalError("still away"), ZeroDivisionError("a bug")])
    find = lookout._Look.find

    def find_or_fail(look):
        if (error := next(failures, None)) is not None:
            raise error
        return find(look)

    monkeypatch.setattr(lookout._Look, "find", find_or_fail)
    asked = run(sweep(due=lambda: {"payments": "true"}))

    assert asked.event.wait(DEADLINE)
    assert caplog.text.count("lookout.database_unavailable") == 1, "an outage is told once"


def test_what_waits_elsewhere_is_asked_for_also_after_a_failure(run):
    answers = iter([OSError("the broker is away"), False, True])

    def waits():
        answer = next(answers, False)
        if isinstance(answer, Exception):
            raise answer
        return answer

    asked = run(sweep(waits=waits))

    assert asked.event.wait(DEADLINE)
    assert asked.names == ["payments.bench"]


def test_a_look_is_one_statement_a_context(database, sql_guard):
    sql_guard.statements.clear()
    looks = lookout._looks(sweeps.sweeps())
    for look in looks:
        look.find()

    assert len(sql_guard.statements) == len(looks) == 6
    connections.close_all()
