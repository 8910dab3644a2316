"""The bus's sweeps over all contexts: one that fails keeps no other from its turn, and a backlog goes in batches."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError
from django.db.models.functions import Now
from django.utils import timezone

from config.celery import app
from notifications.models import Inbox
from orders.models import Outbox
from shop import retention, tasks, topology
from shop.events import inbox, outbox, pruning, relay
from shop.models import RunningSweep
from shop.work.sweeps import sweeps
from tests.integration.events.bench import ring

AWAY = OperationalError("the database is away")


@pytest.fixture
def retried(monkeypatch):
    """The contexts whose deliveries were tried again; those in `retried.errors` fail."""

    class Turns(list):
        errors: dict[str, Exception] = {}

    turns = Turns()

    def retry_due(context):
        turns.append(context)
        if context in turns.errors:
            raise turns.errors[context]
        return 1

    monkeypatch.setattr(inbox, "retry_due", retry_due)
    return turns


def test_each_sweep_is_asked_for_in_the_queue_of_its_context():
    asked_in = {sweep.name: app.amqp.router.route({}, sweep.name)["queue"].name for sweep in sweeps()}

    assert asked_in == {sweep.name: topology.named(f"{sweep.context}.tasks") for sweep in sweeps()}


def test_context_whose_retries_fail_keeps_no_other_from_its_own(retried, caplog):
    contexts = inbox.hearing_contexts()
    retried.errors = {contexts[0]: AWAY}

    with pytest.raises(OperationalError) as raised:
        tasks.retry_deliveries()

    assert raised.value is AWAY
    assert retried == contexts
    assert "sweep.context_failed" in caplog.text


def test_contexts_that_fail_are_raised_together(retried):
    first, second, *_others = inbox.hearing_contexts()
    retried.errors = {first: AWAY, second: ValueError("a bug")}

    with pytest.raises(ExceptionGroup) as raised:
        tasks.retry_deliveries()

    assert list(raised.value.exceptions) == list(retried.errors.values())


def test_worker_that_is_out_of_time_begins_no_other_context(retried):
    retried.errors = {inbox.hearing_contexts()[0]: SoftTimeLimitExceeded()}

    with pytest.raises(SoftTimeLimitExceeded):
        tasks.retry_deliveries()

    assert len(retried) == 1


@pytest.fixture
def backlog(bell_book, monkeypatch):
    """Seven published rows in the outbox of orders, and their entries in an inbox, all past retention; batches of two."""
    for _bell in range(7):
        ring()
    relay.drain("orders")
    old = timezone.now() - timedelta(days=10_000)
    Outbox.objects.update(published_at=old, occurred_at=old)
    Inbox.objects.update(received_at=old)
    monkeypatch.setattr(retention, "BATCH", 2)


@pytest.fixture
def batches(monkeypatch):
    """How much each transaction of the pruning deleted, by table."""
    made = []
    delete = retention.delete_batch

    def noted(pruning):
        made.append((pruning.context, pruning.rows.model, delete(pruning)))
        return made[-1][2]

    monkeypatch.setattr(retention, "delete_batch", noted)
    return made


def test_backlog_is_pruned_in_batches_until_nothing_is_left(backlog, batches):
    assert tasks.prune_events() == 14

    assert Outbox.objects.count() == Inbox.objects.count() == 0
    assert [deleted for _context, model, deleted in batches if model is Outbox] == [2, 2, 2, 1]


def test_pruning_ends_with_its_time_and_the_next_sweep_goes_on(backlog, monkeypatch):
    seconds = iter(range(10_000))
    monkeypatch.setattr(pruning, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    tables = len(outbox.publishing_contexts()) + 2 * len(inbox.hearing_contexts())
    monkeypatch.setattr(retention, "SECONDS", tables + 1)

    first = tasks.prune_events()
    rest = tasks.prune_events() + tasks.prune_events()

    assert first == 4, "each table had its turn, and what was deleted stays deleted"
    assert first + rest > 4


def test_context_that_cannot_be_pruned_keeps_no_other_from_it(backlog, monkeypatch):
    delete, broken = retention.delete_batch, outbox.publishing_contexts()[0]

    def delete_batch(pruning):
        if pruning.context == broken:
            raise AWAY
        return delete(pruning)

    monkeypatch.setattr(retention, "delete_batch", delete_batch)
    assert broken not in ("orders", "notifications")

    with pytest.raises((OperationalError, ExceptionGroup)):
        tasks.prune_events()

    assert Outbox.objects.count() == Inbox.objects.count() == 0


def test_sweep_that_is_asked_for_as_a_task_runs_in_a_place_whatever_a_later_release_tells_it():
    ring()

    assert app.tasks["shop.relay_outbox"](of_a_later_release=1) == 1

    assert not RunningSweep.objects.filter(until__gt=Now()).exists()
