"""The history: what leaves an outbox goes there, whoever deletes it; nothing changes it; its watermarks say what is there."""

import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, connections
from django.db.models import F
from django.db.models.functions import Now

from notifications.models import Inbox
from orders.models import History, Outbox, Watermark
from payments import tasks as payment_tasks
from shop import retention, tasks, transactions
from shop.audit import checks
from shop.clock import now
from shop.events import outbox, past, relay, republish, unheard
from shop.events.past import Kept, facts_about, history_of, watermark_of
from shop.models import Subscription
from tests.integration.events.bench import applied, ring

LONG_AGO = timedelta(days=31)


def execute(sql, *parameters, context="orders"):
    with connections[transactions.alias_for(context)].cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


def tell(*, rings=1, ago=LONG_AGO):
    """Publish facts of one bell, so long ago; return its id."""
    bell = uuid.uuid4()
    for _ring in range(rings):
        ring(bell)
    relay.drain("orders")
    Outbox.objects.filter(aggregate_id=bell).update(
        published_at=F("published_at") - ago, occurred_at=F("occurred_at") - ago
    )
    return bell


def violations(title="no fact left the outbox unpublished"):
    return [found for check in checks() if check.title == title for found in check.run()]


def test_what_is_past_its_retention_in_the_outbox_is_moved_whole():
    bell = tell(rings=3)
    columns = [field.name for field in History._meta.fields]
    told = list(Outbox.objects.order_by("id").values(*columns))
    before = facts_about("orders", [bell])

    assert tasks.prune_events() == 3

    assert not Outbox.objects.exists()
    assert list(History.objects.order_by("id").values(*columns)) == told
    assert facts_about("orders", [bell]) == before
    assert [fact.aggregate_id for fact in before] == [bell] * 3


def test_what_leads_to_a_person_stays_behind():
    bell = tell()
    Outbox.objects.update(payload={"order_id": "1", "tracking_number": "TRACK-1"})
    [young] = facts_about("orders", [bell])

    tasks.prune_events()

    assert History.objects.get().payload == young.payload == {"order_id": "1"}
    assert facts_about("orders", [bell]) == [young]


def test_the_old_and_the_young_facts_of_one_aggregate_are_read_together_in_the_order_in_which_they_were_told():
    bell = tell(rings=2)
    tasks.prune_events()
    ring(bell)

    assert (History.objects.count(), Outbox.objects.count()) == (2, 1)
    assert [fact.pk for fact in facts_about("orders", [bell])] == [
        *History.objects.order_by("id").values_list("id", flat=True),
        Outbox.objects.get().pk,
    ]


def test_a_release_that_knows_no_history_loses_no_fact_by_its_pruning():
    bell = tell(rings=2)

    execute("DELETE FROM orders_outbox WHERE published_at < now() - interval '30 days'")

    assert [fact.aggregate_id for fact in facts_about("orders", [bell])] == [bell] * 2


def test_prunings_at_once_move_each_fact_once(background, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 7)
    bells = {tell(rings=25) for _bell in range(4)}
    told = set(Outbox.objects.values_list("event_id", flat=True))

    prunings = [background(tasks.prune_events) for _turn in range(4)]
    gone = sum(pruning.result() for pruning in prunings)

    assert gone == len(told) == 100
    assert not Outbox.objects.exists()
    assert set(History.objects.values_list("event_id", flat=True)) == told
    assert {fact.aggregate_id for fact in facts_about("orders", bells)} == bells


def test_a_pruning_that_is_killed_before_its_commit_has_moved_nothing():
    bell = tell(rings=3)
    before = facts_about("orders", [bell])
    pruning = connections[transactions.alias_for("orders")].copy()
    with pruning.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("DELETE FROM orders_outbox")
        cursor.execute("SELECT (SELECT count(*) FROM orders_history), pg_backend_pid()")
        moved, pid = cursor.fetchone()

    assert execute("SELECT pg_terminate_backend(%s, 10000)", pid) == [(True,)]
    pruning.close()

    assert (moved, Outbox.objects.count(), History.objects.count()) == (3, 3, 0)
    assert facts_about("orders", [bell]) == before


def test_a_reader_sees_each_fact_once_while_it_is_moved(background):
    bell = tell(rings=50)
    seen = {fact.event_id for fact in facts_about("orders", [bell])}

    pruning = background(tasks.prune_events)
    while not pruning.done():
        facts = [fact.event_id for fact in facts_about("orders", [bell])]
        assert len(facts) == len(seen)
        assert set(facts) == seen

    assert History.objects.count() == 50


