"""Pure decisions about payments: the shop's words for what a provider shows, whose fault a refusal is, and keys.

Imports no Django and calls nothing. Which moves an intent implies stands beside the statuses, in models.py.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shop.errors import Refusal
from shop.money import Money


class UnchargeableAmount(Refusal):
    """The card provider cannot express or charge this amount in this currency.

    422 where nothing came of the request; 409 where it canceled the order that facts.order_id names.
    """

    code = "amount_not_chargeable"
    title = "This amount cannot be charged in this currency"
    http_status = 422
    fact_types = {"amount": Money | None, "order_id": UUID | None}


class IntentStatus(StrEnum):
    """How an intent stands at the provider, in the shop's words: each adapter translates its provider's into these."""

    UNCONFIRMED = "UNCONFIRMED"
    # It was never confirmed either, and has no payment method to be confirmed with.
    WITHOUT_METHOD = "WITHOUT_METHOD"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    # Its last attempt was refused; it can be confirmed again until it is canceled.
    DECLINED = "DECLINED"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    CANCELED = "CANCELED"
    # The provider works on it, or has a word for it that its adapter does not know.
    UNDECIDED = "UNDECIDED"


# The intents that nothing moves any more.
FINAL_INTENTS = frozenset({IntentStatus.CAPTURED, IntentStatus.CANCELED})


class NoticeKind(StrEnum):
    """What a webhook is about, in the shop's words."""

    ACTION_REQUIRED = "ACTION_REQUIRED"
    DECLINED = "DECLINED"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    CANCELED = "CANCELED"
    REFUND = "REFUND"
    DISPUTE = "DISPUTE"


class RefusedFor(StrEnum):
    """Whose fault a refusal is: the bank's word about a card, or one of three faults of what was asked."""

    BANK = "bank"
    AMOUNT = "amount"
    METHOD = "payment_method"
    REQUEST = "request"


# Note [Whose fault a refusal is]
#
# A refused request is not a declined card. `decline_code` names whose fault it is, before the provider's code, so that
# whoever asks again is told the same: "amount:", "payment_method:", and "request:" for anything else (our account, our
# request), which staff must see. A code alone is the bank's word, or one of AMOUNT_CODES, which name the amount themselves.
AMOUNT_CODES = frozenset({"amount_too_small", "amount_too_large"})
MAX_DECLINE_CODE = 80
# How a refund is written down that the provider refuses since the bank has the money, or had it for good.
REFUSED_AS_DISPUTED = "charge_disputed"
_REFUSED_FOR = frozenset(str(each) for each in RefusedFor)


def decline_code_of(refused_for: RefusedFor, code: str) -> str:
    """Return how a refused request is written down. See Note [Whose fault a refusal is]."""
    if refused_for == RefusedFor.BANK or code in AMOUNT_CODES:
        return code
    return f"{refused_for}:{code}"[:MAX_DECLINE_CODE]


def kind_of_refusal(decline_code: str) -> RefusedFor:
    """Return whose fault a refusal is that was written down so."""
    if decline_code in AMOUNT_CODES:
        return RefusedFor.AMOUNT
    kind, colon, _code = decline_code.partition(":")
    if not colon:
        return RefusedFor.BANK
    return RefusedFor(kind) if kind in _REFUSED_FOR else RefusedFor.REQUEST


def is_declined(decline_code: str) -> bool:
    """Return whether the bank refused a payment method that is over by this code."""
    return decline_code != CHANGED and kind_of_refusal(decline_code) == RefusedFor.BANK


# Note [Another card]
#
# A refused payment method is followed by another on the same intent, unless nothing is gained by that: the amount or our
# request was refused, the provider suspects fraud, or there is no intent, since the first token was no good. Each refused
# method stands in `refused`, so their number says which one is tried now. What was asked of the intent before it had the
# present method is told apart by that number: a DECLINED of the method before must not decline this one.
CHANGED = "changed"


def may_follow(*, refused_for: RefusedFor, has_intent: bool, final: bool) -> bool:
    """Return whether another payment method may follow one that was refused so. See Note [Another card].

    `final`: the provider's word that no other card should be taken from whoever brought this one.
    """
    return has_intent and not final and refused_for in (RefusedFor.BANK, RefusedFor.METHOD)


def idempotency_key(*, order_id: UUID, attempt: int, op: str) -> str:
    """Return the key under which `op` of this attempt is sent, every time it is sent."""
    return f"order:{order_id}:pay:{attempt}:{op}"


def refund_key(*, order_id: UUID, refund_id: UUID, attempt: int) -> str:
    """Return the key under which this refund is sent."""
    return f"order:{order_id}:refund:{refund_id}:{attempt}"


def keys_expired(*, first_used_at: datetime, now: datetime, lifetime: timedelta) -> bool:
    """Return whether the provider may have forgotten the keys of an attempt: then ask first and never resend blindly."""
    return now - first_used_at > lifetime


def mismatches(
    *,
    seen_order_id: str,
    seen_amount: Money,
    seen_livemode: bool,
    order_id: UUID,
    amount: Money,
    livemode: bool,
) -> tuple[str, ...]:
    """Name what of a provider's intent is not as we asked for it; such an intent is never recorded."""
    wrong = []
    if seen_order_id != str(order_id):
        wrong.append("order_id")
    if seen_amount != amount:
        wrong.append("currency" if seen_amount.currency != amount.currency else "amount")
    if seen_livemode != livemode:
        wrong.append("livemode")
    return tuple(wrong)
