"""Reads: payments as other contexts see them, and what waits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.conf import settings
from django.db.models import Count, DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Now

from payments import rules
from payments.models import (
    CHARGEBACKS,
    GIVEN_BACK,
    NO_CURRENCY,
    OPEN_DISPUTES,
    REFUND_UNDER_WAY,
    REPLACEABLE,
    UNANSWERED,
    UNANSWERED_DISPUTES,
    UNDECIDED,
    Dispute,
    Payment,
    PaymentStatus,
    Refund,
    RefundStatus,
    StrayIntent,
)
from shop.counting import count_up_to, shown_count
from shop.money import Money
from shop.statements import Statement
from shop.states import read_status

READ_PAYMENT = Statement("payments", "read_payment")
_PAGE = Statement("payments", "page_payments")


@dataclass(frozen=True)
class PaymentState:
    """How the payment of an order stands. `client_secret` and `next_action` only where the provider was just asked."""

    order_id: UUID
    status: PaymentStatus
    amount: Money
    captured: Money
    refunded: Money
    # Of refunds that did not arrive, until a human makes good for it; and what was paid back another way.
    owed: Money
    settled: Money
    # What disputes took back for good, and how its disputes stand: "" where there are none.
    lost: Money
    dispute: str = ""
    intent_id: str = ""
    client_secret: str = field(default="", repr=False)
    decline_code: str = ""
    next_action: str = ""
    # The token that is tried or was the last one, and those that are over, each with its decline code.
    payment_method: str = field(default="", repr=False)
    may_try_another: bool = False
    refused: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    version: int = field(default=0, compare=False)
    # Part of the idempotency keys; see Payment.key.
    attempt: int = field(default=1, compare=False)

    @property
    def kept(self) -> Money:
        """What of the capture is still ours: not given back, paid back otherwise, or lost to a dispute."""
        gone = self.refunded.minor + self.settled.minor + self.lost.minor
        return Money(max(self.captured.minor - gone, 0), self.captured.currency)

    @property
    def attempts_left(self) -> int:
        """How many other payment methods may be tried for the order."""
        left = max(0, settings.PAYMENT_ATTEMPTS - len(self.refused))
        if self.status == PaymentStatus.DECLINED:
            return left if self.may_try_another else 0
        return max(0, left - 1) if self.is_open else 0

    @property
    def replaceable(self) -> str:
        """The payment method that another one may follow, since it was declined or waits for its customer; "" for none."""
        return self.payment_method if self.status in REPLACEABLE and self.attempts_left else ""

    def was_tried(self, payment_method: str) -> bool:
        """Return whether this payment method was declined for the order, or given up for another."""
        return any(payment_method == tried for tried, _code in self.refused)

    @property
    def declined(self) -> tuple[str, ...]:
        """The payment methods that the bank refused: not those that were given up, or were no good."""
        return tuple(method for method, code in self.refused if rules.is_declined(code))

    @property
    def is_open(self) -> bool:
        """Whether nobody has said yet what becomes of the present payment method."""
        return self.status in UNDECIDED

    @property
    def has_currency(self) -> bool:
        """Whether it has a currency of its own: one that was closed before it began has none, and no money."""
        return self.amount.currency != NO_CURRENCY

    @property
    def is_charged_back(self) -> bool:
        """Whether a chargeback is open, so that nothing can be refunded until it is decided."""
        return self.dispute in CHARGEBACKS


def to_state(payment: Payment, *, client_secret: str = "", next_action: str = "") -> PaymentState:
    """Return what other contexts may see of a row."""
    return PaymentState(
        order_id=payment.order_id,
        status=read_status(PaymentStatus, payment.status),
        amount=payment.amount,
        captured=Money(payment.captured_minor, payment.currency),
        refunded=Money(payment.refunded_minor, payment.currency),
        owed=Money(payment.owed_minor, payment.currency),
        settled=Money(payment.settled_minor, payment.currency),
        lost=Money(payment.lost_minor, payment.currency),
        dispute=payment.dispute_status,
        intent_id=payment.intent_id or "",
        client_secret=client_secret,
        decline_code=payment.decline_code,
        next_action=next_action,
        payment_method=payment.payment_method,
        may_try_another=payment.may_try_another,
        refused=_pairs(payment.refused),
        version=payment.version,
        attempt=payment.attempt,
    )


def _pairs(refused: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((payment_method, code) for payment_method, code in refused)


def get_payment(*, order_id: UUID) -> PaymentState | None:
    """Return the recorded state of an order's payment, None where there is none; the provider isn't asked."""
    row = READ_PAYMENT.one(order_id=order_id)
    if row is None:
        return None
    status, amount_minor, currency, captured_minor, refunded_minor, owed_minor, settled_minor, *rest = row
    intent_id, decline_code, version, attempt, lost_minor, dispute, payment_method, may_try_another, refused = rest
    return PaymentState(
        order_id=order_id,
        status=read_status(PaymentStatus, status),
        amount=Money(amount_minor, currency),
        captured=Money(captured_minor, currency),
        refunded=Money(refunded_minor, currency),
        owed=Money(owed_minor, currency),
        settled=Money(settled_minor, currency),
        lost=Money(lost_minor, currency),
        dispute=dispute,
        intent_id=intent_id or "",
        decline_code=decline_code,
        payment_method=payment_method,
        may_try_another=may_try_another,
        refused=_pairs(msgspec.json.decode(refused)),
        version=version,
        attempt=attempt,
    )


def get_refundable(*, order_id: UUID) -> Money | None:
    """Return what of an order's payment may still be refunded, None where there is none; nothing during a chargeback."""
    payment = Payment.objects.filter(pk=order_id).first()
    if payment is None:
        return None
    return Money.zero(payment.currency) if payment.dispute_status in CHARGEBACKS else payment.refundable


