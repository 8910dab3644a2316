"""Facts that the broker confirmed and lost: found by the audit, published again by the sweep and by staff."""

import os
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.models import F

from notifications.models import Inbox
from orders.models import Outbox
from shop.audit import bus as audit_of_the_bus
from shop.audit import checks
from shop.clock import now
from shop.events import relay, republish, unheard
from shop.events.unheard import unheard_among
from shop.ids import new_id
from shop.models import HearingLook, Subscription
from shop.story import bus
from tests.integration.events import bench
from tests.integration.events.bench import applied, apply, hear, ring

LONG_AGO = timedelta(minutes=30)


@pytest.fixture
def bells(bell_book):
    """A subscriber that has been noted an hour ago."""
    unheard.note_subscriptions()
    Subscription.objects.update(since=now() - timedelta(hours=1))
    return bell_book


def lose(*, ago=LONG_AGO):
    """Publish a fact and lose it behind the broker's confirm; return its row."""
    bell = ring()
    rows = Outbox.objects.filter(aggregate_id=bell)
    rows.update(published_at=now() - ago, occurred_at=now() - ago)
    return rows.get()


def age(*, by=LONG_AGO):
    Outbox.objects.filter(published_at__isnull=False).update(
        published_at=F("published_at") - by, occurred_at=F("occurred_at") - by
    )
    HearingLook.objects.update(published_at=F("published_at") - by)


def violations():
    (check,) = [check for check in checks() if check.context == "orders" and "was heard by" in check.title]
    return list(check.run())


def told(**options):
    out = StringIO()
    call_command("publish_again", stdout=out, **options)
    return out.getvalue()


def test_audit_names_a_fact_that_was_published_and_never_heard(bells):
    fact = lose()

    (violation,) = violations()

    assert violation.promise == "I8"
    assert str(fact.event_id) in violation.subject
    assert bells in violation.detail


def test_audit_looks_at_every_page_of_facts(bells, monkeypatch):
    monkeypatch.setattr(unheard, "IDS", 2)
    heard, *lost = [lose(ago=timedelta(minutes=minutes)) for minutes in (33, 37, 36, 35, 34, 32, 31)]
    Inbox.objects.create(subscriber=bells, event_id=heard.event_id, event_type=heard.type, status="PROCESSED")

    assert [violation.subject.split()[1] for violation in violations()] == [str(fact.event_id) for fact in lost]


def test_audit_looks_at_every_page_of_what_was_heard(bells, monkeypatch):
    monkeypatch.setattr(audit_of_the_bus, "PAGE", 2)
    told = lose()
    heard = [told.event_id, *(new_id() for _delivery in range(5))]
    for event_id in heard:
        Inbox.objects.create(subscriber=bells, event_id=event_id, event_type=told.type, status="PROCESSED")
    [check] = [
        each
        for each in checks()
        if (each.context, each.title) == ("notifications", "every fact that was heard was told")
    ]

    assert [violation.subject for violation in check.run()] == [
        f"delivery {event_id} at {bells}" for event_id in heard[1:]
    ]


@pytest.mark.parametrize("status", ["PROCESSED", "RETRYING", "DEAD", "DISCARDED"])
def test_a_fact_with_a_row_of_any_status_is_heard(bells, status):
    fact = lose()
    Inbox.objects.create(subscriber=bells, event_id=fact.event_id, event_type=fact.type, status=status)

    assert violations() == []
    assert republish.publish_unheard() == 0


def test_each_subscriber_is_owed_the_fact(bells):
    other = hear(lambda event: apply(event, "notifications.other"), name="other")
    unheard.note_subscriptions()
    Subscription.objects.update(since=now() - timedelta(hours=1))
    fact = lose()
    Inbox.objects.create(subscriber=bells, event_id=fact.event_id, event_type=fact.type, status="PROCESSED")

    assert republish.publish_unheard() == 1
    relay.drain("orders")

    assert applied() == [(fact.aggregate_id, 1)]
    assert applied(other) == [(fact.aggregate_id, 1)], "and the other, which knew it, dropped the copy"


def test_a_look_that_was_noted_in_the_future_hides_nothing(bells):
    fact = lose()
    HearingLook.objects.create(context="orders", published_at=now() + timedelta(hours=1), last_id=fact.pk)

    assert republish.publish_unheard() == 1

    assert HearingLook.objects.get(context="orders").published_at < now()
    assert republish.publish_unheard() == 0, "the next look goes on where this one ended"


