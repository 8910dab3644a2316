"""A dispute about a payment, and what several of them mean for it. See Note [Disputed payments]."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from payments.events import PaymentDisputeChanged, PaymentDisputeClosed, PaymentDisputeOpened
from payments.models.payment import NO_CURRENCY, Payment
from shop.models import DueModel
from shop.states import ByPayload, StatusModel, Transitions


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
    withdrawn_minor = models.BigIntegerField(
        default=0, help_text="Taken from our account at the provider and not returned."
    )
    fee_minor = models.BigIntegerField(default=0, help_text="What the provider charges for the dispute.")
    account_currency = models.CharField(max_length=3, default=NO_CURRENCY)
    evidence_due_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    answers = models.PositiveIntegerField(default=0, help_text="How many answers from the provider were recorded.")
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