@pytest.mark.parametrize("context", outbox.publishing_contexts())
@pytest.mark.parametrize("sql", ["UPDATE {} SET payload = '{{}}'", "UPDATE {} SET actor = 'nobody'", "DELETE FROM {}"])
def test_the_history_can_only_be_appended_to(context, sql):
    about = uuid.uuid4()
    fact = {"type": "t", "schema_version": 1, "aggregate_id": about, "aggregate_version": 1, "payload": {"a": 1}}
    row = history_of(context)._default_manager.create(
        id=1, event_id=uuid.uuid4(), occurred_at=now(), published_at=now(), **fact
    )
    past.let_go(context, Kept.HISTORY, after=timedelta(days=2))
    past.let_go(context, Kept.INBOX, after=timedelta(0))

    with pytest.raises(IntegrityError, match="append-only"):
        execute(sql.format(row._meta.db_table), context=context)

    assert facts_about(context, [about])[0].payload == {"a": 1}


def test_years_later_the_history_is_pruned_and_no_further_than_its_watermark(settings):
    settings.HISTORY_RETENTION_DAYS = 400
    old, young = tell(rings=2, ago=timedelta(days=401)), tell(ago=timedelta(days=399))
    tasks.prune_events()

    assert tasks.prune_history() == 2

    assert facts_about("orders", [old]) == []
    assert len(facts_about("orders", [young])) == 1
    since = Watermark.objects.get(kept=Kept.HISTORY).since
    assert abs(since - (now() - timedelta(days=400) + past.MARGIN)) < timedelta(minutes=5)


def test_without_a_retention_the_history_is_kept_for_good(settings):
    settings.HISTORY_RETENTION_DAYS = 0
    tell(ago=timedelta(days=9000))
    tasks.prune_events()

    assert (tasks.prune_history(), payment_tasks.prune_webhooks()) == (0, 0)
    assert History.objects.count() == 1


def test_a_watermark_never_falls_whatever_a_setting_says():
    past.let_go("orders", Kept.HISTORY, after=timedelta(days=10))
    high = past.complete_since("orders", Kept.HISTORY)

    past.let_go("orders", Kept.HISTORY, after=timedelta(days=1000))

    assert past.complete_since("orders", Kept.HISTORY) == high
    assert past.complete_since("orders", Kept.BEGAN) is None


def test_the_watermark_is_durable_before_the_first_fact_goes(monkeypatch, settings):
    settings.HISTORY_RETENTION_DAYS = 40
    tell(ago=timedelta(days=50))
    tasks.prune_events()
    monkeypatch.setattr(retention, "Q", None)  # the worker dies after it has raised the watermark

    with pytest.raises(TypeError):
        tasks.prune_history()

    assert watermark_of("orders")._default_manager.filter(kept=Kept.HISTORY).exists()
    assert History.objects.count() == 1


def test_the_audit_names_a_fact_that_left_the_outbox_before_it_was_published():
    published = tell()
    bell = ring()
    Outbox.objects.all().delete()

    (found,) = violations()

    assert found.promise == "I8"
    assert str(bell) in found.subject
    assert str(published) not in found.subject


@pytest.fixture
def heard_long_ago(bell_book, settings):
    """A fact that was heard and whose inbox row is pruned, while its outbox row is still there: that pruning lags behind."""
    settings.EVENTS_RETENTION_DAYS = 30
    unheard.note_subscriptions()
    Subscription.objects.update(since=now() - timedelta(days=90))
    tell(ago=timedelta(days=35))
    Inbox.objects.update(received_at=Now() - timedelta(days=35))
    fact = Outbox.objects.get()
    Outbox.objects.update(published_at=now() - timedelta(days=29))
    tasks.prune_events()
    assert (Outbox.objects.count(), Inbox.objects.count()) == (1, 0)
    return fact


@pytest.mark.parametrize("days", [7, 30, 36, 60, 3650])
def test_no_retention_makes_the_audit_call_a_fact_unheard_that_was_heard(heard_long_ago, settings, days):
    settings.EVENTS_RETENTION_DAYS = days

    assert violations("every published fact was heard by its subscribers") == []
    assert republish.publish_unheard() == 0
    assert republish.publish_again("orders", [heard_long_ago.pk], by="ann") == 0
    relay.drain("orders")
    assert len(applied()) == 1
