"""Stripe's objects, as dicts or as lists.py reads them, as the port's snapshots."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from payments.gateways.provider import DisputeSnapshot, IntentSnapshot, RefundSnapshot
from payments.gateways.stripe.amounts import from_units
from payments.gateways.stripe.words import DISPUTES, REFUNDS, SUSPICIONS, intent_status
from payments.models import RefundStatus
from shop.money import Money

# ISO 4217's "none", in which the amounts of what is not ours are shown: as nothing.
UNREAD = "XXX"


def get_field(value: Any, *path: str) -> Any:
    """Read a field that may be absent, null or unexpanded."""
    for name in path:
        if value is None or isinstance(value, str):
            return None
        try:
            value = value[name]
        except KeyError:
            return None
    return value


# Note [Installations share an account]
# Staging and production, or two shops, may use one Stripe account. Each marks what it makes with its own name, and is
# blind to what another has marked: otherwise each would take the other's payments for strays and undo them.


def marks(**ids: UUID) -> dict[str, str]:
    """Return the metadata of an object that this installation makes."""
    return {"installation": settings.INSTALLATION_NAME} | {name: str(value) for name, value in ids.items()}


def read_mark(thing: Any, name: str) -> str:
    """Return an id that this installation wrote into an object's metadata, "" where another did or nobody."""
    if get_field(thing, "metadata", "installation") != settings.INSTALLATION_NAME:
        return ""
    return str(get_field(thing, "metadata", name) or "")


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def to_intent(intent: Any) -> IntentSnapshot:
    """Read an intent."""
    order_id, currency = read_mark(intent, "order_id"), str(intent["currency"])
    refunded = 0 if intent["status"] == "canceled" else get_field(intent, "latest_charge", "amount_refunded") or 0
    failure = get_field(intent, "last_payment_error")
    decline_code = str(get_field(failure, "decline_code") or get_field(failure, "code") or "")

    def money(units: int) -> Money:
        # Another application's amounts are not read: they may be in a currency that we cannot express.
        return from_units(units, currency) if order_id else Money.zero(UNREAD)

    return IntentSnapshot(
        intent_id=intent["id"],
        status=intent_status(intent["status"], attempt_failed=failure is not None),
        order_id=order_id,
        amount=money(intent["amount"]),
        captured=money(get_field(intent, "amount_received") or 0),
        refunded=money(refunded),
        livemode=bool(intent["livemode"]),
        created_at=_moment(intent["created"]),
        decline_code=decline_code,
        may_try_another=decline_code not in SUSPICIONS,
        next_action=str(get_field(intent, "next_action", "type") or ""),
        client_secret=str(get_field(intent, "client_secret") or ""),
    )


def intent_id_of(thing: Any) -> str:
    """Return the id of the intent that a refund or dispute is of, expanded or not; "" where there is none."""
    return str(get_field(thing, "payment_intent", "id") or get_field(thing, "payment_intent") or "")


def to_refund(refund: Any) -> RefundSnapshot:
    """Read a refund."""
    word = str(refund["status"])
    status = REFUNDS.get(word)
    failure = str(get_field(refund, "failure_reason") or "")
    return RefundSnapshot(
        provider_refund_id=refund["id"],
        intent_id=intent_id_of(refund),
        refund_id=read_mark(refund, "refund_id"),
        amount=from_units(refund["amount"], str(refund["currency"])),
        status=status,
        provider_status=word,
        failure_code=failure or word if status == RefundStatus.FAILED else failure,
        created_at=_moment(refund["created"]),
    )


def to_dispute(dispute: Any) -> DisputeSnapshot:
    """Read a dispute, with its balance transactions."""
    movements = [each for each in get_field(dispute, "balance_transactions") or () if not isinstance(each, str)]
    account = str(movements[0]["currency"]) if movements else str(dispute["currency"])
    due_by = get_field(dispute, "evidence_details", "due_by")
    return DisputeSnapshot(
        provider_dispute_id=dispute["id"],
        intent_id=intent_id_of(dispute),
        status=DISPUTES.get(str(dispute["status"])),
        provider_status=str(dispute["status"]),
        reason=str(get_field(dispute, "reason") or ""),
        amount=from_units(dispute["amount"], str(dispute["currency"])),
        # Stripe counts what it takes as negative, and a fee as positive.
        withdrawn=from_units(-sum(each["amount"] for each in movements), account),
        fee=from_units(sum(each["fee"] for each in movements), account),
        created_at=_moment(dispute["created"]),
        evidence_due_at=_moment(due_by) if due_by else None,
    )
