"""Payments' tables, with every status beside the moves it allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Now

from payments import rules
from payments.events import (
    PaymentActionRequired,
    PaymentAuthorized,
    PaymentBecameUnknown,
    PaymentCaptured,
    PaymentDisputeChanged,
    PaymentDisputeClosed,
    PaymentDisputeOpened,
    PaymentFailed,
    PaymentOpened,
    PaymentRefunded,
    PaymentSubmitted,
    PaymentVoided,
    RefundFailed,
    RefundPending,
    RefundRequested,
    RefundSucceeded,
)
from payments.rules import IntentStatus, NoticeKind
from shop.events.event import Event
from shop.events.outbox import OutboxMessage
from shop.events.past import HistoryEntry, WatermarkRow
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
        max_length=255, blank=True, default="", db_default="", help_text="The provider's token id."
    )
    intent_id = models.CharField(max_length=255, null=True, unique=True)  # noqa: DJ001  unique, so absent must be null
    attempt = models.PositiveSmallIntegerField(default=1, db_default=1, help_text="Part of every idempotency key.")
    attempt_began_at = models.DateTimeField(db_default=Now(), help_text="No key of this attempt was used before.")
    captured_minor = models.BigIntegerField(default=0, db_default=0)
    refunded_minor = models.BigIntegerField(default=0, db_default=0)
    refund_reserved_minor = models.BigIntegerField(default=0, db_default=0)
    owed_minor = models.BigIntegerField(default=0, db_default=0, help_text="Of refunds that did not arrive.")
    settled_minor = models.BigIntegerField(default=0, db_default=0, help_text="Paid back by staff, not by a refund.")
    lost_minor = models.BigIntegerField(default=0, db_default=0, help_text="Taken back by disputes for good.")
    covered_minor = models.BigIntegerField(
        default=0, db_default=0, help_text="Owed, but for what lost disputes took; owed again where that comes back."
    )
    dispute_status = models.CharField(
        max_length=24, blank=True, default="", db_default="", help_text="Of its disputes, the one that stops most."
    )
    decline_code = models.CharField(max_length=80, blank=True, default="", db_default="")
    may_try_another = models.BooleanField(
        default=False, db_default=False, help_text="DECLINED: another payment method may follow on the same intent."
    )
    refused = models.JSONField(
        default=list,
        db_default=Value([], models.JSONField()),
        blank=True,
        editable=False,
        help_text="The payment methods that were tried and are over, each with its decline code, in their order.",
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


class RefundStatus(models.TextChoices):
    """Where one refund stands."""

    REQUESTED = "REQUESTED"
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


REFUND_UNDER_WAY = (RefundStatus.REQUESTED, RefundStatus.PENDING)
# Counted as given back, as in the provider's ledger.
GIVEN_BACK = (RefundStatus.PENDING, RefundStatus.SUCCEEDED)
# Its amount is set aside from the capture, or counts as given back.
NOT_FAILED = (RefundStatus.REQUESTED, *GIVEN_BACK)


class Refund(StatusModel, DueModel):
    """One refund: its amount is set aside from the capture before the provider is asked.

    PENDING counts as given back, as it does in the provider's ledger. A bank may return even a SUCCEEDED one.
    """

    TRANSITIONS = Transitions(
        {
            RefundStatus.REQUESTED: {RefundStatus.PENDING, RefundStatus.SUCCEEDED, RefundStatus.FAILED},
            RefundStatus.PENDING: {RefundStatus.SUCCEEDED, RefundStatus.FAILED},
            RefundStatus.SUCCEEDED: {RefundStatus.FAILED},
            RefundStatus.FAILED: (),
        }
    )
    STATUS_AFTER = {
        RefundRequested: RefundStatus.REQUESTED,
        RefundPending: RefundStatus.PENDING,
        RefundSucceeded: RefundStatus.SUCCEEDED,
        RefundFailed: RefundStatus.FAILED,
    }

    refund_id = models.UUIDField(primary_key=True, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    status = models.CharField(
        max_length=10, choices=RefundStatus.choices, default=RefundStatus.REQUESTED, editable=False
    )
    amount_minor = models.BigIntegerField()
    reason = models.CharField(max_length=80, blank=True)
    provider_refund_id = models.CharField(max_length=255, null=True, unique=True)  # noqa: DJ001  unique, so null
    attempt = models.PositiveSmallIntegerField(default=1)
    attempt_began_at = models.DateTimeField(db_default=Now())
    failure_code = models.CharField(max_length=80, blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta(DueModel.Meta):
        indexes = [
            *DueModel.Meta.indexes,
            models.Index(fields=["-created_at"], name="payments_refund_created"),
            models.Index(
                fields=["status"],
                name="payments_refund_open",
                condition=Q(
                    status__in=[str(RefundStatus.REQUESTED), str(RefundStatus.PENDING), str(RefundStatus.FAILED)]
                ),
            ),
        ]
        constraints = [
            models.CheckConstraint(name="payments_refund_is_positive", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(name="payments_refund_status_known", condition=Q(status__in=RefundStatus.values)),
        ]

    def __str__(self) -> str:
        return f"refund {self.refund_id}: {words(self.status)}"

    def key(self) -> str:
        """Return the idempotency key under which the provider is asked."""
        return rules.refund_key(order_id=self.payment_id, refund_id=self.refund_id, attempt=self.attempt)


class DisputeStatus(models.TextChoices):
    """Where a dispute stands: the provider's words in capitals. See Note [Disputed payments]."""

    WARNING_NEEDS_RESPONSE = "WARNING_NEEDS_RESPONSE", "inquiry: to be answered"
    WARNING_UNDER_REVIEW = "WARNING_UNDER_REVIEW", "inquiry: answered, under review"
    WARNING_CLOSED = "WARNING_CLOSED", "inquiry closed"
    NEEDS_RESPONSE = "NEEDS_RESPONSE", "chargeback: to be answered"
    UNDER_REVIEW = "UNDER_REVIEW", "chargeback: answered, under review"
    APPEAL_NEEDS_RESPONSE = "APPEAL_NEEDS_RESPONSE", "appeal: to be answered"
    APPEAL_UNDER_REVIEW = "APPEAL_UNDER_REVIEW", "appeal: answered, under review"
    WON = "WON", "won"
    LOST = "LOST", "lost"
    PREVENTED = "PREVENTED", "prevented"


