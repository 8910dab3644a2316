"""The story of a payment, as a human reads it."""

from __future__ import annotations

import pytest

from payments import api as payments
from payments import tasks
from payments.models import StrayIntent, WebhookEvent
from payments.services.personal import waiting
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


def test_story_tells_of_a_stray_intent_and_that_it_is_settled(sandbox, captured, order_id, all_due):
    sandbox.stripe.v1.payment_intents.create(
        {
            "amount": 4900,
            "currency": "eur",
            "confirm": True,
            "payment_method": "pm_card_visa",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {"installation": "shop", "order_id": str(order_id)},
        }
    )
    tasks.reconcile_recent()
    stray = StrayIntent.objects.get()

    story = tell_story(order_id)
    assert story.happened[-1].what == "Stripe holds an intent that must not hold money"
    assert story.happened[-1].facts == {
        "intent_id": stray.intent_id,
        "reason": "the order's payment uses another intent",
        "outcome": "being settled",
    }
    assert [each.what for each in story.upcoming] == [f"intent {stray.intent_id} is canceled or refunded"]
    assert waiting([order_id]) == {order_id: "money at the provider is not settled"}

    tasks.settle_strays()
    story = tell_story(order_id)
    assert (story.happened[-1].facts["outcome"], story.upcoming) == ("refunded", ())
    assert waiting([order_id]) != {order_id: "money at the provider is not settled"}