def get_payments(*, order_ids: Collection[UUID]) -> dict[UUID, PaymentState]:
    """Return the recorded states of these orders' payments, by order; orders without one are missing."""
    return {payment.order_id: to_state(payment) for payment in Payment.objects.filter(pk__in=order_ids)}


@dataclass(frozen=True)
class RefundState:
    """One refund; `reason` is what staff wrote, and not for the customer."""

    refund_id: UUID
    status: RefundStatus
    amount: Money
    reason: str
    created_at: datetime


@dataclass(frozen=True)
class RefundPage:
    """Refunds of one payment, newest first, and whether there are more on either side."""

    refunds: tuple[RefundState, ...]
    has_newer: bool
    has_older: bool


class UnknownRefund(LookupError):
    """The payment has no such refund to begin a page at."""


def page_refunds(
    *, order_id: UUID, limit: int, older_than: UUID | None = None, newer_than: UUID | None = None
) -> RefundPage:
    """Return up to `limit` refunds of an order, newest first: the newest, or the next ones beside the one that is named.

    Raises: UnknownRefund.
    """
    rows = Refund.objects.filter(payment_id=order_id).select_related("payment")
    upwards = newer_than is not None
    if (beside := newer_than or older_than) is not None:
        made_at = rows.filter(pk=beside).values_list("created_at", flat=True).first()
        if made_at is None:
            raise UnknownRefund(beside)
        side = "gt" if upwards else "lt"
        rows = rows.filter(
            Q(**{f"created_at__{side}": made_at}) | Q(created_at=made_at, **{f"refund_id__{side}": beside})
        )
    order = ("created_at", "refund_id") if upwards else ("-created_at", "-refund_id")
    found = list(rows.order_by(*order)[: limit + 1])
    has_more, found = len(found) > limit, found[:limit]
    if upwards:
        found.reverse()
    return RefundPage(
        tuple(
            RefundState(
                refund_id=row.refund_id,
                status=read_status(RefundStatus, row.status),
                amount=Money(row.amount_minor, row.payment.currency),
                reason=row.reason,
                created_at=row.created_at,
            )
            for row in found
        ),
        has_newer=has_more if upwards else beside is not None,
        has_older=upwards or has_more,
    )


def sum_given_back(*, order_id: UUID, refund_ids: Collection[UUID]) -> int:
    """Return the minor units that these of an order's refunds gave back, without those that did not arrive."""
    given_back = Refund.objects.filter(payment_id=order_id, pk__in=refund_ids, status__in=GIVEN_BACK)
    return int(given_back.aggregate(total=Sum("amount_minor"))["total"] or 0)


def has_refund(*, refund_id: UUID) -> bool:
    """Return whether a refund of this id was asked for, whatever became of it."""
    return Refund.objects.filter(pk=refund_id).exists()


