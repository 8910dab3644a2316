"""An order, what it holds and how it moves: its statuses, lines, adjustments and contact."""

from __future__ import annotations

import secrets

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now, Upper

from orders.events import (
    OrderAwaitingPayment,
    OrderCanceled,
    OrderCanceling,
    OrderConfirmed,
    OrderConfirming,
    OrderDelivered,
    OrderPlaced,
    OrderRefunded,
    OrderRefunding,
    OrderShipped,
)
from orders.pricing.priced import AdjustmentKind
from shop.ids import new_id
from shop.money import Money
from shop.personal.keepers import ERASED, ERASED_EMAIL
from shop.states import StatusModel, Transitions

# Crockford's base 32: no letter that reads like a digit.
NUMBER_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_order_number() -> str:
    """Return a number that a customer can read out on the telephone and nobody can count orders by."""
    drawn = secrets.randbits(50)
    return "".join(NUMBER_ALPHABET[drawn >> shift & 31] for shift in range(0, 50, 5))


class OrderStatus(models.TextChoices):
    """Where an order stands."""

    PENDING = "PENDING"
    AWAITING_PAYMENT = "AWAITING_PAYMENT"
    CONFIRMING = "CONFIRMING"
    CONFIRMED = "CONFIRMED"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"
    REFUNDING = "REFUNDING"
    REFUNDED = "REFUNDED"


# Not paid yet and not at an end: such an order may hold stock that nobody has paid for.
UNPAID = (OrderStatus.PENDING, OrderStatus.AWAITING_PAYMENT, OrderStatus.CONFIRMING)
# Of these, no payment was accepted yet: the order may be given one, and canceled without a refund.
PAYABLE = (OrderStatus.PENDING, OrderStatus.AWAITING_PAYMENT)
# Its money was taken and its stock is sold, and nobody has canceled it.
PAID = (OrderStatus.CONFIRMED, OrderStatus.SHIPPED, OrderStatus.DELIVERED)
# Of these, its parcel has left.
SENT = (OrderStatus.SHIPPED, OrderStatus.DELIVERED)
# On its way back: stock and money are being returned.
GOING_BACK = (OrderStatus.CANCELING, OrderStatus.REFUNDING)
# All of it came back.
CALLED_OFF = (OrderStatus.CANCELED, OrderStatus.REFUNDED)
# Canceled before it was paid, or on the way to that.
NEVER_PAID = (OrderStatus.CANCELING, OrderStatus.CANCELED)
# No saga moves it any further.
DECIDED = (*PAID, *CALLED_OFF)
# Nothing moves it any more.
ENDED = (OrderStatus.DELIVERED, *CALLED_OFF)
ORDER_TRANSITIONS = Transitions(
    {
        # Straight to CONFIRMING where the walk that reserved the stock went on and was told that the card is authorized.
        OrderStatus.PENDING: {OrderStatus.AWAITING_PAYMENT, OrderStatus.CONFIRMING, OrderStatus.CANCELING},
        OrderStatus.AWAITING_PAYMENT: {OrderStatus.CONFIRMING, OrderStatus.CANCELING},
        # Only where the authorization is gone at the provider.
        OrderStatus.CONFIRMING: {OrderStatus.CONFIRMED, OrderStatus.CANCELING},
        OrderStatus.CONFIRMED: {OrderStatus.SHIPPED, OrderStatus.REFUNDING},
        OrderStatus.SHIPPED: {OrderStatus.DELIVERED},
        OrderStatus.DELIVERED: set(),
        OrderStatus.CANCELING: {OrderStatus.CANCELED},
        OrderStatus.CANCELED: set(),
        # The parcel had left before it could be stopped: the order is shipped, and no money goes back.
        OrderStatus.REFUNDING: {OrderStatus.REFUNDED, OrderStatus.SHIPPED},
        OrderStatus.REFUNDED: set(),
    }
)


