"""The state machine of a PaymentIntent: what each call does to it, to its charge, and which events tell of it."""

from __future__ import annotations

from typing import Any

from local.stripe import attempts, cards, errors, money, shapes
from local.stripe.store import Transaction

Json = dict[str, Any]

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CHANGEABLE = CONFIRMABLE
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")
FROZEN_LATER = ("amount", "currency", "payment_method", "capture_method", "customer", "setup_future_usage")


def find(tx: Transaction, *, intent_id: str) -> Json:
    """Give the PaymentIntent. Raises: StripeError (404)."""
    intent = tx.find(kind="payment_intent", object_id=intent_id)
    if intent is None:
        raise errors.no_such(what="payment_intent", object_id=intent_id, param="intent")
    return intent


def create(tx: Transaction, *, params: Json) -> Json:
    """Create a PaymentIntent, and confirm it where asked to. Raises: StripeError."""
    _check_new(params)
    currency = money.check_currency(currency=params["currency"])
    amount = money.check_amount(amount=params["amount"], currency=currency)
    intent = shapes.payment_intent(amount=amount, currency=currency, created=tx.now, params=params)
    if params.get("payment_method"):
        attach(tx, intent=intent, token=params["payment_method"])
    tx.insert(intent, kind="payment_intent", payment_intent=intent["id"])
    tx.emit("payment_intent.created", intent)
    return attempts.start(tx, intent=intent, params=params) if params.get("confirm") else intent


def _check_new(params: Json) -> None:
    if params.get("automatic_payment_methods") and params.get("payment_method_types"):
        raise errors.invalid_parameter(
            message="You may only specify one of these parameters: automatic_payment_methods, payment_method_types.",
            param="payment_method_types",
        )
    for name in ("return_url", "off_session", "error_on_requires_action"):
        if params.get(name) and not params.get("confirm"):
            raise errors.invalid_parameter(
                message=f"The parameter `{name}` can only be given when confirming; set `confirm` to true.", param=name
            )


def attach(tx: Transaction, *, intent: Json, token: str) -> None:
    """Give the intent a payment method. Raises: StripeError."""
    known = tx.find(kind="payment_method", object_id=token)
    if known is None:
        card = cards.find_card(token=token)
        if card is None:
            raise errors.no_such(what="PaymentMethod", object_id=token, param="payment_method", status=400)
        known = shapes.payment_method(card=card, created=tx.now)
        tx.insert(known, kind="payment_method")
    intent["payment_method"] = known["id"]
    intent["_"]["authenticated"] = None
    if intent["status"] == "requires_payment_method":
        intent["status"] = "requires_confirmation"


def confirm(tx: Transaction, *, intent_id: str, params: Json) -> Json:
    """Try to take the money. Raises: StripeError; a decline (402) leaves the intent open to another attempt."""
    intent = find(tx, intent_id=intent_id)
    if intent["status"] not in CONFIRMABLE:
        if intent["status"] == "succeeded":
            reason = "it has already succeeded after being previously confirmed."
        else:
            reason = _status_reason(intent, "confirmed", CONFIRMABLE)
        raise errors.unexpected_state(
            message=f"You cannot confirm this PaymentIntent because {reason}", intent=shapes.visible(intent)
        )
    if params.get("payment_method"):
        attach(tx, intent=intent, token=params["payment_method"])
    for name in ("capture_method", "receipt_email", "setup_future_usage", "shipping"):
        if name in params:
            intent[name] = params[name]
    return attempts.start(tx, intent=intent, params=params)


def _status_reason(intent: Json, done: str, allowed: tuple[str, ...]) -> str:
    return (
        f"it has a status of {intent['status']}. Only a PaymentIntent with one of the following statuses may be "
        f"{done}: {', '.join(allowed)}."
    )


def capture(tx: Transaction, *, intent_id: str, params: Json) -> Json:
    """Capture what is held, or a part of it; the rest is released. Raises: StripeError."""
    intent = find(tx, intent_id=intent_id)
    if intent["status"] != "requires_capture":
        if intent["status"] == "succeeded":
            reason = "it has already been captured."
        else:
            reason = _status_reason(intent, "captured", ("requires_capture",))
        raise errors.unexpected_state(
            message=f"This PaymentIntent could not be captured because {reason}", intent=shapes.visible(intent)
        )
    amount = params["amount_to_capture"] if "amount_to_capture" in params else intent["amount_capturable"]
    _check_capture(intent, amount=amount, params=params)
    released = intent["amount_capturable"] - amount
    charge = attempts.latest_charge(tx, intent=intent)
    charge.update(captured=True, amount_captured=amount, amount_refunded=released)
    intent.update(amount_capturable=0, amount_received=amount, status="succeeded")
    intent["metadata"] = merged(intent["metadata"], params)
    tx.save(charge)
    tx.save(intent)
    tx.move(kind="captured", intent=intent, amount=amount)
    if released:
        tx.move(kind="released", intent=intent, amount=released)
    tx.emit("charge.captured", charge)
    tx.emit("payment_intent.succeeded", intent)
    attempts.dispute_at_once(tx, intent=intent, charge=charge)
    return intent


