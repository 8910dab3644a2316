"""What the relay cannot send: a refused row blocks nobody, and a context that fails keeps no other from its turn."""

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError
from django.db.models.functions import Now

from orders.models import Outbox
from shop.events import outbox, relay
from shop.events.port import TransportUnavailable
from tests.integration.events.bench import ring
from tests.integration.events.test_relay import end_leases


def test_rows_are_free_at_once_when_the_transport_is_away(wire):
    bell = ring()
    wire.away = True
    with pytest.raises(TransportUnavailable):
        relay.drain("orders")
    wire.away = False

    assert relay.drain("orders") == 1
    assert wire.counts(bell) == [1]
    assert Outbox.objects.get().attempts == 0, "an absent broker costs no attempt"


@pytest.mark.usefixtures("long_backoff")
def test_refused_row_waits_and_the_others_are_carried(wire):
    bad, good = ring(), ring()
    wire.refused[bad] = "no queue takes it"

    assert relay.drain("orders") == 1

    row = Outbox.objects.get(aggregate_id=bad)
    assert wire.counts(good) == [1]
    assert (row.published_at, row.attempts, row.last_error) == (None, 1, "no queue takes it")
    assert Outbox.objects.filter(pk=row.pk, claimed_until__gt=Now()).exists(), "it is tried again only after a while"


@pytest.mark.usefixtures("long_backoff")
def test_many_wakes_do_not_spend_the_attempts_of_a_refused_row(wire):
    bad = ring()
    wire.refused[bad] = "nacked"

    for _ in range(20):
        relay.drain("orders")

    row = Outbox.objects.get(aggregate_id=bad)
    assert (row.attempts, row.quarantined_at) == (1, None)


@pytest.mark.usefixtures("long_backoff")
def test_refused_row_holds_back_what_follows_of_its_aggregate(wire):
    bad = ring(count=1)
    wire.refused[bad] = "nacked"
    relay.drain("orders")
    ring(bad, count=2)
    wire.refused.clear()

    assert relay.drain("orders") == 0
    end_leases()
    assert relay.drain("orders") == 2
    assert wire.counts(bad) == [1, 2]


def test_row_that_is_refused_for_good_is_quarantined_and_frees_what_follows(wire, settings):
    settings.EVENTS_MAX_ATTEMPTS = 3
    bad = ring(count=1)
    wire.refused[bad] = "no queue takes it"
    for _ in range(5):
        relay.drain("orders")
        end_leases()
    row = Outbox.objects.get(aggregate_id=bad)
    assert row.attempts == 3
    assert row.quarantined_at is not None

    wire.refused.clear()
    ring(bad, count=2)

    assert relay.drain("orders") == 1
    assert wire.counts(bad) == [2]


def test_more_refused_rows_than_a_batch_do_not_block_the_next(wire, monkeypatch):
    monkeypatch.setattr(relay, "BATCH", 10)
    for _ in range(25):
        wire.refused[ring()] = "nacked"
    good = ring()

    assert relay.drain("orders") == 1
    assert wire.counts(good) == [1]


def failing(errors):
    """Return a `drain` that raises what `errors` says of a context and publishes one row everywhere else."""
    turns = []

    def drain(context):
        turns.append(context)
        if context in errors:
            raise errors[context]
        return 1

    return drain, turns


@pytest.mark.parametrize("error", [TransportUnavailable("away"), OperationalError("away"), ValueError("a bug")])
def test_context_that_fails_keeps_no_other_from_its_turn(error, monkeypatch):
    contexts = outbox.publishing_contexts()
    drain, turns = failing({contexts[0]: error})
    monkeypatch.setattr(relay, "drain", drain)

    with pytest.raises(type(error)) as raised:
        relay.drain_all()

    assert raised.value is error
    assert turns == contexts


def test_outage_felt_in_every_context_is_raised_under_its_own_name(monkeypatch):
    contexts = outbox.publishing_contexts()
    for names in (
        (TransportUnavailable,),
        (OperationalError, InterfaceError),
        (TransportUnavailable, OperationalError),
    ):
        errors = {context: names[n % len(names)](context) for n, context in enumerate(contexts)}
        drain, turns = failing(errors)
        monkeypatch.setattr(relay, "drain", drain)

        with pytest.raises((OperationalError, InterfaceError) if len(names) > 1 else TransportUnavailable):
            relay.drain_all()

        assert turns == contexts


def test_bugs_of_several_contexts_are_raised_together(monkeypatch):
    first, second, *_others = outbox.publishing_contexts()
    errors = {first: ValueError(first), second: KeyError(second)}
    drain, _turns = failing(errors)
    monkeypatch.setattr(relay, "drain", drain)

    with pytest.raises(ExceptionGroup) as raised:
        relay.drain_all()

    assert list(raised.value.exceptions) == list(errors.values())


def test_worker_that_is_out_of_time_drains_no_further(monkeypatch):
    drain, turns = failing({outbox.publishing_contexts()[0]: SoftTimeLimitExceeded()})
    monkeypatch.setattr(relay, "drain", drain)

    with pytest.raises(SoftTimeLimitExceeded):
        relay.drain_all()

    assert len(turns) == 1
