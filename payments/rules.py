"""Pure decisions about payments: what a provider's intent implies for us, which moves it may make, amounts it takes.

Imports no Django and calls nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from shop.errors import Refusal
from shop.money import Money

# A key is remembered for 24 hours (https://docs.stripe.com/api/idempotent_requests); one hour is kept in hand.
KEY_LIFETIME = timedelta(hours=23)

# Note [Amounts as Stripe counts them]
#
# https://docs.stripe.com/currencies: amounts are in the smallest unit, where these have none, those have thousandths
# (whose last digit must be 0), and all others are hundredths. That differs from ISO and CLDR for some. ISK and UGX are
# written without decimals and still charged in hundredths; HUF and TWD are hundredths too, only their payouts are not.
ZERO_DECIMAL = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
)
THREE_DECIMAL = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])


class UnchargeableAmount(Refusal):
    """The card provider cannot express this amount in this currency."""

    code = "amount_not_chargeable"
    title = "This amount cannot be charged in this currency"
    http_status = 422


# Stripe's codes for an amount that it will not charge whatever the card.
AMOUNT_REFUSALS = frozenset({"amount_too_small", "amount_too_large"})


def provider_decimals(currency: str) -> int:
    """How many decimals Stripe counts the currency with. See Note [Amounts as Stripe counts them]."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def to_provider_amount(amount: Money) -> int:
    """Return the amount as Stripe counts it. Raises: UnchargeableAmount where it would have to be rounded."""
    units, lost = _shifted(amount.minor, provider_decimals(amount.currency) - amount.decimals)
    if lost or (amount.currency in THREE_DECIMAL and units % 10):
        raise UnchargeableAmount(f"{amount} is finer than the card provider counts", amount=amount)
    return units


def from_provider_amount(units: int, currency: str) -> Money:
    """Return what Stripe calls `units` of `currency` (any case). Raises: ValueError where we cannot express it."""
    code = currency.upper()
    minor, lost = _shifted(units, Money.zero(code).decimals - provider_decimals(code))
    if lost:
        raise ValueError(f"{units} provider units of {code} are finer than the currency's own minor unit")
    return Money(minor, code)


def _shifted(number: int, decimals: int) -> tuple[int, int]:
    """Return the number with that many decimals more, and what a smaller number of decimals loses."""
    scale: int = 10 ** abs(decimals)
    return (number * scale, 0) if decimals >= 0 else divmod(number, scale)


def idempotency_key(*, order_id: UUID, attempt: int, op: str) -> str:
    """Return the key under which `op` of this attempt is sent, every time it is sent."""
    return f"order:{order_id}:pay:{attempt}:{op}"


def refund_key(*, order_id: UUID, refund_id: UUID, attempt: int) -> str:
    """Return the key under which this refund is sent."""
    return f"order:{order_id}:refund:{refund_id}:{attempt}"


def keys_expired(*, first_used_at: datetime, now: datetime) -> bool:
    """Say whether the provider may have forgotten the keys of an attempt: then ask first and never resend blindly."""
    return now - first_used_at > KEY_LIFETIME


# Which recorded statuses a provider's status may move, and to what. Anything else it shows is older than what we know.
# `canceled` and `succeeded` are final at the provider and can't be stale; the others are believed only while we wait.
_WAITING = ("SUBMITTED", "UNKNOWN", "REQUIRES_ACTION")
MOVES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "requires_action": ("REQUIRES_ACTION", ("SUBMITTED", "UNKNOWN")),
    "requires_payment_method": ("DECLINED", _WAITING),
    "requires_capture": ("AUTHORIZED", _WAITING),
    "succeeded": ("CAPTURED", (*_WAITING, "DECLINED", "AUTHORIZED")),
    "canceled": ("VOIDED", (*_WAITING, "DECLINED", "AUTHORIZED")),
}


def implied_move(*, provider_status: str, attempt_failed: bool) -> tuple[str, tuple[str, ...]] | None:
    """Return the status that a retrieved intent implies, and the statuses it may replace; None where it says nothing.

    `attempt_failed`: the intent carries an error of its last attempt; without one it was never confirmed.
    """
    if provider_status == "requires_payment_method" and not attempt_failed:
        return None
    return MOVES.get(provider_status)


# What a webhook of this type can still teach us, by what is recorded. Types that are not here are not kept at all.
_LEARNED = {
    "payment_intent.requires_action": {"REQUIRES_ACTION", "DECLINED", "AUTHORIZED", "CAPTURED"},
    "payment_intent.payment_failed": {"DECLINED"},
    "payment_intent.amount_capturable_updated": {"AUTHORIZED", "CAPTURED"},
    "payment_intent.succeeded": {"CAPTURED"},
    "payment_intent.canceled": {"VOIDED"},
}
REFUND_NOTICES = frozenset(
    {"charge.refunded", "charge.refund.updated", "refund.created", "refund.updated", "refund.failed"}
)
NOTICES = REFUND_NOTICES | _LEARNED.keys()
_PAID = {"CAPTURED", "PARTIALLY_REFUNDED", "REFUNDED"}


def teaches(*, notice: str, status: str) -> bool:
    """Say whether a webhook of type `notice` may know more than the recorded status does."""
    if notice in REFUND_NOTICES:
        return True
    known = _LEARNED.get(notice, set())
    return status not in (known | _PAID if "CAPTURED" in known else known)


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
