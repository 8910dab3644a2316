"""Tables of notifications. An email's row holds no address and no text: both are made when it is sent."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.db.models.lookups import IsNull

from notifications.events import EmailFailed, EmailQueued, EmailSent, EmailWithheld
from shop.events.inbox import InboxEntry
from shop.events.outbox import OutboxMessage
from shop.events.past import HistoryEntry, WatermarkRow
from shop.ids import new_id
from shop.models import DueModel
from shop.money import Money
from shop.states import StatusModel, Transitions
from shop.text import words


class EmailKind(models.TextChoices):
    """What an email tells; also the name of its templates."""

    ORDER_CONFIRMED = "order_confirmed"
    ORDER_CANCELED = "order_canceled"
    ORDER_SHIPPED = "order_shipped"
    ORDER_REFUNDED = "order_refunded"
    REFUND_ISSUED = "refund_issued"
    REFUND_RETURNED = "refund_returned"


# It goes before all others: its customer has just paid and waits for it (ADR 49).
GOES_FIRST = EmailKind.ORDER_CONFIRMED

# These tell of one refund: its id is their cause, and they name its amount.
OF_A_REFUND = [str(EmailKind.REFUND_ISSUED), str(EmailKind.REFUND_RETURNED)]

# Has an index of its own; shop/work/rows.py tells why it is an expression.
_FIRST_DUE_AT = models.Case(models.When(kind=GOES_FIRST.value, then="due_at"))


class EmailStatus(models.TextChoices):
    """Where an email stands."""

    PENDING = "PENDING"
    SENT = "SENT"
    FAILED = "FAILED"
    WITHHELD = "WITHHELD"


class Email(StatusModel, DueModel):
    """One email for one cause: what happened (its kind) to which order. `attempts` counts sends that were begun.

    `cause_id` is the order's id where that happens to an order once, else the id of what happened: the refund's.
    """

    TRANSITIONS = Transitions(
        {
            EmailStatus.PENDING: {EmailStatus.SENT, EmailStatus.FAILED, EmailStatus.WITHHELD},
            EmailStatus.SENT: set(),
            EmailStatus.FAILED: {EmailStatus.PENDING},
            EmailStatus.WITHHELD: {EmailStatus.PENDING},
        }
    )
    STATUS_AFTER = {
        EmailQueued: EmailStatus.PENDING,
        EmailSent: EmailStatus.SENT,
        EmailFailed: EmailStatus.FAILED,
        EmailWithheld: EmailStatus.WITHHELD,
    }

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order_id = models.UUIDField()
    kind = models.CharField(max_length=20, choices=EmailKind.choices)
    cause_id = models.UUIDField(editable=False)
    reason = models.CharField(max_length=80, blank=True, default="")
    amount_minor = models.BigIntegerField(
        null=True, blank=True, help_text="The amount of the refund that the email is about, returned or failed."
    )
    currency = models.CharField(max_length=3, blank=True, default="")
    status = models.CharField(max_length=10, choices=EmailStatus.choices, default=EmailStatus.PENDING)
    queued_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    # Of an email about an unpaid order that was let through: which mailbox it counts for (services/limits.py).
    recipient_key = models.BigIntegerField(null=True, editable=False)

    class Meta(DueModel.Meta):
        indexes = [
            *DueModel.Meta.indexes,
            models.Index(
                _FIRST_DUE_AT, name="notifications_email_first", condition=models.Q(IsNull(_FIRST_DUE_AT, rhs=False))
            ),
            models.Index(
                fields=["status"], name="notifications_email_open", condition=models.Q(status__in=["PENDING", "FAILED"])
            ),
            models.Index(fields=["status"], name="notifications_email_withheld", condition=models.Q(status="WITHHELD")),
            models.Index(
                fields=["recipient_key", "queued_at"],
                name="notifications_email_recipient",
                condition=models.Q(recipient_key__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["order_id", "kind", "cause_id"], name="notifications_email_once_per_cause"),
            models.CheckConstraint(
                name="notifications_email_amount_of_refund",
                condition=models.Q(kind__in=OF_A_REFUND, amount_minor__gt=0, currency__regex=r"^[A-Z]{3}$")
                | ~models.Q(kind__in=OF_A_REFUND)
                & models.Q(amount_minor=None, currency="", cause_id=models.F("order_id")),
            ),
        ]

    def __str__(self) -> str:
        return f"email of order {self.order_id}: {words(self.kind)}, {words(self.status)}"

    @property
    def amount(self) -> Money | None:
        """What the refund gave back, or did not; None where the email tells of no refund."""
        return None if self.amount_minor is None else Money(self.amount_minor, self.currency)


class LinkRequest(DueModel):
    """A request for the link of an order, by its number and address; a sweep finds out whether there is such an order.

    It is the same row, written at the same cost, where there is none. `order_id` stands once the link may be mailed; the row
    then stays for as long as no other is, and goes.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    number = models.CharField(max_length=20, editable=False)
    recipient_key = models.BigIntegerField(editable=False)
    order_id = models.UUIDField(null=True, editable=False)
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    told_at = models.DateTimeField(null=True, editable=False)

    class Meta(DueModel.Meta):
        indexes = [
            *DueModel.Meta.indexes,
            models.Index(
                fields=["order_id"],
                name="notifications_link_of_order",
                condition=models.Q(order_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"request of a link, {self.pk}"


class Outbox(OutboxMessage):
    """Facts of notifications on their way out."""

    class Meta(OutboxMessage.Meta):
        verbose_name_plural = "outbox"


class History(HistoryEntry):
    """Facts of notifications that the outbox has let go of; triggers refuse UPDATE and DELETE."""

    class Meta(HistoryEntry.Meta):
        verbose_name_plural = "history"


class Watermark(WatermarkRow):
    """Since when notifications has all of its facts."""

    class Meta(WatermarkRow.Meta):
        pass


class Inbox(InboxEntry):
    """Events that notifications hears."""

    class Meta(InboxEntry.Meta):
        verbose_name_plural = "inbox"
