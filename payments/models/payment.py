"""A payment: what an order costs, how it moves, and what the provider's words mean for it."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Now

from payments import rules
from payments.events import (
    PaymentActionRequired,
    PaymentAuthorized,
    PaymentBecameUnknown,
    PaymentCaptured,
    PaymentFailed,
    PaymentOpened,
    PaymentRefunded,
    PaymentSubmitted,
    PaymentVoided,
)
from payments.rules import IntentStatus, NoticeKind
from shop.events.event import Event
from shop.models import DueModel
from shop.money import Money
from shop.states import ByPayload, StatusModel, Transitions
from shop.text import words

# A void that comes before its payment leaves a row without money, so without a currency: ISO 4217's "none".
NO_CURRENCY = "XXX"


class PaymentStatus(models.TextChoices):
    """Where the money of one order stands, as far as the provider has told us."""

    NEW = "NEW"
    SUBMITTED = "SUBMITTED"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    UNKNOWN = "UNKNOWN"
    DECLINED = "DECLINED"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    VOIDED = "VOIDED"


# Sent, and the outcome is not known: the provider is asked.
UNANSWERED = (PaymentStatus.SUBMITTED, PaymentStatus.UNKNOWN)
# Not sent, or sent without an answer so far.
UNSAID = (PaymentStatus.NEW, *UNANSWERED)
# Asked about until the outcome is known: the customer may have to authenticate first.
WAITING = (*UNANSWERED, PaymentStatus.REQUIRES_ACTION)
# Nobody has said yet what becomes of the present payment method.
UNDECIDED = (PaymentStatus.NEW, *WAITING)
# The present payment method was declined or waits for its customer: another one may follow it.
REPLACEABLE = (PaymentStatus.DECLINED, PaymentStatus.REQUIRES_ACTION)
# It may be captured, as far as we know.
CAPTURABLE = (PaymentStatus.AUTHORIZED, *UNANSWERED)
# Whatever the provider's cancel or capture may still change.
OPEN = (*WAITING, PaymentStatus.DECLINED, PaymentStatus.AUTHORIZED)
PAID = (PaymentStatus.CAPTURED, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED)
CLOSED = (PaymentStatus.VOIDED, PaymentStatus.REFUNDED)
# What asking the provider may find, wherever the outcome is open.
_ANSWERED = {PaymentStatus.DECLINED, PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED, PaymentStatus.VOIDED}

# What an intent tells of as it stands at the provider, and of payments in which statuses. Anything else that it shows is
# older than what we know: CANCELED and CAPTURED are final there, the others are believed only while we wait.
MOVES: Mapping[IntentStatus, tuple[type[Event], tuple[PaymentStatus, ...]]] = {
    IntentStatus.REQUIRES_ACTION: (PaymentActionRequired, UNANSWERED),
    IntentStatus.DECLINED: (PaymentFailed, WAITING),
    # An intent that is authorized never goes back, so this is newer than any decline: the browser may have confirmed again.
    IntentStatus.AUTHORIZED: (PaymentAuthorized, (*WAITING, PaymentStatus.DECLINED)),
    IntentStatus.CAPTURED: (PaymentCaptured, OPEN),
    IntentStatus.CANCELED: (PaymentVoided, OPEN),
}
# The statuses that know all that a webhook of a kind could teach. One of a refund, of a dispute, or of no kind that we
# know, is always news.
KNOWN_IN: Mapping[NoticeKind | None, tuple[PaymentStatus, ...]] = {
    NoticeKind.ACTION_REQUIRED: (*REPLACEABLE, PaymentStatus.AUTHORIZED, *PAID),
    NoticeKind.DECLINED: (PaymentStatus.DECLINED,),
    NoticeKind.AUTHORIZED: (PaymentStatus.AUTHORIZED, *PAID),
    NoticeKind.CAPTURED: PAID,
    NoticeKind.CANCELED: (PaymentStatus.VOIDED,),
}
# In these statuses a call of ours may be about to record what the notice is about. Never of CANCELED: no call of a walk
# that goes forward cancels, so such a notice is always news.
UNDER_WAY_IN: Mapping[NoticeKind | None, tuple[PaymentStatus, ...]] = {
    NoticeKind.ACTION_REQUIRED: (PaymentStatus.SUBMITTED,),
    NoticeKind.DECLINED: (PaymentStatus.SUBMITTED,),
    NoticeKind.AUTHORIZED: (PaymentStatus.SUBMITTED,),
    NoticeKind.CAPTURED: (PaymentStatus.SUBMITTED, PaymentStatus.AUTHORIZED),
}


class Payment(StatusModel, DueModel):
    """The one payment of one order. The client_secret of its intent is never stored: the provider has it."""

    TRANSITIONS = Transitions(
        {
            PaymentStatus.NEW: {PaymentStatus.SUBMITTED, PaymentStatus.DECLINED, PaymentStatus.VOIDED},
            PaymentStatus.SUBMITTED: {PaymentStatus.REQUIRES_ACTION, PaymentStatus.UNKNOWN, *_ANSWERED},
            # Back to SUBMITTED, here and from DECLINED: the same intent holds another payment method, unconfirmed.
            PaymentStatus.REQUIRES_ACTION: {PaymentStatus.SUBMITTED, *_ANSWERED},
            PaymentStatus.UNKNOWN: {PaymentStatus.REQUIRES_ACTION, *_ANSWERED},
            # Not final at the provider: whoever holds the client_secret can confirm again, until the intent is canceled.
            PaymentStatus.DECLINED: {PaymentStatus.SUBMITTED, *_ANSWERED},
            PaymentStatus.AUTHORIZED: {PaymentStatus.CAPTURED, PaymentStatus.VOIDED},
            PaymentStatus.CAPTURED: {PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED},
            PaymentStatus.PARTIALLY_REFUNDED: {PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED},
            PaymentStatus.REFUNDED: (),
            PaymentStatus.VOIDED: (),
        }
    )
    STATUS_AFTER = {
        PaymentOpened: PaymentStatus.NEW,
        PaymentSubmitted: PaymentStatus.SUBMITTED,
        PaymentActionRequired: PaymentStatus.REQUIRES_ACTION,
        PaymentBecameUnknown: PaymentStatus.UNKNOWN,
        PaymentFailed: PaymentStatus.DECLINED,
        PaymentAuthorized: PaymentStatus.AUTHORIZED,
        PaymentCaptured: PaymentStatus.CAPTURED,
        PaymentRefunded: ByPayload("full", {"true": PaymentStatus.REFUNDED, "false": PaymentStatus.PARTIALLY_REFUNDED}),
        PaymentVoided: PaymentStatus.VOIDED,
    }

    order_id = models.UUIDField(primary_key=True, editable=False)
    status = models.CharField(max_length=20, choices=PaymentStatus.choices, default=PaymentStatus.NEW, editable=False)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    payment_method = models.CharField(
        max_length=255, blank=True, default="", db_default="", help_text="The provider's token, never a card number."
    )
    intent_id = models.CharField(max_length=255, null=True, unique=True)  # noqa: DJ001  unique, so absent must be null
    attempt = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="Part of every idempotency key that the provider gets."
    )
    attempt_began_at = models.DateTimeField(
        db_default=Now(), help_text="No idempotency key of this attempt was used before this time."
    )
    captured_minor = models.BigIntegerField(default=0, db_default=0)
    refunded_minor = models.BigIntegerField(default=0, db_default=0)
    refund_reserved_minor = models.BigIntegerField(default=0, db_default=0)
    owed_minor = models.BigIntegerField(
        default=0, db_default=0, help_text="Owed to the customer: refunds that did not arrive."
    )
    settled_minor = models.BigIntegerField(
        default=0, db_default=0, help_text="Paid back by staff in another way than by a refund."
    )
    lost_minor = models.BigIntegerField(default=0, db_default=0, help_text="Taken for good by disputes.")
    covered_minor = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="Would be owed if disputes had not taken it. Owed again if that money comes back.",
    )
    dispute_status = models.CharField(
        max_length=24,
        blank=True,
        default="",
        db_default="",
        help_text="The status of its dispute. Of several, the one that blocks the most.",
    )
    decline_code = models.CharField(max_length=80, blank=True, default="", db_default="")
    may_try_another = models.BooleanField(
        "another method may be tried",
        default=False,
        db_default=False,
        help_text="Whether another payment method can be tried on the same intent after a decline.",
    )
    refused = models.JSONField(
        "methods tried before",
        default=list,
        db_default=Value([], models.JSONField()),
        blank=True,
        editable=False,
        help_text="The payment methods that were tried before, in order, each with its decline code.",
    )
    void_reason = models.CharField(max_length=80, blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta(DueModel.Meta):
        indexes = [
            *DueModel.Meta.indexes,
            models.Index(
                fields=["changed_at"],
                name="payments_payment_unanswered",
                condition=Q(status__in=UNANSWERED),
            ),
            models.Index(fields=["owed_minor"], name="payments_payment_owed", condition=Q(owed_minor__gt=0)),
            models.Index(fields=["dispute_status"], name="payments_payment_disputed", condition=~Q(dispute_status="")),
        ]
        constraints = [
            models.CheckConstraint(name="payments_payment_status_known", condition=Q(status__in=PaymentStatus.values)),
            models.CheckConstraint(name="payments_amount_not_negative", condition=Q(amount_minor__gte=0)),
            models.CheckConstraint(
                name="payments_capture_is_all_or_nothing",
                condition=Q(captured_minor=0) | Q(captured_minor=F("amount_minor")),
            ),
            models.CheckConstraint(
                name="payments_refunds_within_capture",
                condition=Q(refunded_minor__gte=0)
                & Q(refund_reserved_minor__gte=0)
                & Q(captured_minor__gte=F("refunded_minor") + F("refund_reserved_minor")),
            ),
            models.CheckConstraint(
                name="payments_settled_within_capture",
                condition=Q(owed_minor__gte=0)
                & Q(settled_minor__gte=0)
                & Q(captured_minor__gte=F("refunded_minor") + F("refund_reserved_minor") + F("settled_minor")),
            ),
        ]
        permissions = [
            ("refund_payment_in_full", "Can refund a payment in full"),
            ("ask_provider", "Can ask the provider how a payment stands"),
        ]

    def __str__(self) -> str:
        return f"payment of order {self.order_id}: {words(self.status)}"

    @property
    def amount(self) -> Money:
        """What the order costs."""
        return Money(self.amount_minor, self.currency)

    @property
    def refundable(self) -> Money:
        """What of the capture is neither given back, nor promised to a refund under way, paid back otherwise or lost."""
        gone = self.refunded_minor + self.refund_reserved_minor + self.settled_minor + self.lost_minor
        return Money(max(self.captured_minor - gone, 0), self.currency)

    def key(self, op: str) -> str:
        """Return the idempotency key of `op`: known from this row alone, so stored before the call is made."""
        return rules.idempotency_key(order_id=self.order_id, attempt=self.attempt, op=op)
