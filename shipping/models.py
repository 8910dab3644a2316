"""Tables of shipping. A shipment holds no address: what the carrier needs is read from the order when it is booked."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from shipping.events import (
    ShipmentBooked,
    ShipmentCanceled,
    ShipmentCreated,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentUnbooked,
)
from shipping.rules import CARRIER_NAME_LENGTH, OPTION_CODE_LENGTH, OPTION_CODE_PATTERN, TRACKING_NUMBER_LENGTH
from shop.events.inbox import InboxEntry
from shop.events.outbox import OutboxMessage
from shop.events.past import HistoryEntry, WatermarkRow
from shop.ids import new_id
from shop.models import DueModel
from shop.states import StatusModel, Transitions
from shop.text import words


class ShipmentStatus(models.TextChoices):
    """Where a shipment stands."""

    PENDING = "PENDING"
    BOOKED = "BOOKED"
    DISPATCHED = "DISPATCHED"
    DELIVERED = "DELIVERED"
    CANCELED = "CANCELED"


# A parcel whose shipment has one of these may still leave.
MAY_LEAVE = (ShipmentStatus.PENDING, ShipmentStatus.BOOKED)
# Its carrier is asked how far it is.
TRACKED = (ShipmentStatus.BOOKED, ShipmentStatus.DISPATCHED)
HAS_LEFT = (ShipmentStatus.DISPATCHED, ShipmentStatus.DELIVERED)
ENDED = (ShipmentStatus.DELIVERED, ShipmentStatus.CANCELED)


class Shipment(StatusModel, DueModel):
    """The parcel of one order. Its id is the reference under which a carrier knows it, stored before any is asked.

    What `due_at` waits for depends on the status: PENDING: book it; BOOKED, DISPATCHED: ask the carrier how far it is;
    CANCELED, or BOOKED and held: take the booking back. Null: a human is next, or nobody. BOOKED becomes PENDING again
    where a dispute holds the parcel and its carrier gives the booking back.
    """

    TRANSITIONS = Transitions(
        {
            ShipmentStatus.PENDING: {ShipmentStatus.BOOKED, ShipmentStatus.CANCELED},
            ShipmentStatus.BOOKED: {ShipmentStatus.PENDING, ShipmentStatus.DISPATCHED, ShipmentStatus.CANCELED},
            ShipmentStatus.DISPATCHED: {ShipmentStatus.DELIVERED},
            ShipmentStatus.DELIVERED: set(),
            ShipmentStatus.CANCELED: set(),
        }
    )
    STATUS_AFTER = {
        ShipmentCreated: ShipmentStatus.PENDING,
        ShipmentBooked: ShipmentStatus.BOOKED,
        ShipmentUnbooked: ShipmentStatus.PENDING,
        ShipmentDispatched: ShipmentStatus.DISPATCHED,
        ShipmentDelivered: ShipmentStatus.DELIVERED,
        ShipmentCanceled: ShipmentStatus.CANCELED,
    }

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order_id = models.UUIDField(unique=True)
    status = models.CharField(max_length=10, choices=ShipmentStatus.choices, default=ShipmentStatus.PENDING)
    carrier = models.CharField(max_length=CARRIER_NAME_LENGTH, blank=True, default="")
    carrier_reference = models.CharField(max_length=120, blank=True, default="")
    tracking_number = models.CharField(max_length=TRACKING_NUMBER_LENGTH, blank=True, default="")
    label_url = models.URLField("label URL", max_length=500, blank=True, default="")
    carrier_asked_at = models.DateTimeField(null=True, blank=True)
    refusal_code = models.CharField(max_length=80, blank=True, default="")
    cancel_reason = models.CharField(max_length=80, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    booked_at = models.DateTimeField(null=True, blank=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    canceled_at = models.DateTimeField(null=True, blank=True)

    class Meta(DueModel.Meta):
        indexes = [
            *DueModel.Meta.indexes,
            models.Index(
                fields=["status"],
                name="shipping_shipment_open",
                condition=models.Q(status__in=["PENDING", "BOOKED", "DISPATCHED"]),
            ),
            models.Index(
                fields=["tracking_number"],
                name="shipping_shipment_tracking",
                condition=~models.Q(tracking_number=""),
            ),
            models.Index(
                fields=["carrier_reference"],
                name="shipping_shipment_reference",
                condition=~models.Q(carrier_reference=""),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="shipping_shipment_left_with_tracking",
                condition=~models.Q(status__in=["DISPATCHED", "DELIVERED"]) | ~models.Q(tracking_number=""),
            ),
            models.CheckConstraint(
                name="shipping_shipment_booked_with_carrier",
                condition=~models.Q(status__in=["BOOKED", "DISPATCHED", "DELIVERED"]) | ~models.Q(carrier=""),
            ),
        ]

    def __str__(self) -> str:
        return f"shipment {self.id} of order {self.order_id}: {words(self.status)}"


class SurplusBooking(DueModel):
    """A surplus booking at the carrier, kept until it is taken back: by a sweep, or by staff where the carrier refuses.

    `due_at` waits for the sweep; null while it is not taken back: the carrier has refused, a human is next.
    """

    id = models.BigAutoField(primary_key=True)
    shipment_id = models.UUIDField()
    order_id = models.UUIDField(db_index=True)
    carrier = models.CharField(max_length=CARRIER_NAME_LENGTH)
    carrier_reference = models.CharField(max_length=120)
    recorded_at = models.DateTimeField(db_default=Now())
    taken_back_at = models.DateTimeField(null=True, blank=True)

    class Meta(DueModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["carrier", "carrier_reference"], name="shipping_surplus_booking_once"),
            models.CheckConstraint(
                name="shipping_surplus_booking_rests",
                condition=models.Q(taken_back_at=None) | models.Q(due_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"surplus booking {self.carrier_reference} at {self.carrier} of order {self.order_id}"


class Hold(models.Model):
    """Why a parcel does not leave for now: a dispute of its payment. It may be there before the shipment is.

    `revision`: of the dispute's fact that was heard last; older ones change nothing. While `released_at` is null no carrier
    is asked to take the parcel, its booking is taken back, and staff cannot hand it over. `for_staff`: the dispute is lost,
    or is over and the money went back in full (`money_is_back`), so staff decide. A hold that staff have released
    (`released_by_staff`) stays so. `held_at`: since when it holds, also again.
    """

    dispute_id = models.UUIDField(primary_key=True, editable=False)
    order_id = models.UUIDField(db_index=True)
    revision = models.PositiveIntegerField()
    for_staff = models.BooleanField("waits for staff", default=False)
    money_is_back = models.BooleanField(default=False, db_default=False)
    held_at = models.DateTimeField(db_default=Now())
    released_at = models.DateTimeField(null=True, blank=True)
    released_by_staff = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"hold of order {self.order_id} for dispute {self.dispute_id}"


class ShippingOption(models.Model):
    """A way for parcels to travel that customers choose from; its rates say what it costs to which country."""

    code = models.CharField(
        max_length=OPTION_CODE_LENGTH,
        unique=True,
        validators=[RegexValidator(OPTION_CODE_PATTERN)],
        help_text="Its name in the API, in small letters, such as standard. Do not change it while customers are ordering.",
    )
    name = models.CharField(max_length=80, help_text="What customers read, such as Standard delivery.")
    days_min = models.PositiveSmallIntegerField("days at least", help_text="Parcels take at least this many days.")
    days_max = models.PositiveSmallIntegerField("days at most", help_text="Parcels take at most this many days.")
    position = models.PositiveSmallIntegerField(default=0, help_text="Options are sorted by this number, lowest first.")
    active = models.BooleanField(default=True, help_text="Customers can choose only active options.")

    class Meta:
        constraints = [
            models.CheckConstraint(name="shipping_option_code", condition=Q(code__regex=OPTION_CODE_PATTERN)),
            models.CheckConstraint(
                name="shipping_option_days",
                condition=Q(days_max__gte=F("days_min")),
                violation_error_message="The latest day is not before the earliest.",
            ),
        ]
        ordering = ["position", "code"]

    def __str__(self) -> str:
        return self.name


class ShippingRate(models.Model):
    """What an option costs: for parcels to some countries, of some weight, in one currency.

    Of several rates of an option that fit, those that name the country win over those for all, and then the cheapest.
    """

    option = models.ForeignKey(ShippingOption, on_delete=models.CASCADE, related_name="rates")
    countries = ArrayField(
        models.CharField(max_length=2),
        default=list,
        blank=True,
        help_text="ISO 3166 codes, separated by commas: DE,AT. Empty: all countries. Where another rate names the country, that one applies.",
    )
    min_weight_grams = models.PositiveIntegerField(default=0, help_text="Only for parcels of at least this weight.")
    max_weight_grams = models.PositiveIntegerField(
        null=True, blank=True, help_text="Only for parcels of at most this weight. Empty: any weight."
    )
    currency = models.CharField(max_length=3, help_text="ISO 4217 code. Only for orders in this currency.")
    price_minor = models.BigIntegerField()
    free_from_minor = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="shipping_rate_currency", condition=Q(currency__regex=r"^[A-Z]{3}$")),
            models.CheckConstraint(name="shipping_rate_price", condition=Q(price_minor__gte=0)),
            models.CheckConstraint(
                name="shipping_rate_free_from", condition=Q(free_from_minor=None) | Q(free_from_minor__gte=0)
            ),
            models.CheckConstraint(
                name="shipping_rate_weight",
                condition=Q(max_weight_grams=None) | Q(max_weight_grams__gte=F("min_weight_grams")),
                violation_error_message="The highest weight is not below the lowest.",
            ),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return ", ".join(self.countries) or "all countries"


class Outbox(OutboxMessage):
    """Facts of shipping on their way out."""

    class Meta(OutboxMessage.Meta):
        verbose_name_plural = "outbox"


class History(HistoryEntry):
    """Facts of shipping that the outbox has let go of; triggers refuse UPDATE and DELETE."""

    class Meta(HistoryEntry.Meta):
        verbose_name_plural = "history"


class Watermark(WatermarkRow):
    """Since when shipping has all of its facts."""

    class Meta(WatermarkRow.Meta):
        pass


class Inbox(InboxEntry):
    """Events that shipping hears."""

    class Meta(InboxEntry.Meta):
        verbose_name_plural = "inbox"