# Note [Disputed payments]
#
# A dispute is an inquiry (`WARNING_*`) or a chargeback. While an inquiry is open the money is still ours, and a refund is
# the way out of it. A chargeback takes the money, and a fee, as it opens; the provider then refuses refunds. It is won
# (the money comes back) or lost, and what was lost may be appealed. PREVENTED was settled before it became a chargeback.
# Any step may be skipped here, where its notice was lost.
INQUIRIES = (DisputeStatus.WARNING_NEEDS_RESPONSE, DisputeStatus.WARNING_UNDER_REVIEW)
APPEALS = (DisputeStatus.APPEAL_NEEDS_RESPONSE, DisputeStatus.APPEAL_UNDER_REVIEW)
CHARGEBACKS = (DisputeStatus.NEEDS_RESPONSE, DisputeStatus.UNDER_REVIEW, *APPEALS)
OPEN_DISPUTES = (*INQUIRIES, *CHARGEBACKS)
# Staff have to answer these before the evidence is due.
UNANSWERED_DISPUTES = (
    DisputeStatus.APPEAL_NEEDS_RESPONSE,
    DisputeStatus.NEEDS_RESPONSE,
    DisputeStatus.WARNING_NEEDS_RESPONSE,
)
_EVER_AN_INQUIRY = {*INQUIRIES, DisputeStatus.WARNING_CLOSED}
_EVER_A_CHARGEBACK = set(DisputeStatus) - _EVER_AN_INQUIRY
# Which status of several disputes is the payment's: what stops most comes first.
_BY_WEIGHT = (
    DisputeStatus.NEEDS_RESPONSE,
    DisputeStatus.APPEAL_NEEDS_RESPONSE,
    DisputeStatus.UNDER_REVIEW,
    DisputeStatus.APPEAL_UNDER_REVIEW,
    DisputeStatus.WARNING_NEEDS_RESPONSE,
    DisputeStatus.WARNING_UNDER_REVIEW,
    DisputeStatus.LOST,
    DisputeStatus.PREVENTED,
    DisputeStatus.WON,
    DisputeStatus.WARNING_CLOSED,
)


def first_status(status: DisputeStatus) -> DisputeStatus:
    """Return the status in which a dispute begins that is first seen in `status`: what is over was open once."""
    if status in OPEN_DISPUTES:
        return status
    inquired = status == DisputeStatus.WARNING_CLOSED
    return DisputeStatus.WARNING_NEEDS_RESPONSE if inquired else DisputeStatus.NEEDS_RESPONSE


def combined_status(statuses: Iterable[str]) -> str:
    """Return the status of a payment's disputes together, "" where there are none. See Note [Disputed payments]."""
    return min(statuses, key=_BY_WEIGHT.index, default="")


def count_lost(*, status: str, disputed_minor: int, withdrawn: bool) -> int:
    """Return how many minor units of the capture a dispute took for good, as far as is known.

    `withdrawn`: the provider has taken money for it and not given it back.
    """
    is_lost = status in (DisputeStatus.LOST, *APPEALS) or (status == DisputeStatus.PREVENTED and withdrawn)
    return disputed_minor if is_lost else 0


