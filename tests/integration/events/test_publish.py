"""A fact leaves with the transaction that makes it true, or not at all."""

from uuid import uuid4

import pytest

from orders.models import Outbox
from shop import transactions
from shop.events import relay
from shop.events.publishing import publish
from tests.integration.events.bench import Rung, applied, hear, ring


def test_publishing_outside_a_transaction_is_refused():
    with pytest.raises(transactions.TransactionMisuse):
        publish(Rung(bell=uuid4(), count=1), aggregate_id=uuid4(), aggregate_version=1)

    assert not Outbox.objects.exists()


def test_publishing_in_another_contexts_transaction_is_refused():
    with pytest.raises(transactions.TransactionMisuse), transactions.transaction("payments"):
        publish(Rung(bell=uuid4(), count=1), aggregate_id=uuid4(), aggregate_version=1)


def test_fact_is_written_before_its_transaction_ends():
    with transactions.transaction("orders"):
        publish(Rung(bell=uuid4(), count=1), aggregate_id=uuid4(), aggregate_version=1)
        assert Outbox.objects.count() == 1


def test_fact_is_rolled_back_with_its_transaction(bell_book):
    def ring_and_fail():
        with transactions.transaction("orders"):
            publish(Rung(bell=uuid4(), count=1), aggregate_id=uuid4(), aggregate_version=1)
            raise RuntimeError("the use case fails after it published")

    with pytest.raises(RuntimeError):
        ring_and_fail()

    assert relay.drain("orders") == 0
    assert applied() == []


def test_fact_that_is_not_committed_yet_is_not_carried(bell_book, background):
    with transactions.transaction("orders"):
        publish(Rung(bell=uuid4(), count=1), aggregate_id=uuid4(), aggregate_version=1)
        assert background(relay.drain, "orders").result(60) == 0

    assert relay.drain("orders") == 1
    assert len(applied()) == 1


def test_draining_in_a_transaction_is_refused():
    with pytest.raises(transactions.TransactionMisuse), transactions.transaction("orders"):
        relay.drain("orders")


def test_published_row_says_when_and_is_not_carried_again(bell_book):
    ring()

    assert (relay.drain("orders"), relay.drain("orders")) == (1, 0)

    row = Outbox.objects.get()
    assert row.published_at >= row.occurred_at
    assert row.claimed_until is None


def test_event_that_nobody_hears_counts_as_published():
    ring()

    assert relay.drain("orders") == 1
    assert Outbox.objects.filter(published_at=None).count() == 0


def test_two_handlers_of_one_name_are_refused(bell_book):
    with pytest.raises(TypeError, match=f"two handlers are named {bell_book}"):
        hear(lambda _event: None, name="write_down")
