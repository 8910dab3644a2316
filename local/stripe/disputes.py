"""Disputes (https://docs.stripe.com/disputes): the customer's bank asks about a charge, takes its money back, and decides.

An inquiry takes nothing; a chargeback takes the amount and a fee as it opens, and gives the amount back where it is won.
"""

from __future__ import annotations

from typing import Any

from local.stripe import errors, shapes
from local.stripe.store import Transaction

Json = dict[str, Any]

FEE = 1500
EVIDENCE_SECONDS = 9 * 24 * 60 * 60
OPEN = ("needs_response", "under_review", "appeal_needs_response", "appeal_under_review")
INQUIRY = ("warning_needs_response", "warning_under_review")
# Where no refund is made any more: the bank has the money, or has given it to the customer.
CHARGED_BACK = (*OPEN, "lost")
# What an order to the sandbox makes of a dispute: from where, to where.
OUTCOMES: dict[str, tuple[tuple[str, ...], str]] = {
    "win": ((*OPEN, "lost"), "won"),
    "lose": ((*OPEN, "won"), "lost"),
    "close": (INQUIRY, "warning_closed"),
    "escalate": ((*INQUIRY, "warning_closed"), "needs_response"),
    "appeal": (("lost",), "appeal_needs_response"),
    "prevent": ((*INQUIRY, "needs_response"), "prevented"),
}
REVIEWS = {
    "needs_response": "under_review",
    "appeal_needs_response": "appeal_under_review",
    "warning_needs_response": "warning_under_review",
}
# The texts by which Stripe's own test mode decides: https://docs.stripe.com/testing#disputes
WINNING, LOSING = "winning_evidence", "losing_evidence"


def find(tx: Transaction, *, dispute_id: str) -> Json:
    """Give the Dispute. Raises: StripeError (404)."""
    dispute = tx.find(kind="dispute", object_id=dispute_id)
    if dispute is None:
        raise errors.no_such(what="dispute", object_id=dispute_id, param="dispute")
    return dispute


def open_dispute(
    tx: Transaction, *, intent: Json, charge: Json, reason: str, inquiry: bool = False, amount: int | None = None
) -> Json:
    """Have the bank dispute a captured charge, or inquire about it. Raises: StripeError where nothing was captured."""
    if not charge["captured"]:
        raise errors.invalid(message=f"Charge {charge['id']} has not been captured.", param="charge")
    dispute = shapes.dispute(
        charge=charge,
        amount=amount or charge["amount_captured"],
        reason=reason,
        status="warning_needs_response" if inquiry else "needs_response",
        due_by=tx.now + EVIDENCE_SECONDS,
        created=tx.now,
    )
    charge["disputed"] = True
    tx.save(charge)
    tx.insert(dispute, kind="dispute", payment_intent=intent["id"])
    tx.emit("charge.dispute.created", dispute)
    if not inquiry:
        _withdraw(tx, dispute=dispute)
    return dispute


def decide(tx: Transaction, *, dispute_id: str, outcome: str) -> Json:
    """Bring a dispute to one of OUTCOMES. Raises: StripeError where it does not stand so that it could."""
    dispute = find(tx, dispute_id=dispute_id)
    before, to = OUTCOMES[outcome]
    if dispute["status"] not in before:
        raise errors.invalid(message=f"Dispute {dispute_id} has a status of {dispute['status']}.")
    dispute.update(status=to, is_charge_refundable=to in (*INQUIRY, "warning_closed", "won"))
    tx.save(dispute)
    tx.emit("charge.dispute.updated" if to in OPEN else "charge.dispute.closed", dispute)
    taken = -sum(each["amount"] for each in dispute["balance_transactions"])
    if to in ("won", "prevented") and taken:
        _reinstate(tx, dispute=dispute, amount=taken)
    elif to in (*OPEN, "lost") and not taken:
        _withdraw(tx, dispute=dispute)
    return dispute


def update(tx: Transaction, *, dispute_id: str, params: Json) -> Json:
    """Take evidence, and submit it unless told not to; Stripe's two texts of its test mode decide at once."""
    dispute = find(tx, dispute_id=dispute_id)
    if dispute["status"] not in (*OPEN, *INQUIRY):
        raise errors.invalid(message=f"This dispute is already closed: {dispute['status']}.")
    evidence = params.get("evidence") or {}
    dispute["evidence"].update(evidence)
    dispute["metadata"].update(params.get("metadata") or {})
    if evidence and params.get("submit", True):
        details = dispute["evidence_details"]
        details.update(has_evidence=True, submission_count=details["submission_count"] + 1)
        dispute["status"] = REVIEWS.get(dispute["status"], dispute["status"])
    tx.save(dispute)
    tx.emit("charge.dispute.updated", dispute)
    text = str(evidence.get("uncategorized_text") or "")
    decided = {WINNING: "win", LOSING: "lose"}.get(text)
    return decide(tx, dispute_id=dispute_id, outcome=decided) if decided and dispute["status"] in OPEN else dispute


def close(tx: Transaction, *, dispute_id: str) -> Json:
    """Accept a dispute as lost. Raises: StripeError where it is closed already."""
    return decide(tx, dispute_id=dispute_id, outcome="lose")


def check_refundable(tx: Transaction, *, charge: Json, amount: int) -> None:
    """Refuse a refund of what was charged back. Raises: StripeError."""
    of_intent = tx.of_intent(kind="dispute", payment_intent=charge["payment_intent"])
    taken = sum(
        dispute["amount"]
        for dispute in of_intent
        if dispute["charge"] == charge["id"] and dispute["status"] in CHARGED_BACK
    )
    if taken and amount > charge["amount"] - charge["amount_refunded"] - taken:
        raise errors.invalid(
            message=f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )


def close_inquiries(tx: Transaction, *, charge: Json) -> None:
    """Close the inquiries about a charge that was refunded in full: nothing is left to ask about."""
    for dispute in tx.of_intent(kind="dispute", payment_intent=charge["payment_intent"]):
        if dispute["charge"] == charge["id"] and dispute["status"] in INQUIRY:
            decide(tx, dispute_id=dispute["id"], outcome="close")


def _withdraw(tx: Transaction, *, dispute: Json) -> None:
    _book(tx, dispute=dispute, amount=-dispute["amount"], fee=FEE)
    tx.emit("charge.dispute.funds_withdrawn", dispute)


def _reinstate(tx: Transaction, *, dispute: Json, amount: int) -> None:
    _book(tx, dispute=dispute, amount=amount, fee=0)
    tx.emit("charge.dispute.funds_reinstated", dispute)


def _book(tx: Transaction, *, dispute: Json, amount: int, fee: int) -> None:
    moved = shapes.dispute_movement(dispute=dispute, amount=amount, fee=fee, created=tx.now)
    dispute["balance_transactions"].append(moved)
    tx.save(dispute)
    intent = tx.find(kind="payment_intent", object_id=dispute["payment_intent"]) or {}
    tx.move(kind="disputed", intent=intent, amount=-amount)
    if fee:
        tx.move(kind="dispute_fee", intent=intent, amount=fee)