class Dispute(StatusModel, DueModel):
    """A customer's complaint at their bank about one payment, as the provider showed it when it was last asked.

    The provider decides how it moves; only an inquiry can become anything, and no chargeback an inquiry again. Amounts:
    what is disputed is in the payment's currency, what was withdrawn and the fee in that of the account at the provider.
    """

    TRANSITIONS = Transitions(
        {status: set(DisputeStatus) - {status} for status in _EVER_AN_INQUIRY}
        | {status: _EVER_A_CHARGEBACK - {status} for status in _EVER_A_CHARGEBACK}
        | {DisputeStatus.PREVENTED: ()}
    )
    STATUS_AFTER = dict.fromkeys(
        (PaymentDisputeOpened, PaymentDisputeChanged, PaymentDisputeClosed), ByPayload("status")
    )

    dispute_id = models.UUIDField(primary_key=True, editable=False)
    provider_dispute_id = models.CharField(max_length=255, unique=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="disputes")
    status = models.CharField(max_length=24, choices=DisputeStatus.choices, editable=False)
    reason = models.CharField(max_length=80, blank=True, default="")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    withdrawn_minor = models.BigIntegerField(default=0, help_text="Taken from the account and not given back.")
    fee_minor = models.BigIntegerField(default=0, help_text="The provider's fees for it.")
    account_currency = models.CharField(max_length=3, default=NO_CURRENCY)
    evidence_due_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    answers = models.PositiveIntegerField(default=0, help_text="How many answers of the provider were recorded.")
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta(DueModel.Meta):
        indexes = [
            *DueModel.Meta.indexes,
            models.Index(fields=["-opened_at"], name="payments_dispute_opened"),
            models.Index(
                fields=["evidence_due_at"],
                name="payments_dispute_unanswered",
                condition=Q(status__in=UNANSWERED_DISPUTES),
            ),
        ]
        constraints = [
            models.CheckConstraint(name="payments_dispute_status_known", condition=Q(status__in=DisputeStatus.values)),
            models.CheckConstraint(name="payments_dispute_not_negative", condition=Q(amount_minor__gte=0)),
        ]

    def __str__(self) -> str:
        return f"dispute {self.provider_dispute_id}: {self.get_status_display()}"

    @property
    def lost_minor(self) -> int:
        """What of the capture it took for good; all of it where it is counted in another currency."""
        taken = count_lost(status=self.status, disputed_minor=self.amount_minor, withdrawn=self.withdrawn_minor > 0)
        return taken if self.currency == self.payment.currency else self.payment.captured_minor * bool(taken)


class WebhookEvent(DueModel):
    """A verified notice of the provider: kept by its id, answered with 200, then applied by asking how things stand."""

    id = models.BigAutoField(primary_key=True)
    event_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=80)
    intent_id = models.CharField(max_length=255)
    received_at = models.DateTimeField(db_default=Now())
    applied_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=40, blank=True)

    class Meta(DueModel.Meta):
        indexes = [*DueModel.Meta.indexes, models.Index(fields=["intent_id"], name="payments_webhook_intent")]

    def __str__(self) -> str:
        return f"{self.type} of {self.intent_id}"


class StrayReason(models.TextChoices):
    """Why the provider holds an intent that no payment of ours stands for."""

    LATE_CAPTURE = "LATE_CAPTURE", "money was taken after we had closed the payment"
    SECOND_INTENT = "SECOND_INTENT", "the order's payment goes by another intent"
    UNKNOWN_ORDER = "UNKNOWN_ORDER", "there is no such payment here"


class StrayIntent(DueModel):
    """An intent at the provider that must not hold money: canceled or refunded, and kept for a human to see."""

    id = models.BigAutoField(primary_key=True)
    intent_id = models.CharField(max_length=255, unique=True)
    order_id = models.UUIDField()
    reason = models.CharField(max_length=20, choices=StrayReason.choices)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    found_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=40, blank=True)

    class Meta(DueModel.Meta):
        pass

    def __str__(self) -> str:
        return f"stray intent {self.intent_id}: {self.get_reason_display()}"


class Outbox(OutboxMessage):
    """What payments has told the others."""

    class Meta(OutboxMessage.Meta):
        verbose_name_plural = "outbox"


class History(HistoryEntry):
    """Facts of payments that the outbox has let go of; triggers refuse UPDATE and DELETE."""

    class Meta(HistoryEntry.Meta):
        verbose_name_plural = "history"


class Watermark(WatermarkRow):
    """Since when payments has all of its facts."""

    class Meta(WatermarkRow.Meta):
        pass
