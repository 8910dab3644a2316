"""Pure decisions about payments: what a provider's intent implies for us, which moves it may make, amounts it takes.

Imports no Django and calls nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    """The card provider cannot express or charge this amount in this currency.

    422 where nothing came of the request; 409 where it canceled the order that facts.order_id names.
    """

    code = "amount_not_chargeable"
    title = "This amount cannot be charged in this currency"
    http_status = 422
    fact_types = {"amount": Money | None, "order_id": UUID | None}


# What Stripe takes: https://docs.stripe.com/currencies, and eight digits at most.
_HUNDREDTHS = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC"
    " CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD KES KGS KHR"
    " KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK"
    " PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TOP TRY TTD TWD TZS UAH UGX USD"
    " UYU UZS WST XCD XCG YER ZAR ZMW"
)
TAKEN = ZERO_DECIMAL | THREE_DECIMAL | frozenset(_HUNDREDTHS.split())
MAX_PROVIDER_AMOUNT = 99_999_999


# Note [Whose fault a refusal is]
#
# A refused request is not a declined card. `decline_code` names whose fault it is, before the provider's code, so that
# whoever asks again is told the same: "amount:" and "payment_method:" by the parameter that Stripe names, "request:" for
# anything else (our account, our request), which staff must see. A code alone is the bank's word, or Stripe's about an amount.
AMOUNT, METHOD, REQUEST = "amount", "payment_method", "request"
# Stripe's codes for an amount that it will not charge whatever the card.
AMOUNT_REFUSALS = frozenset({"amount_too_small", "amount_too_large"})
BANK_REFUSALS = frozenset({"payment_method_provider_decline", "payment_method_customer_decline"})
METHOD_REFUSALS = frozenset(
    {"payment_method_used", "payment_method_unexpected_state", "payment_method_invalid_parameter", "token_already_used"}
)
_BY_PARAM = {"amount": AMOUNT, "currency": AMOUNT, "payment_method": METHOD}
MAX_DECLINE_CODE = 80


def refusal_of_request(provider_code: str, param: str) -> str:
    """Return how a refused request is written down. See Note [Whose fault a refusal is]."""
    if provider_code in AMOUNT_REFUSALS | BANK_REFUSALS:
        return provider_code
    kind = METHOD if provider_code in METHOD_REFUSALS else _BY_PARAM.get(param, REQUEST)
    return f"{kind}:{provider_code}"[:MAX_DECLINE_CODE]


def kind_of_refusal(decline_code: str) -> str:
    """Return AMOUNT, METHOD or REQUEST for what was refused, "" where it is the bank's refusal."""
    if decline_code in AMOUNT_REFUSALS:
        return AMOUNT
    kind, colon, _code = decline_code.partition(":")
    return kind if colon else ""


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


def check_chargeable(*, amount: Money) -> None:
    """Insist that the provider can ever charge this amount. Raises: UnchargeableAmount."""
    if amount.currency not in TAKEN:
        raise UnchargeableAmount(f"the card provider takes no {amount.currency}", amount=amount)
    if to_provider_amount(amount) > MAX_PROVIDER_AMOUNT:
        raise UnchargeableAmount(f"{amount} is more than the card provider charges at once", amount=amount)


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
AUTHORIZED_AT_PROVIDER = "requires_capture"
_WAITING = ("SUBMITTED", "UNKNOWN", "REQUIRES_ACTION")
MOVES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "requires_action": ("REQUIRES_ACTION", ("SUBMITTED", "UNKNOWN")),
    "requires_payment_method": ("DECLINED", _WAITING),
    AUTHORIZED_AT_PROVIDER: ("AUTHORIZED", _WAITING),
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
DISPUTE_NOTICES = frozenset(
    f"charge.dispute.{what}" for what in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
)
NOTICES = REFUND_NOTICES | DISPUTE_NOTICES | _LEARNED.keys()
_PAID = {"CAPTURED", "PARTIALLY_REFUNDED", "REFUNDED"}


# In these statuses a call of ours may be about to record what the notice is about. Never of `canceled`: no call of a walk
# that goes forward cancels, so such a notice is always news.
UNDER_WAY: Mapping[str, tuple[str, ...]] = {
    "payment_intent.requires_action": ("SUBMITTED",),
    "payment_intent.payment_failed": ("SUBMITTED",),
    "payment_intent.amount_capturable_updated": ("SUBMITTED",),
    "payment_intent.succeeded": ("SUBMITTED", "AUTHORIZED"),
}


def knowing(*, notice: str) -> tuple[str, ...]:
    """Return the statuses that know all that a webhook of type `notice` could teach."""
    known = _LEARNED.get(notice, set())
    return tuple(sorted(known | _PAID if "CAPTURED" in known else known))


def teaches(*, notice: str, status: str) -> bool:
    """Return whether a webhook of type `notice` may know more than the recorded status does."""
    return status not in knowing(notice=notice)


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


# Note [Disputed payments]
#
# https://docs.stripe.com/disputes: a dispute is an inquiry (`warning_*`) or a chargeback. While an inquiry is open the money
# is still ours, and a refund is the way out of it. A chargeback takes the money, and a fee, as it opens; Stripe then refuses
# refunds. It is won (the money comes back) or lost, and what was lost may be appealed. `prevented` was settled before it
# became a chargeback. Any step may be skipped here, where its notice was lost.
INQUIRIES = frozenset({"WARNING_NEEDS_RESPONSE", "WARNING_UNDER_REVIEW"})
APPEALS = frozenset({"APPEAL_NEEDS_RESPONSE", "APPEAL_UNDER_REVIEW"})
CHARGEBACKS = frozenset({"NEEDS_RESPONSE", "UNDER_REVIEW"}) | APPEALS
OPEN_DISPUTES = INQUIRIES | CHARGEBACKS
# Staff have to answer these before the evidence is due.
UNANSWERED_DISPUTES = frozenset({"WARNING_NEEDS_RESPONSE", "NEEDS_RESPONSE", "APPEAL_NEEDS_RESPONSE"})
# Which status of several disputes is the payment's: what stops most comes first.
_BY_WEIGHT = (
    "NEEDS_RESPONSE",
    "APPEAL_NEEDS_RESPONSE",
    "UNDER_REVIEW",
    "APPEAL_UNDER_REVIEW",
    "WARNING_NEEDS_RESPONSE",
    "WARNING_UNDER_REVIEW",
    "LOST",
    "PREVENTED",
    "WON",
    "WARNING_CLOSED",
)
# The provider's word for a refund that it refuses since the bank has the money, or had it for good.
REFUSED_AS_DISPUTED = "charge_disputed"
# An answer after its end is asked for this long: money may be reinstated, or an appeal begin, later.
LOOK_AFTER_DISPUTES = timedelta(days=30)


def born_as(status: str) -> str:
    """Return the status in which a dispute begins that is first seen in `status`: what is over was open once."""
    if status in OPEN_DISPUTES:
        return status
    return "WARNING_NEEDS_RESPONSE" if status == "WARNING_CLOSED" else "NEEDS_RESPONSE"


def standing(statuses: Iterable[str]) -> str:
    """Return the status of a payment's disputes together, "" where there are none. See Note [Disputed payments]."""
    return min(statuses, key=_BY_WEIGHT.index, default="")


def lost_of(*, status: str, disputed_minor: int, withdrawn: bool) -> int:
    """Return how many minor units of the capture a dispute took for good, as far as is known.

    `withdrawn`: the provider has taken money for it and not given it back.
    """
    is_lost = status == "LOST" or status in APPEALS or (status == "PREVENTED" and withdrawn)
    return disputed_minor if is_lost else 0
