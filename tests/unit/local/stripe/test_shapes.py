"""Every kind of answer has the shape Stripe publishes: nothing missing, nothing invented."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import stripe

from tests.unit.local.stripe.clients import failure

from .clients import Control, Receiver, Shop, until

FACTS: dict[str, Any] = json.loads((Path(__file__).parent / "stripe_shapes.json").read_text())
PLAIN: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "object": {"type": "object"},
    "array": {"type": "array"},
    "null": {"type": "null"},
    "strings": {"type": "object", "additionalProperties": {"type": "string"}},
}


def field_schema(fact: str | list[str | None]) -> dict[str, Any]:
    if isinstance(fact, list):
        return {"enum": fact}
    choices: list[dict[str, Any]] = []
    for word in fact.split("|"):
        if word.startswith("array of #"):
            choices.append({"type": "array", "items": {"$ref": f"#/$defs/{word.removeprefix('array of #')}"}})
        else:
            choices.append({"$ref": f"#/$defs/{word[1:]}"} if word.startswith("#") else PLAIN[word])
    return {"anyOf": choices}


DEFS = {
    name: {
        "type": "object",
        "required": fact["required"],
        "properties": {field: field_schema(kind) for field, kind in fact["fields"].items()},
        "additionalProperties": False,
    }
    for name, fact in FACTS.items()
}


@cache
def validator(kind: str) -> Any:
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": DEFS})


def check(body: Any, kind: str | None = None) -> None:
    """Check an answer, and every object inside it that says what it is."""
    plain = body.to_dict() if isinstance(body, stripe.StripeObject) else body
    validator(kind or plain["object"]).validate(plain)
    for item in plain["data"] if plain.get("object") == "list" else []:
        check(item)


@pytest.fixture
def told(shop: Shop, control: Control) -> Shop:
    """A sandbox in which everything has happened once."""
    intent = shop.captured(description="d", metadata={"order_id": "o1"})
    shop.refunds.create({"payment_intent": intent.id, "amount": 100, "metadata": {"a": "b"}})
    pending = shop.captured_with("pm_card_pendingRefund")
    refund = shop.refunds.create({"payment_intent": pending.id, "amount": 100})
    shop.refunds.create({"payment_intent": pending.id, "amount": 100})
    control.post(f"refunds/{refund.id}/settle", {"outcome": "fail"})
    shop.intents.cancel(shop.authorized().id, {"cancellation_reason": "duplicate"})
    control.post(f"payment_intents/{shop.authorized().id}/expire_authorization")
    control.post(f"payment_intents/{shop.authorized().id}/expire_authorization", {"reason": "automatic"})
    with pytest.raises(stripe.CardError):
        shop.create(confirm=True, payment_method="pm_card_chargeDeclinedExpiredCard")
    challenged = shop.create(confirm=True, payment_method="pm_card_authenticationRequired")
    control.post(f"payment_intents/{challenged.id}/authenticate", {"outcome": "fail"})
    shop.create(confirm=True, payment_method="pm_card_threeDSecure2Required", return_url="https://s.example/")
    shop.create(payment_method="pm_card_amex", capture_method="automatic", setup_future_usage="off_session")
    shop.captured_with("pm_card_createDisputeInquiry")
    dispute = control.post(f"payment_intents/{shop.captured().id}/dispute", {"reason": "duplicate", "amount": 300})
    shop.disputes.update(dispute["id"], {"evidence": {"uncategorized_text": "it was delivered"}})
    control.post(f"disputes/{dispute['id']}/settle", {"outcome": "win"})
    return shop


def test_every_intent_in_every_status_has_its_shape(told: Shop) -> None:
    page = told.intents.list({"limit": 100})

    check(page)
    assert {intent.status for intent in page.data} == {
        "canceled",
        "requires_action",
        "requires_confirmation",
        "requires_payment_method",
        "succeeded",
    }
    for intent in page.data:
        check(told.intents.retrieve(intent.id, {"expand": ["latest_charge.payment_intent", "payment_method"]}))


def test_every_charge_has_its_shape(told: Shop) -> None:
    check(told.stripe.v1.charges.list({"limit": 100}))
    for charge in told.stripe.v1.charges.list({"limit": 100, "expand": ["data.refunds"]}).data:
        check(charge)
        check(told.stripe.v1.payment_methods.retrieve(str(charge.payment_method)))


def test_every_refund_has_its_shape(told: Shop) -> None:
    page = told.refunds.list({"limit": 100})

    check(page)
    assert {refund.status for refund in page.data} == {"failed", "pending", "succeeded"}
    check(told.refunds.retrieve(page.data[0].id, {"expand": ["charge", "payment_intent", "payment_method"]}))


def test_every_dispute_has_its_shape(told: Shop) -> None:
    page = told.disputes.list({"limit": 100})

    check(page)
    assert {dispute.status for dispute in page.data} == {"warning_needs_response", "won"}
    check(told.disputes.retrieve(page.data[0].id, {"expand": ["charge", "payment_intent"]}))


def test_every_event_and_the_object_in_it_has_its_shape(told: Shop) -> None:
    events = told.stripe.v1.events.list({"limit": 100})

    check(events)
    for event in events.data:
        check(event.data.object)
    assert {event.type for event in events.data} == {
        "charge.captured",
        "charge.dispute.closed",
        "charge.dispute.created",
        "charge.dispute.funds_reinstated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.expired",
        "charge.failed",
        "charge.refund.updated",
        "charge.refunded",
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
        "payment_intent.created",
        "payment_intent.payment_failed",
        "payment_intent.requires_action",
        "payment_intent.succeeded",
        "refund.created",
        "refund.failed",
        "refund.updated",
    }


def test_delivered_event_has_its_shape(shop: Shop, control: Control, receiver: Receiver) -> None:
    control.post("webhooks", {"url": receiver.url})
    shop.create()

    until(lambda: receiver.received)
    check(json.loads(receiver.received[0][0]))


def test_balance_has_its_shape(shop: Shop) -> None:
    check(shop.stripe.v1.balance.retrieve())


@pytest.mark.parametrize("kind", ["rate_limited", "conflict_409", "error_500", "error_500_after_effect"])
def test_answer_of_a_fault_is_an_error_of_stripes(shop: Shop, control: Control, kind: str) -> None:
    control.fault(kind)

    with pytest.raises(stripe.StripeError) as caught:
        shop.create()

    check(failure(caught.value), "error")


def test_every_kind_of_error_has_its_shape(shop: Shop) -> None:
    intent = shop.create(key="k1")
    attempts = [
        lambda: shop.create(key="k1", amount=1234),
        lambda: shop.create(amount=1),
        lambda: shop.create(confirm=True, payment_method="pm_card_chargeDeclinedInsufficientFunds"),
        lambda: shop.create(confirm=True, off_session=True, payment_method="pm_card_authenticationRequired"),
        lambda: shop.intents.capture(intent.id),
        lambda: shop.intents.retrieve("pi_nobody"),
        lambda: shop.intents.confirm(intent.id),
        lambda: shop.refunds.create({"payment_intent": intent.id}),
        Shop(str(shop.stripe._requestor.base_addresses["api"]), key="sk_test_other").intents.list,
    ]
    for attempt in attempts:
        with pytest.raises(stripe.StripeError) as caught:
            attempt()
        check(failure(caught.value), "error")