def test_a_fact_that_is_still_on_its_way_is_not_judged(bells):
    lose(ago=timedelta(minutes=5))
    waiting = lose()
    Outbox.objects.filter(pk=waiting.pk).update(published_at=None)

    assert violations() == []
    assert republish.publish_unheard() == 0


def test_a_fact_from_before_its_subscriber_is_not_owed_to_it(bells):
    lose(ago=timedelta(hours=2))
    hear(lambda event: apply(event, "notifications.new"), name="new")
    unheard.note_subscriptions()
    fact = lose()
    Inbox.objects.create(subscriber=bells, event_id=fact.event_id, event_type=fact.type, status="PROCESSED")

    assert violations() == []
    assert republish.publish_unheard() == 0


def test_a_subscriber_that_was_never_noted_is_owed_nothing(bell_book):
    lose()

    assert violations() == []


@pytest.mark.parametrize(
    ("wants", "owed"), [(lambda told: told["count"] == 1, 1), (lambda told: told["count"] == 2, 0)]
)
def test_only_who_wants_the_fact_is_owed_it(bells, wants, owed):
    picky = hear(lambda event: apply(event, "notifications.picky"), name="picky", wants=wants)
    unheard.note_subscriptions()
    Subscription.objects.update(since=now() - timedelta(hours=1))
    fact = lose()
    Inbox.objects.create(subscriber=bells, event_id=fact.event_id, event_type=fact.type, status="PROCESSED")

    found = [name for each in unheard.look_through("orders", unheard.subscribed_since()) for name in each.subscribers]

    assert found == [picky] * owed


def test_who_wants_something_else_than_before_is_not_told_of_the_past():
    first = hear(lambda event: apply(event, "x"), name="picky", wants=lambda told: told["count"] == 2)
    unheard.note_subscriptions()
    Subscription.objects.update(since=now() - timedelta(hours=1))
    lose()
    bench.remove()
    bench.install()
    assert hear(lambda event: apply(event, "x"), name="picky", wants=lambda told: told["count"] == 1) == first

    unheard.note_subscriptions()

    assert violations() == []
    assert Subscription.objects.filter(subscriber=first).count() == 2


def test_what_the_inboxes_no_longer_remember_is_neither_judged_nor_published_again(bells, settings):
    Subscription.objects.update(since=now() - timedelta(days=90))
    fact = lose(ago=timedelta(days=settings.EVENTS_RETENTION_DAYS))

    assert violations() == []
    assert republish.publish_unheard() == 0
    assert republish.publish_again("orders", [fact.pk], by="ann") == 0
    assert told(event=[fact.event_id], all=True).endswith("0 facts looked at, 0 published again\n")


def test_sweep_publishes_a_lost_fact_again_and_it_is_applied_once(bells):
    lost, heard = lose(), ring()
    relay.drain("orders")
    age()

    assert republish.publish_unheard() == 1
    relay.drain("orders")
    assert republish.publish_unheard() == 0
    age()
    assert republish.publish_unheard() == 0

    assert sorted(applied()) == sorted([(lost.aggregate_id, 1), (heard, 1)])
    assert violations() == []


def test_a_fact_that_is_lost_again_is_published_again(bells):
    fact = lose()
    assert republish.publish_unheard() == 1
    Outbox.objects.filter(pk=fact.pk).update(published_at=now())
    assert republish.publish_unheard() == 0
    age()

    assert republish.publish_unheard() == 1


def test_sweep_looks_at_each_fact_once_and_writes_nothing_where_nothing_moved(bells, monkeypatch):
    for _ in range(3):
        ring()
    relay.drain("orders")
    age()
    asked = []
    among = unheard_among
    monkeypatch.setattr(republish, "unheard_among", lambda facts, since: asked.extend(facts) or among(facts, since))

    republish.publish_unheard()
    before = list(HearingLook.objects.values())
    republish.publish_unheard()

    assert len(asked) == 3
    assert list(HearingLook.objects.values()) == before


def test_facts_published_at_one_moment_are_all_looked_at_across_pages(bells, monkeypatch):
    monkeypatch.setattr(unheard, "PAGE", 2)
    monkeypatch.setattr(republish, "PAGES", 1)
    unheard._pages.cache_clear()
    moment = now() - LONG_AGO
    for _ in range(5):
        ring()
    Outbox.objects.update(published_at=moment, occurred_at=moment)

    try:
        assert [republish.publish_unheard() for _ in range(4)] == [2, 2, 1, 0]
    finally:
        unheard._pages.cache_clear()


