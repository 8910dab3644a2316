"""A refund of a payment, and how it moves."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from payments import rules
from payments.events import RefundFailed, RefundPending, RefundRequested, RefundSucceeded
from payments.models.payment import Payment
from shop.models import DueModel
from shop.states import StatusModel, Transitions
from shop.text import words


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
