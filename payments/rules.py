"""Pure decisions about payments: what a provider's intent implies for us, and which moves it may make.

Imports no Django and calls nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def count_left(*, status: str, may_try_another: bool, refused: int, most: int) -> int:
    """Return how many other payment methods may be tried, of `most` that an order has; `refused` are through."""
    if status == "DECLINED":
        return max(0, most - refused) if may_try_another else 0
    return max(0, most - refused - 1) if status in ("NEW", *_WAITING) else 0


def idempotency_key(*, order_id: UUID, attempt: int, op: str) -> str:
    """Return the key under which `op` of this attempt is sent, every time it is sent."""
    return f"order:{order_id}:pay:{attempt}:{op}"


def refund_key(*, order_id: UUID, refund_id: UUID, attempt: int) -> str:
    """Return the key under which this refund is sent."""
    return f"order:{order_id}:refund:{refund_id}:{attempt}"


def keys_expired(*, first_used_at: datetime, now: datetime, lifetime: timedelta) -> bool:
    """Return whether the provider may have forgotten the keys of an attempt: then ask first and never resend blindly."""
    return now - first_used_at > lifetime


# Which recorded statuses an intent may move, and to what. Anything else it shows is older than what we know.
# CANCELED and CAPTURED are final at the provider and can't be stale; the others are believed only while we wait.
_WAITING = ("SUBMITTED", "UNKNOWN", "REQUIRES_ACTION")
MOVES: Mapping[IntentStatus, tuple[str, tuple[str, ...]]] = {
    IntentStatus.REQUIRES_ACTION: ("REQUIRES_ACTION", ("SUBMITTED", "UNKNOWN")),
    IntentStatus.DECLINED: ("DECLINED", _WAITING),
    # An intent that is authorized never goes back, so this is newer than any decline: the browser may have confirmed again.
    IntentStatus.AUTHORIZED: ("AUTHORIZED", (*_WAITING, "DECLINED")),
    IntentStatus.CAPTURED: ("CAPTURED", (*_WAITING, "DECLINED", "AUTHORIZED")),
    IntentStatus.CANCELED: ("VOIDED", (*_WAITING, "DECLINED", "AUTHORIZED")),
}


def implied_move(intent: IntentStatus) -> tuple[str, tuple[str, ...]] | None:
    """Return the status that a retrieved intent implies, and the statuses it may replace; None where it says nothing."""
    return MOVES.get(intent)


# What a webhook of this kind can still teach us, by what is recorded. One of a refund or dispute is always news.
_LEARNED = {
    NoticeKind.ACTION_REQUIRED: {"REQUIRES_ACTION", "DECLINED", "AUTHORIZED", "CAPTURED"},
    NoticeKind.DECLINED: {"DECLINED"},
    NoticeKind.AUTHORIZED: {"AUTHORIZED", "CAPTURED"},
    NoticeKind.CAPTURED: {"CAPTURED"},
    NoticeKind.CANCELED: {"VOIDED"},
}
_PAID = {"CAPTURED", "PARTIALLY_REFUNDED", "REFUNDED"}


# In these statuses a call of ours may be about to record what the notice is about. Never of CANCELED: no call of a walk
# that goes forward cancels, so such a notice is always news.
UNDER_WAY: Mapping[NoticeKind, tuple[str, ...]] = {
    NoticeKind.ACTION_REQUIRED: ("SUBMITTED",),
    NoticeKind.DECLINED: ("SUBMITTED",),
    NoticeKind.AUTHORIZED: ("SUBMITTED",),
    NoticeKind.CAPTURED: ("SUBMITTED", "AUTHORIZED"),
}


def statuses_that_know(notice: NoticeKind | None) -> tuple[str, ...]:
    """Return the statuses that know all that a webhook of this kind could teach; None: of no kind that we know."""
    known: set[str] = set() if notice is None else _LEARNED.get(notice, set())
    return tuple(sorted(known | _PAID if "CAPTURED" in known else known))


def may_update(*, notice: NoticeKind | None, status: str) -> bool:
    """Return whether a webhook of this kind may know more than the recorded status does."""
    return status not in statuses_that_know(notice)


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
# A dispute is an inquiry (`WARNING_*`) or a chargeback. While an inquiry is open the money is still ours, and a refund is
# the way out of it. A chargeback takes the money, and a fee, as it opens; the provider then refuses refunds. It is won (the money comes back) or lost, and what was lost may be appealed. `prevented` was settled before it
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
# How a refund is written down that the provider refuses since the bank has the money, or had it for good.
REFUSED_AS_DISPUTED = "charge_disputed"
# An answer after its end is asked for this long: money may be reinstated, or an appeal begin, later.
LOOK_AFTER_DISPUTES = timedelta(days=30)


def first_status(status: str) -> str:
    """Return the status in which a dispute begins that is first seen in `status`: what is over was open once."""
    if status in OPEN_DISPUTES:
        return status
    return "WARNING_NEEDS_RESPONSE" if status == "WARNING_CLOSED" else "NEEDS_RESPONSE"


def combined_status(statuses: Iterable[str]) -> str:
    """Return the status of a payment's disputes together, "" where there are none. See Note [Disputed payments]."""
    return min(statuses, key=_BY_WEIGHT.index, default="")


def count_lost(*, status: str, disputed_minor: int, withdrawn: bool) -> int:
    """Return how many minor units of the capture a dispute took for good, as far as is known.

    `withdrawn`: the provider has taken money for it and not given it back.
    """
    is_lost = status == "LOST" or status in APPEALS or (status == "PREVENTED" and withdrawn)
    return disputed_minor if is_lost else 0