class Order(StatusModel):
    """What a customer wants and what it costs; the row exists before anything is reserved or charged."""

    TRANSITIONS = ORDER_TRANSITIONS
    STATUS_AFTER = {
        OrderPlaced: OrderStatus.PENDING,
        OrderAwaitingPayment: OrderStatus.AWAITING_PAYMENT,
        OrderConfirming: OrderStatus.CONFIRMING,
        OrderConfirmed: OrderStatus.CONFIRMED,
        OrderShipped: OrderStatus.SHIPPED,
        OrderDelivered: OrderStatus.DELIVERED,
        OrderCanceling: OrderStatus.CANCELING,
        OrderCanceled: OrderStatus.CANCELED,
        OrderRefunding: OrderStatus.REFUNDING,
        OrderRefunded: OrderStatus.REFUNDED,
    }

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    number = models.CharField(max_length=10, unique=True, default=new_order_number, editable=False)
    customer_id = models.UUIDField()
    guest_id = models.UUIDField(
        null=True, editable=False, help_text="The guest who placed the order, if it has moved to an account since."
    )
    idempotency_key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.CharField(max_length=16, choices=OrderStatus.choices, default=OrderStatus.PENDING)
    total_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    payment_method = models.CharField(
        max_length=255, blank=True, help_text="The provider's token, never a card number."
    )
    pays_at_once = models.BooleanField(
        help_text="The order came with a payment method, or it costs nothing: its stock is reserved for payment at once."
    )
    pay_before = models.DateTimeField()
    hold_extension = models.UUIDField(
        null=True, editable=False, help_text="The request that extended the time to pay. An order can be extended once."
    )
    email_key = models.BigIntegerField(null=True, editable=False)
    address_key = models.BigIntegerField(null=True, editable=False)
    email_verified = models.BooleanField(
        db_default=False,
        editable=False,
        help_text="The customer had verified the mailbox when the limits on unpaid orders were checked.",
    )
    unjudged = models.BooleanField(
        db_default=False,
        editable=False,
        help_text="The order came with a payment method. The limits on unpaid orders are checked only if its payment waits for the customer.",
    )
    link_epoch = models.SmallIntegerField(
        null=True,
        editable=False,
        help_text="For guests' orders: a link in a mail opens the order only if it has this number. Empty for an account's order, which no link opens.",
    )
    has_codes = models.BooleanField(
        db_default=False, editable=False, help_text="The order uses discount codes. Their uses change with its status."
    )
    cancel_reason = models.CharField(max_length=32, blank=True)
    refusal = models.JSONField(null=True, blank=True, help_text="The facts of the refusal that canceled the order.")
    carrier = models.CharField(max_length=40, blank=True)
    tracking_number = models.CharField(max_length=80, blank=True)
    placed_at = models.DateTimeField(db_default=Now())
    confirmed_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer_id", "idempotency_key"], name="orders_one_order_per_key"),
            models.CheckConstraint(condition=models.Q(total_minor__gte=0), name="orders_total_not_negative"),
        ]
        indexes = [
            models.Index(fields=["customer_id", "-id"], name="orders_newest_of_customer"),
            models.Index(fields=["status", "placed_at"], name="orders_by_status"),
            models.Index(
                fields=["customer_id"],
                name="orders_unpaid_of_customer",
                condition=models.Q(status__in=UNPAID),
            ),
            models.Index(fields=["guest_id"], name="orders_taken_along", condition=models.Q(guest_id__isnull=False)),
            *(
                models.Index(
                    fields=[key],
                    name=f"orders_held_by_{key}",
                    condition=models.Q(**{"status__in": PAYABLE, f"{key}__isnull": False}),
                )
                for key in ("email_key", "address_key")
            ),
        ]
        permissions = [
            ("cancel_order", "Can cancel orders"),
            ("refund_order", "Can refund orders"),
            ("revoke_links", "Can revoke the links of orders"),
        ]

    def __str__(self) -> str:
        return f"order {self.number}"

    @property
    def total(self) -> Money:
        """What the customer pays."""
        return Money(self.total_minor, self.currency)


