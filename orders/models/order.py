"""Tables of orders, with the order's statuses and the moves between them."""

from __future__ import annotations

import secrets

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
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
from orders.pricing.rules import DiscountRule, FeeRule, TaxRule
from orders.rules import CODE_LENGTH, CODE_PATTERN
from shop.events.inbox import InboxEntry
from shop.events.outbox import OutboxMessage
from shop.events.past import HistoryEntry, WatermarkRow
from shop.ids import new_id
from shop.models import DueModel
from shop.money import Money
from shop.personal.keepers import ERASED, ERASED_EMAIL
from shop.states import StatusModel, Transitions

# Crockford's base 32: no letter that reads like a digit.
NUMBER_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_order_number() -> str:
    """Return a number that a customer can read out on the telephone and nobody can count orders by."""
    return "".join(secrets.choice(NUMBER_ALPHABET) for _ in range(10))


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
        null=True, editable=False, help_text="the guest who placed it, where an account has taken it along"
    )
    idempotency_key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.CharField(max_length=16, choices=OrderStatus.choices, default=OrderStatus.PENDING)
    total_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    payment_method = models.CharField(max_length=255, blank=True, help_text="the provider's token, never a card")
    pays_at_once = models.BooleanField(
        help_text="a payment method came with the order, or it costs nothing: reserve for payment directly"
    )
    pay_before = models.DateTimeField()
    email_key = models.BigIntegerField(null=True, editable=False)
    address_key = models.BigIntegerField(null=True, editable=False)
    email_verified = models.BooleanField(
        db_default=False, editable=False, help_text="its customer had verified the mailbox when that was asked"
    )
    unjudged = models.BooleanField(
        db_default=False,
        editable=False,
        help_text="it came with a payment method: if that waits for its customer, the limits of what is held unpaid decide",
    )
    link_epoch = models.SmallIntegerField(
        null=True,
        editable=False,
        help_text="a guest's order: links of another epoch open it no more; null: an account's, which no link opens",
    )
    has_codes = models.BooleanField(
        db_default=False, editable=False, help_text="it uses discount codes, whose uses move with its status"
    )
    cancel_reason = models.CharField(max_length=32, blank=True)
    refusal = models.JSONField(null=True, blank=True, help_text="the facts of the refusal that canceled it")
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
    label = models.CharField(max_length=120, help_text="what the customer reads")
    code = models.CharField(max_length=160, blank=True, help_text="of the rule it comes from")
    rate = models.DecimalField(
        max_digits=6, decimal_places=3, null=True, help_text="the rule's percentage, where it has one"
    )
    amount_minor = models.BigIntegerField(help_text="what is taken off is negative")
    included = models.BooleanField(help_text="the prices contain it: it is told and not added")
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
                condition=models.Q(erased_at=None)
                | models.Q(
                    email=ERASED_EMAIL,
                    name=ERASED,
                    line1=ERASED,
                    line2="",
                    city=ERASED,
                    region="",
                    postal_code=ERASED,
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"contact of {self.order_id}"


class ContactDetails(models.Model):
    """What only some customers say with their order; a row only where something was said. Erased, the row is gone."""

    order = models.OneToOneField(Order, on_delete=models.PROTECT, primary_key=True, related_name="details")
    company = models.CharField(max_length=200, blank=True)
    vat_number = models.CharField(max_length=20, blank=True, help_text="with its country's letters, without separators")
    phone = models.CharField(max_length=20, blank=True, help_text="digits, mostly after a + and the country's code")
    note = models.CharField(
        max_length=500, blank=True, help_text="from the customer to the shop; may have several lines"
    )
    locale = models.CharField(max_length=20, blank=True, help_text="BCP 47: how amounts and dates are written")
    billing_name = models.CharField(max_length=200, blank=True)
    billing_line1 = models.CharField(max_length=200, blank=True)
    billing_line2 = models.CharField(max_length=200, blank=True)
    billing_city = models.CharField(max_length=100, blank=True)
    billing_region = models.CharField(max_length=100, blank=True)
    billing_postal_code = models.CharField(max_length=20, blank=True)
    billing_country = models.CharField(max_length=2, blank=True, help_text="empty where no billing address was given")

    class Meta:
        verbose_name_plural = "contact details"

    def __str__(self) -> str:
        return f"contact details of {self.order_id}"


class Saga(DueModel):
    """How far a process over an order has come: when it is looked at next, and the log of its steps.

    Where it stands is the order's status; this row holds what only the engine needs. `waiting_for` is set while it
    rests (for the customer, for a payment method, for its next try), and only then do events hurry it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="sagas", db_index=False)
    name = models.CharField(max_length=16)
    waiting_for = models.CharField(max_length=32, blank=True)
    parked_at = models.DateTimeField(null=True)
    walked_since = models.DateTimeField(null=True, help_text="Since then walks have begun and none came to its end.")
    log = models.JSONField(default=list)
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta(DueModel.Meta):
        constraints = [models.UniqueConstraint(fields=["order", "name"], name="orders_one_saga_of_a_kind")]
        indexes = [
            *DueModel.Meta.indexes,
            models.Index(
                fields=["parked_at"],
                name="orders_saga_parked",
                condition=models.Q(finished_at=None, parked_at__isnull=False),
            ),
            models.Index(
                fields=["walked_since"],
                name="orders_saga_walked",
                condition=models.Q(finished_at=None, walked_since__isnull=False),
            ),
        ]
        permissions = [("resume_saga", "Can resume sagas")]

    def __str__(self) -> str:
        return f"{self.name} of {self.order_id}"


def _is_country(column: str, *, required: bool) -> models.CheckConstraint:
    return models.CheckConstraint(
        name=f"orders_{column}_country",
        condition=Q(country__regex=r"^[A-Z]{2}$" if required else r"^([A-Z]{2})?$"),
    )


class TaxRate(models.Model):
    """A tax that orders to a country, or to one region of it, pay on products of one tax class.

    Orders keep the label and the rate that they were told. A rate that has changed is a row of its own: the old one is set inactive.
    """

    country = models.CharField(max_length=2, help_text="Where the parcel goes: ISO 3166 code, such as DE.")
    region = models.CharField(
        max_length=100, blank=True, help_text="Only this region of the country, as addresses name it. Empty: all of it."
    )
    tax_class = models.CharField(
        max_length=40,
        blank=True,
        help_text="Only products of this tax class, such as reduced. Empty: products without a class, which are the usual ones.",
    )
    label = models.CharField(max_length=80, help_text="What customers read, such as VAT 19 %.")
    percent = models.DecimalField(max_digits=6, decimal_places=3, help_text="19 means 19 %.")
    included = models.BooleanField(
        default=True, help_text="The prices of products, shipping and fees contain it. Otherwise it is added to them."
    )
    reverse_charge = models.BooleanField(
        default=False,
        help_text="A business that gives its VAT number owes this tax itself and does not pay it to the shop.",
    )
    active = models.BooleanField(default=True, help_text="Only active rates are charged.")

    class Meta:
        constraints = [
            _is_country("taxrate", required=True),
            models.CheckConstraint(name="orders_taxrate_percent", condition=Q(percent__gte=0, percent__lte=100)),
            models.UniqueConstraint(
                fields=["country", "region", "tax_class"],
                name="orders_taxrate_once",
                condition=Q(active=True),
                violation_error_message="There is an active rate for this country, region and tax class. Set it inactive first.",
            ),
        ]
        ordering = ["country", "region", "tax_class", "id"]

    def __str__(self) -> str:
        return f"{self.label} in {', '.join(part for part in (self.country, self.region, self.tax_class) if part)}"

    @property
    def rule(self) -> TaxRule:
        """The rule as pricing takes it."""
        return TaxRule(
            country=self.country,
            # As `price_order` writes that of an address.
            region=self.region.upper(),
            tax_class=self.tax_class,
            label=self.label,
            percent=self.percent,
            included=self.included,
            reverse_charge=self.reverse_charge,
        )


class Fee(models.Model):
    """A fee that orders in its currency cost, to one country or to all, and perhaps only those of small value."""

    code = models.CharField(
        max_length=CODE_LENGTH,
        validators=[RegexValidator(CODE_PATTERN)],
        help_text="Its name in exports, such as SMALL_ORDER.",
    )
    label = models.CharField(max_length=80, help_text="What customers read, such as Small order fee.")
    country = models.CharField(
        max_length=2,
        blank=True,
        help_text="Only orders to this country: ISO 3166 code. Empty: orders to all countries.",
    )
    currency = models.CharField(max_length=3, help_text="ISO 4217 code. Only orders in this currency pay the fee.")
    amount_minor = models.BigIntegerField()
    below_minor = models.BigIntegerField(null=True, blank=True)
    active = models.BooleanField(default=True, help_text="Only active fees are charged.")

    class Meta:
        constraints = [
            _is_country("fee", required=False),
            models.CheckConstraint(name="orders_fee_code", condition=Q(code__regex=CODE_PATTERN)),
            models.CheckConstraint(name="orders_fee_currency", condition=Q(currency__regex=r"^[A-Z]{3}$")),
            models.CheckConstraint(name="orders_fee_amount", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(name="orders_fee_below", condition=Q(below_minor=None) | Q(below_minor__gt=0)),
            models.UniqueConstraint(
                fields=["code", "country", "currency"],
                name="orders_fee_once",
                condition=Q(active=True),
                violation_error_message="There is an active fee with this code for this country and currency.",
            ),
        ]
        ordering = ["code", "id"]

    def __str__(self) -> str:
        return self.code

    @property
    def rule(self) -> FeeRule:
        """The rule as pricing takes it."""
        return FeeRule(
            code=self.code,
            label=self.label,
            country=self.country,
            amount=Money(self.amount_minor, self.currency),
            below=None if self.below_minor is None else Money(self.below_minor, self.currency),
        )


class DiscountCode(models.Model):
    """A code that takes something off an order: a percentage or an amount, of all its products or of some.

    `held` counts the orders under way that use it, `used` those that were paid. Both are worked with the orders and
    never from a form; together they are never more than `max_uses`.
    """

    code = models.CharField(
        max_length=CODE_LENGTH,
        unique=True,
        validators=[RegexValidator(CODE_PATTERN)],
        help_text="What customers type, in capitals. They may type it in small letters.",
    )
    label = models.CharField(max_length=80, help_text="What customers read, such as Welcome: 10 % off.")
    percent = models.DecimalField(
        max_digits=6, decimal_places=3, null=True, blank=True, help_text="10 means 10 % off. Empty for an amount."
    )
    amount_minor = models.BigIntegerField(null=True, blank=True)
    currency = models.CharField(
        max_length=3,
        blank=True,
        help_text="ISO 4217 code of the amount and of the minimum. Empty where there is neither.",
    )
    skus = ArrayField(
        models.CharField(max_length=64),
        default=list,
        blank=True,
        verbose_name="SKUs",
        help_text="Only these products become cheaper: SKUs, separated by commas.",
    )
    categories = ArrayField(
        models.CharField(max_length=80),
        default=list,
        blank=True,
        help_text="Products of these categories become cheaper, too: names, separated by commas. Without SKUs and categories all products do.",
    )
    minimum_minor = models.BigIntegerField(null=True, blank=True)
    starts_at = models.DateTimeField(null=True, blank=True, help_text="Not before this moment.")
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Not from this moment on.")
    once_per_customer = models.BooleanField(
        default=False,
        help_text="Each customer uses it for one order only. Orders that are canceled or refunded do not count.",
    )
    max_uses = models.PositiveIntegerField(
        null=True, blank=True, help_text="In how many orders it is used at most. Empty: in any number."
    )
    held = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    used = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    active = models.BooleanField(default=True, help_text="Customers can use only active codes.")

    class Meta:
        constraints = [
            models.CheckConstraint(name="orders_code_spelling", condition=Q(code__regex=CODE_PATTERN)),
            models.CheckConstraint(
                name="orders_code_percent_or_amount",
                # A comparison with null is neither true nor false, and a CHECK lets that pass.
                condition=Q(percent__isnull=False, percent__gt=0, percent__lte=100, amount_minor=None)
                | Q(percent=None, amount_minor__isnull=False, amount_minor__gt=0),
                violation_error_message="Enter either a percentage of more than 0 and at most 100, or an amount.",
            ),
            models.CheckConstraint(
                name="orders_code_minimum", condition=Q(minimum_minor=None) | Q(minimum_minor__gt=0)
            ),
            models.CheckConstraint(
                name="orders_code_currency",
                condition=Q(currency__regex=r"^[A-Z]{3}$") | Q(currency="", amount_minor=None, minimum_minor=None),
                violation_error_message="An amount or a minimum needs a currency.",
            ),
            models.CheckConstraint(
                name="orders_code_dates",
                condition=Q(starts_at=None) | Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                violation_error_message="It must end after it starts.",
            ),
            models.CheckConstraint(name="orders_code_held", condition=Q(held__gte=0)),
            models.CheckConstraint(name="orders_code_used", condition=Q(used__gte=0)),
            models.CheckConstraint(
                name="orders_code_within_its_uses",
                condition=Q(max_uses=None) | Q(max_uses__gte=F("held") + F("used")),
                violation_error_message="More orders than that use it already.",
            ),
        ]
        ordering = ["code"]

    def __str__(self) -> str:
        return self.code

    @property
    def rule(self) -> DiscountRule:
        """The rule as pricing takes it."""
        return DiscountRule(
            code=self.code,
            label=self.label,
            percent=self.percent,
            amount=self._money(self.amount_minor),
            skus=frozenset(self.skus),
            categories=frozenset(self.categories),
            minimum=self._money(self.minimum_minor),
            starts_at=self.starts_at,
            ends_at=self.ends_at,
        )

    def _money(self, minor: int | None) -> Money | None:
        return None if minor is None else Money(minor, self.currency)


class UseStatus(models.TextChoices):
    """Where the use of a code by an order stands: a trigger moves it with the order's status (ADR 42)."""

    HELD = "HELD"
    USED = "USED"
    RETURNED = "RETURNED"


# The use counts: for its code, and for its customer.
OPEN_USES = (UseStatus.HELD, UseStatus.USED)


class CodeUse(models.Model):
    """One use of a discount code by an order: held with it, used once it is confirmed, returned if it is canceled.

    `mailbox_key`: a digest under SECRET_KEY of a guest's email address, or of the one that an account has verified: a guest is
    a new customer with each order, and an account orders as a guest as well.
    """

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="code_uses", db_index=False)
    code = models.ForeignKey(DiscountCode, on_delete=models.PROTECT, related_name="uses", db_index=False)
    customer_id = models.UUIDField()
    mailbox_key = models.BigIntegerField(null=True, editable=False)
    once = models.BooleanField(help_text="the code was for one order of a customer only")
    status = models.CharField(max_length=10, choices=UseStatus.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "code"], name="orders_codeuse_once_in_an_order"),
            models.UniqueConstraint(
                fields=["code", "customer_id"],
                name="orders_codeuse_of_customer",
                condition=Q(once=True, status__in=OPEN_USES),
            ),
            models.UniqueConstraint(
                fields=["code", "mailbox_key"],
                name="orders_codeuse_of_mailbox",
                condition=Q(once=True, status__in=OPEN_USES, mailbox_key__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["code", "status"], name="orders_codeuse_of_code")]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"use of {self.code_id} by {self.order_id}"


class Outbox(OutboxMessage):
    """Facts of orders on their way out."""

    class Meta(OutboxMessage.Meta):
        verbose_name_plural = "outbox"


class History(HistoryEntry):
    """Facts of orders that the outbox has let go of; triggers refuse UPDATE and DELETE."""

    class Meta(HistoryEntry.Meta):
        verbose_name_plural = "history"


class Watermark(WatermarkRow):
    """Since when orders has all of its facts."""

    class Meta(WatermarkRow.Meta):
        pass


class Inbox(InboxEntry):
    """Facts of others as orders applied them."""

    class Meta(InboxEntry.Meta):
        verbose_name_plural = "inbox"
