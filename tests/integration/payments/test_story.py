"""The story of a payment, as a human reads it."""

from __future__ import annotations

import pytest

from payments import api as payments
from payments.models import WebhookEvent
from payments.story import _IN_WORDS, tell_story
from shop.events.event import registry
from shop.ids import new_id
from shop.money import Money


def test_story_tells_what_happened_and_what_comes_next(sandbox, authorize, order_id):
    sandbox.fail("lost_answer", "*/confirm")
    with pytest.raises(payments.PaymentUnknown):
        authorize()

    story = tell_story(order_id)
    assert [one.what for one in story.happened] == [
        "the payment was written down",
        "Stripe holds the unconfirmed intent",
        "Stripe's answer did not come: what happened is being asked",
    ]
    assert story.happened[0].facts == {"amount": "49.00 EUR"}
    assert story.upcoming[0].what == "Stripe is asked how the payment stands (UNKNOWN)"
    assert story.upcoming[0].at is not None

    authorize()
    assert tell_story(order_id).upcoming == ()


def test_story_of_a_whole_payment_is_told_in_sentences(sandbox, captured, order_id):
    intent_id = captured.intent_id
    for minor in (900, 4000):
        payments.refund_payment(order_id=order_id, refund_id=new_id(), amount=Money(minor, "EUR"), reason="scratched")
    for outcome in ("", "recorded"):
        WebhookEvent.objects.create(
            event_id=f"evt_{outcome}", type="payment_intent.succeeded", intent_id=intent_id, outcome=outcome
        )

    story = tell_story(order_id)

    told = [one.what for one in story.happened]
    assert [what for what in told if not what.startswith("Stripe sent")] == [
        "the payment was written down",
        "Stripe holds the unconfirmed intent",
        "the card was authorized: the amount is held on it",
        "the money was taken",
        "a refund was written down",
        "the refund is done",
        "money was given back",
        "a refund was written down",
        "the refund is done",
        "all the money was given back",
    ]
    assert told[-2:] == ["Stripe sent payment_intent.succeeded"] * 2
    assert [one.facts["outcome"] for one in story.happened[-2:]] == ["waits to be looked at", "moved the payment on"]
    assert story.happened[6].facts["amount"] == "9.00 EUR"


def test_every_fact_of_payments_has_its_words():
    told = {name for name, event in registry.items() if event.context() == "payments"} - {"payment.stray_found"}

    assert told == set(_IN_WORDS)
