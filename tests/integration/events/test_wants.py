"""A subscriber that declines facts by what they say: nothing is sent to it, and nobody waits for its answer."""

from __future__ import annotations

from uuid import uuid4

import pytest

from notifications.models import Inbox
from shop.events import relay, subscribers
from tests.integration.events.bench import Rung, Struck, applied, apply, hear, ring


def wants_even(data):
    return data["count"] % 2 == 0


@pytest.fixture
def picky():
    return hear(lambda event: apply(event, "notifications.picky"), name="picky", wants=wants_even)


def test_subscriber_is_sent_only_what_it_wants(picky, bell_book):
    bell = uuid4()
    for count in (1, 2, 3, 4):
        ring(bell, count=count)

    relay.drain_all()

    assert applied(picky) == [(bell, 2), (bell, 4)]
    assert applied(bell_book) == [(bell, 1), (bell, 2), (bell, 3), (bell, 4)]
    assert Inbox.objects.filter(subscriber=picky).count() == 2


def test_fact_is_heard_if_anybody_wants_it(picky):
    assert subscribers.heard(Rung(bell=uuid4(), count=2))
    assert not subscribers.heard(Rung(bell=uuid4(), count=3))
    assert not subscribers.heard(Struck(bell=uuid4(), count=2))


def test_fact_is_heard_by_one_that_wants_all(picky, bell_book):
    assert subscribers.heard(Rung(bell=uuid4(), count=3))