def is_refund_under_way(*, order_id: UUID, amount: Money) -> bool:
    """Return whether a refund of this amount, whoever asked for it, waits for the provider or for the bank."""
    refunds = Refund.objects.filter(payment_id=order_id, status__in=REFUND_UNDER_WAY)
    return refunds.filter(amount_minor=amount.minor, payment__currency=amount.currency).exists()


class PaymentStanding(NamedTuple):
    """One order's payment as the audit holds it against the order; amounts in minor units of `currency`."""

    order_id: UUID
    status: PaymentStatus
    amount: int
    currency: str
    captured: int
    refunded: int
    settled: int
    lost: int
    owed: int
    has_intent: bool

    @property
    def kept(self) -> int:
        """What of the capture is still ours: not given back, paid back otherwise, or lost to a dispute."""
        return max(0, self.captured - self.refunded - self.settled - self.lost)

    @property
    def kept_unlisted(self) -> int:
        """What of that is not noted as owed to the customer: no alert and no list calls staff for it."""
        return max(0, self.kept - self.owed)


def page_payments(*, after: UUID, limit: int) -> list[PaymentStanding]:
    """Return up to `limit` payments in the order of their ids, from the first one past `after`."""
    return [
        PaymentStanding(order_id, read_status(PaymentStatus, status), *rest)
        for order_id, status, *rest in _PAGE.run(after=after, limit=limit)
    ]


def count_unresolved(*, older_than: timedelta = timedelta(0)) -> int:
    """Count the payments whose outcome is not known, other than those that wait for their customer (for alerts)."""
    return count_up_to(Payment.objects.filter(status__in=UNANSWERED, changed_at__lte=Now() - older_than))


def count_owed() -> int:
    """Count the payments whose customers are owed money that a refund failed to bring (for alerts)."""
    return count_up_to(Payment.objects.filter(owed_minor__gt=0))


def count_open_disputes() -> dict[tuple[str, ...], int]:
    """Count the disputes that are open, by status (for the dashboard)."""
    open_now = Dispute.objects.filter(status__in=OPEN_DISPUTES)
    counted = dict(open_now.values_list("status").annotate(disputes=Count("pk")))
    return {(status.lower(),): counted.get(status, 0) for status in OPEN_DISPUTES}


def seconds_to_answer() -> dict[tuple[str, ...], float]:
    """Return how long is left to answer the most urgent dispute (for alerts); nothing where none is to be answered."""
    waiting = Dispute.objects.filter(status__in=UNANSWERED_DISPUTES, evidence_due_at__isnull=False)
    left = ExpressionWrapper(F("evidence_due_at") - Now(), output_field=DurationField())
    first = waiting.order_by("evidence_due_at").annotate(left=left).values_list("left", flat=True).first()
    return {} if first is None else {(): first.total_seconds()}


def _refused_and_not_made_good() -> QuerySet[Refund]:
    """Return the refunds that failed and that a human has to make good for: money is owed, or kept and not sent again."""
    kept = F("captured_minor") - F("refunded_minor") - F("settled_minor") - F("lost_minor")
    keeps = Payment.objects.alias(kept=kept).filter(pk=OuterRef("payment_id"), kept__gt=0)
    sent_again = Refund.objects.filter(payment_id=OuterRef("payment_id"), created_at__gt=OuterRef("created_at"))
    failed = Refund.objects.filter(status=RefundStatus.FAILED)
    return failed.filter(
        Q(payment__owed_minor__gt=0) | Q(Exists(keeps)) & ~Q(Exists(sent_again.exclude(status=RefundStatus.FAILED)))
    )


def payment_figures() -> dict[str, object]:
    """Return the dashboard's figures: what waits for the provider, for the customer, or for a human."""
    return {
        "without an outcome": shown_count(Payment.objects.filter(status__in=UNANSWERED)),
        "waiting for the customer": shown_count(
            Payment.objects.filter(status=PaymentStatus.REQUIRES_ACTION, due_at__isnull=False)
        ),
        "refunds under way": shown_count(Refund.objects.filter(status=RefundStatus.REQUESTED)),
        "refunds refused": shown_count(_refused_and_not_made_good()),
        "money owed to customers": shown_count(Payment.objects.filter(owed_minor__gt=0)),
        "disputes to answer": shown_count(Dispute.objects.filter(status__in=UNANSWERED_DISPUTES)),
        "stray intents to settle": shown_count(StrayIntent.objects.filter(settled_at=None)),
    }
