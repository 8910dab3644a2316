"""Refunds: never more than was captured and not yet given back."""

from __future__ import annotations

from typing import Any

from local.stripe import attempts, cards, disputes, errors, intents, money, shapes
from local.stripe.store import Transaction

Json = dict[str, Any]


def find(tx: Transaction, *, refund_id: str) -> Json:
    """Give the Refund. Raises: StripeError (404)."""
    refund = tx.find(kind="refund", object_id=refund_id)
    if refund is None:
        raise errors.no_such(what="refund", object_id=refund_id, param="id")
    return refund


def create(tx: Transaction, *, params: Json) -> Json:
    """Give money back. Raises: StripeError for more than is left, or where nothing was captured."""
    charge = _charge_to_refund(tx, params=params)
    intent = intents.find(tx, intent_id=charge["payment_intent"])
    amount = _checked_amount(charge, params=params)
    disputes.check_refundable(tx, charge=charge, amount=amount)
    method = tx.find(kind="payment_method", object_id=charge["payment_method"]) or {}
    card = cards.find_card(token=method.get("_", {}).get("token", ""))
    refund = shapes.refund(
        charge=charge,
        amount=amount,
        reason=params.get("reason"),
        metadata=params.get("metadata") or {},
        status=card.refund if card else "succeeded",
        created=tx.now,
    )
    previous = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    tx.insert(refund, kind="refund", payment_intent=intent["id"])
    tx.save(charge)
    tx.move(kind="refunded", intent=intent, amount=amount)
    tx.emit("refund.created", refund)
    tx.emit("charge.refunded", charge, previous=previous)
    if refund["status"] == "succeeded":
        refund = _with_reference(refund)
        tx.save(refund)
        tx.emit("refund.updated", refund)
        tx.emit("charge.refund.updated", refund)
    if charge["refunded"]:
        disputes.close_inquiries(tx, charge=charge)
    return refund


def _with_reference(refund: Json) -> Json:
    card = {
        "reference": "42" + refund["id"][-10:],
        "reference_status": "available",
        "reference_type": "acquirer_reference_number",
        "type": "refund",
    }
    return {**refund, "destination_details": {"card": card, "type": "card"}}


def _charge_to_refund(tx: Transaction, *, params: Json) -> Json:
    if params.get("payment_intent"):
        intent = tx.find(kind="payment_intent", object_id=params["payment_intent"])
        if intent is None:
            raise errors.no_such(
                what="payment_intent", object_id=params["payment_intent"], param="payment_intent", status=400
            )
        if intent["status"] != "succeeded":
            raise errors.unexpected_state(
                message=f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
                intent=shapes.visible(intent),
            )
        charge = attempts.latest_charge(tx, intent=intent)
        if params.get("charge") not in (None, charge["id"]):
            raise errors.invalid(message="The charge is not of this PaymentIntent.", param="charge")
        return charge
    if not params.get("charge"):
        raise errors.missing_parameter(param="payment_intent")
    found = tx.find(kind="charge", object_id=params["charge"])
    if found is None:
        raise errors.no_such(what="charge", object_id=params["charge"], param="charge", status=400)
    if not found["captured"]:
        raise errors.invalid(message=f"Charge {found['id']} has not been captured.", param="charge")
    return found


def _checked_amount(charge: Json, *, params: Json) -> int:
    left: int = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise errors.invalid(
            message=f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    amount: int = params.get("amount", left)
    if amount < 1:
        raise errors.invalid_parameter(
            message="This value must be greater than or equal to 1.", param="amount", code="parameter_invalid_integer"
        )
    if amount > left:
        asked = money.written(amount=amount, currency=charge["currency"])
        most = money.written(amount=left, currency=charge["currency"])
        whole = "charge amount" if left == charge["amount"] else "unrefunded amount on charge"
        raise errors.invalid(message=f"Refund amount ({asked}) is greater than {whole} ({most})", param="amount")
    return amount


def update(tx: Transaction, *, refund_id: str, params: Json) -> Json:
    """Change a refund's metadata."""
    refund = find(tx, refund_id=refund_id)
    refund["metadata"] = intents.merged(refund["metadata"], params)
    tx.save(refund)
    tx.emit("refund.updated", refund)
    tx.emit("charge.refund.updated", refund)
    return refund


def settle(tx: Transaction, *, refund_id: str, succeeded: bool) -> Json:
    """Let the bank finish a refund; one that fails puts its amount back to what can be refunded."""
    refund = find(tx, refund_id=refund_id)
    if refund["status"] in ("failed", "canceled"):
        raise errors.invalid(message=f"Refund {refund_id} has a status of {refund['status']}.")
    refund.pop("pending_reason", None)
    if succeeded:
        refund = {**_with_reference(refund), "status": "succeeded"}
        tx.save(refund)
    else:
        refund.update(status="failed", failure_reason="expired_or_canceled_card")
        charge = tx.find(kind="charge", object_id=refund["charge"]) or {}
        charge["amount_refunded"] -= refund["amount"]
        charge["refunded"] = False
        tx.save(charge)
        tx.save(refund)
        intent = intents.find(tx, intent_id=refund["payment_intent"])
        tx.move(kind="refunded", intent=intent, amount=-refund["amount"])
        tx.emit("refund.failed", refund)
    tx.emit("refund.updated", refund)
    tx.emit("charge.refund.updated", refund)
    return refund