def test_the_terms_of_a_subscription_are_the_same_in_every_process(bells):
    script = (
        "from orders.handlers import is_news; from shop.events import unheard;"
        "print(unheard._terms_of(is_news), unheard._terms_of(lambda told: told in {'a', 'b', 'c'} or [x for x in told]))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", f"import django; django.setup(); {script}"],
            env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test", "PYTHONHASHSEED": seed},
            check=True, capture_output=True, text=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip

    assert len(said) == 1


def test_a_turn_that_dies_before_it_noted_how_far_it_was_does_no_harm(bells, monkeypatch):
    fact = lose()

    def die(*_arguments):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(republish, "_note", die)
        with pytest.raises(RuntimeError):
            republish.publish_unheard()
    republish.publish_unheard()
    relay.drain("orders")
    republish.publish_unheard()

    assert applied() == [(fact.aggregate_id, 1)]


def test_behind_a_backlog_nothing_is_published_again_and_nothing_forgotten(bells, monkeypatch):
    lose()
    with monkeypatch.context() as patch:
        patch.setattr(republish, "_still_on_their_way", lambda _unheard: ["notifications.events"])
        assert republish.publish_unheard() == 0
        assert Outbox.objects.filter(published_at=None).count() == 0

    assert republish.publish_unheard() == 1


def test_command_tells_and_publishes_what_is_not_heard(bells):
    lost = lose()
    ring()
    relay.drain("orders")

    dry = told(since=now() - timedelta(hours=1), dry_run=True)
    assert f"orders         bench.rung {lost.event_id}: not heard by {bells}" in dry
    assert dry.endswith("3 facts looked at, 1 would be published again\n"), (
        "the third is the effect of the one that was heard"
    )
    assert Outbox.objects.filter(published_at=None).count() == 0

    assert told(event=[lost.event_id]).endswith("1 facts looked at, 1 published again\n")
    relay.drain("orders")
    assert (lost.aggregate_id, 1) in applied()
    assert told(order=str(lost.aggregate_id)).endswith("2 facts looked at, 0 published again\n")
    assert told(order=str(lost.aggregate_id), all=True).endswith("2 facts looked at, 2 published again\n")
    relay.drain("orders")
    assert len(applied()) == 2, "the inbox dropped the copy"


def test_story_of_an_order_tells_of_the_fact_that_nobody_heard(bells):
    fact = lose()

    (told_of,) = bus.tell_story(fact.aggregate_id).upcoming

    assert (told_of.context, told_of.by_staff) == ("orders", False)
    assert f"{bells} has not heard of it" in told_of.what
    assert f"publish_again --event {fact.event_id}" in told_of.what
    republish.publish_unheard()
    relay.drain("orders")
    assert bus.tell_story(fact.aggregate_id).upcoming == ()


def test_command_wants_to_be_told_which(bells):
    with pytest.raises(CommandError, match="name an order"):
        told()
    with pytest.raises(CommandError, match="nothing is known"):
        told(order="SO-NOTHING")
    assert "0 published again" in told(order=str(uuid4()))


def test_facts_are_published_again_up_to_a_moment(bells):
    early, _late = lose(ago=timedelta(minutes=40)), lose(ago=timedelta(minutes=20))

    shown = told(until=now() - timedelta(minutes=30), dry_run=True)

    assert "1 facts looked at, 1 would be published again" in shown
    assert str(early.event_id) in shown


def test_a_moment_that_is_none_is_refused():
    with pytest.raises(CommandError, match="not a moment in ISO 8601: yesterday"):
        call_command("publish_again", "--since", "yesterday", stdout=StringIO())


def test_audit_says_nothing_of_what_was_heard_of_a_type_that_this_release_does_not_know(bells):
    Inbox.objects.create(subscriber=bells, event_id=new_id(), event_type="bench.never_heard_of", status="PROCESSED")
    [check] = [
        each
        for each in checks()
        if (each.context, each.title) == ("notifications", "every fact that was heard was told")
    ]

    assert list(check.run()) == []


def test_without_a_broker_nothing_is_on_its_way_between_an_outbox_and_an_inbox(bells, settings, monkeypatch):
    settings.BROKER_URL = ""
    monkeypatch.setattr(republish, "connect", lambda: pytest.fail("there is no broker"))
    lose()

    assert republish.publish_unheard() == 1