class OrderLine(models.Model):
    """One product as it was sold: its name and price at that moment stay with the order."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines", db_index=False)
    position = models.PositiveSmallIntegerField()
    sku = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField()
    unit_price_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="orders_line_position"),
            models.CheckConstraint(condition=models.Q(quantity__gt=0), name="orders_quantity_positive"),
            models.CheckConstraint(condition=models.Q(unit_price_minor__gte=0), name="orders_price_not_negative"),
        ]
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.sku}"


class Adjustment(models.Model):
    """What was added to the prices of an order's lines or taken off, as the rule and its rate were when it was placed.

    A trigger refuses UPDATE and DELETE. `shares`: what each line bears of the amount, by position, in minor units.
    """

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="adjustments", db_index=False)
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in AdjustmentKind])
    label = models.CharField(max_length=120, help_text="What the customer reads.")
    code = models.CharField(max_length=160, blank=True, help_text="The code of the rule that it comes from.")
    rate = models.DecimalField(
        max_digits=6, decimal_places=3, null=True, help_text="The rule's percentage, if it has one."
    )
    amount_minor = models.BigIntegerField(help_text="In minor units. Negative if it is taken off.")
    included = models.BooleanField(help_text="The prices already contain it: it is shown and not added.")
    shares = ArrayField(models.BigIntegerField())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="orders_adjustment_position"),
            models.CheckConstraint(
                condition=models.Q(kind=AdjustmentKind.TAX)
                | models.Q(kind=AdjustmentKind.DISCOUNT, amount_minor__lte=0, included=False)
                | models.Q(kind__in=(AdjustmentKind.SHIPPING, AdjustmentKind.FEE), amount_minor__gte=0, included=False),
                name="orders_adjustment_kind",
            ),
        ]
        ordering = ["position"]

    def __str__(self) -> str:
        return self.label


# What stands in each text of a contact that was erased.
ERASED_CONTACT = {
    "email": ERASED_EMAIL,
    "name": ERASED,
    "line1": ERASED,
    "line2": "",
    "city": ERASED,
    "region": "",
    "postal_code": ERASED,
}


class Contact(models.Model):
    """Who gets the order. Erased, the row stays with its country, and every other text says so (docs/personal-data.md)."""

    order = models.OneToOneField(Order, on_delete=models.PROTECT, primary_key=True, related_name="contact")
    email = models.EmailField()
    name = models.CharField(max_length=200)
    line1 = models.CharField(max_length=200)
    line2 = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=100)
    region = models.CharField(max_length=100, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    country = models.CharField(max_length=2)
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        indexes = [
            # As `iexact` asks.
            models.Index(Upper("email"), name="orders_contact_email"),
            models.Index(fields=["order"], name="orders_contact_kept", condition=models.Q(erased_at=None)),
        ]
        constraints = [
            models.CheckConstraint(
                name="orders_contact_erased_is_gone",
                condition=models.Q(erased_at=None) | models.Q(**ERASED_CONTACT),
            ),
        ]

    def __str__(self) -> str:
        return f"contact of {self.order_id}"


class ContactDetails(models.Model):
    """What only some customers say with their order; a row only where something was said. Erased, the row is gone."""

    order = models.OneToOneField(Order, on_delete=models.PROTECT, primary_key=True, related_name="details")
    company = models.CharField(max_length=200, blank=True)
    vat_number = models.CharField(
        max_length=20, blank=True, help_text="Starts with the country's letters and has no separators."
    )
    phone = models.CharField(max_length=20, blank=True, help_text="Digits, usually after a + and the country code.")
    note = models.CharField(
        max_length=500, blank=True, help_text="From the customer to the shop. May have several lines."
    )
    locale = models.CharField(
        max_length=20, blank=True, help_text="How amounts and dates are written: BCP 47 tag, such as pt-PT."
    )
    billing_name = models.CharField(max_length=200, blank=True)
    billing_line1 = models.CharField(max_length=200, blank=True)
    billing_line2 = models.CharField(max_length=200, blank=True)
    billing_city = models.CharField(max_length=100, blank=True)
    billing_region = models.CharField(max_length=100, blank=True)
    billing_postal_code = models.CharField(max_length=20, blank=True)
    billing_country = models.CharField(max_length=2, blank=True, help_text="Empty if no billing address was given.")

    class Meta:
        verbose_name_plural = "contact details"

    def __str__(self) -> str:
        return f"contact details of {self.order_id}"