def _check_capture(intent: Json, *, amount: int, params: Json) -> None:
    if amount < 1:
        raise errors.invalid_parameter(
            message="This value must be greater than or equal to 1.",
            param="amount_to_capture",
            code="parameter_invalid_integer",
        )
    if amount > intent["amount_capturable"]:
        raise errors.invalid(
            message="The payment could not be captured because the requested capture amount is greater than the "
            "amount you can capture for this charge.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    if params.get("final_capture") is False:
        raise errors.invalid(message="This PaymentIntent does not support multicapture.", param="final_capture")


def cancel(tx: Transaction, *, intent_id: str, reason: str | None) -> Json:
    """Cancel an intent that has not succeeded; what is held is released. Raises: StripeError."""
    intent = find(tx, intent_id=intent_id)
    if intent["status"] not in CANCELABLE:
        raise errors.unexpected_state(
            message="You cannot cancel this PaymentIntent because " + _status_reason(intent, "canceled", CANCELABLE),
            intent=shapes.visible(intent),
        )
    held = intent["amount_capturable"]
    close(tx, intent=intent, reason=reason)
    if held:
        release(tx, intent=intent, amount=held)
    tx.emit("payment_intent.canceled", intent)
    return intent


def close(tx: Transaction, *, intent: Json, reason: str | None) -> None:
    """Bring the intent to its canceled end."""
    intent.update(
        status="canceled", canceled_at=tx.now, cancellation_reason=reason, amount_capturable=0, next_action=None
    )
    tx.save(intent)


def release(tx: Transaction, *, intent: Json, amount: int) -> Json:
    """Let go of an authorization: its charge counts as refunded, though no money came. Give the charge."""
    charge = attempts.latest_charge(tx, intent=intent)
    previous = {"amount_refunded": 0, "refunded": False}
    charge.update(amount_refunded=amount, refunded=True)
    tx.save(charge)
    tx.move(kind="released", intent=intent, amount=amount)
    tx.emit("charge.refunded", charge, previous=previous)
    return charge


def expire_authorization(tx: Transaction, *, intent_id: str, reason: str = "expired") -> Json:
    """Let the bank's hold run out, as it does seven days on: Stripe cancels the intent automatically."""
    intent = find(tx, intent_id=intent_id)
    if intent["status"] != "requires_capture":
        raise errors.unexpected_state(
            message=f"There is no authorization to expire: the status is {intent['status']}.",
            intent=shapes.visible(intent),
        )
    held = intent["amount_capturable"]
    close(tx, intent=intent, reason=reason)
    charge = release(tx, intent=intent, amount=held)
    refund = shapes.refund(
        charge=charge,
        amount=held,
        reason="expired_uncaptured_charge",
        metadata={},
        status="succeeded",
        created=tx.now,
    )
    tx.insert(refund, kind="refund", payment_intent=intent["id"])
    tx.emit("refund.created", refund)
    tx.emit("charge.expired", charge)
    tx.emit("payment_intent.canceled", intent)
    return intent


def update(tx: Transaction, *, intent_id: str, params: Json) -> Json:
    """Change an intent, as far as its status still allows. Raises: StripeError."""
    intent = find(tx, intent_id=intent_id)
    for name in FROZEN_LATER:
        if name in params and intent["status"] not in CHANGEABLE:
            raise errors.unexpected_state(
                message=(
                    f"This PaymentIntent's {name} could not be updated because it has a status of "
                    f"{intent['status']}. You may only update the {name} of a PaymentIntent with one of the following "
                    f"statuses: {', '.join(CHANGEABLE)}."
                ),
                intent=shapes.visible(intent),
            )
    if "currency" in params:
        intent["currency"] = money.check_currency(currency=params["currency"])
    if "amount" in params:
        intent["amount"] = money.check_amount(amount=params["amount"], currency=intent["currency"])
    if params.get("payment_method"):
        if intent["status"] == "requires_action":
            intent.update(status="requires_confirmation", next_action=None)
        attach(tx, intent=intent, token=params["payment_method"])
    plain = ("capture_method", "customer", "description", "receipt_email", "setup_future_usage", "shipping")
    for name in (*plain, "statement_descriptor", "statement_descriptor_suffix", "transfer_group"):
        if name in params:
            intent[name] = params[name]
    intent["metadata"] = merged(intent["metadata"], params)
    intent["last_payment_error"] = None
    tx.save(intent)
    return intent


def merged(old: Json, params: Json) -> Json:
    """Merge metadata as Stripe does: an empty value unsets its key, empty metadata unsets them all."""
    if "metadata" not in params:
        return old
    if params["metadata"] is None:
        return {}
    together = {**old, **params["metadata"]}
    return {key: value for key, value in together.items() if value != ""}
