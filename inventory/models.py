"""Inventory's tables.

A SKU is never renamed, so stock, lines and ledger name it directly. What the constraints hold is promise I1 per row;
`inventory.audit` holds it across rows.
"""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.db.models.lookups import Exact

from inventory.catalogue import GROUP_PATTERN, MAX_TAX_CLASS, TAX_CLASS_PATTERN, Details, Image
from inventory.events import (
    StockCommitted,
    StockExpired,
    StockPaymentBegan,
    StockReleased,
    StockReserved,
    StockReturned,
    StockShort,
)
from inventory.rules import SKU_PATTERN
from shop.events.outbox import OutboxMessage
from shop.events.past import HistoryEntry, WatermarkRow
from shop.ids import new_id
from shop.money import Money
from shop.states import ByPayload, StatusModel, Transitions
from shop.text import words

# Note [Words of a product]
# What is searched: the SKU, the name, the category, the values of the options and the description, as PostgreSQL's text
# search splits them into words, without a language. Decomposed and without their accents, so that "cafetiere" finds "Cafetière"; with
# spaces for punctuation, so that "MUG-12" is two words and not a word and the number -12. `catalogue.words_of` does the
# same to what is searched for.
WORDS = models.Func(
    "sku",
    "name",
    "category",
    models.Func("options", template="jsonb_path_query_array(%(expressions)s, '$.*')::text"),
    "description",
    arg_joiner=" || ' ' || ",
    template="to_tsvector('simple'::regconfig, regexp_replace(regexp_replace(normalize(%(expressions)s, NFKD),"
    r" '[\u0300-\u036f]+', '', 'g'), '[!-/:-@\[-`{-~]+', ' ', 'g'))",
    output_field=SearchVectorField(),
)
# Note [Keys of sorting]
# A cursor names a place in a list by one value, so each order has one that no two products share: the SKU ends it.
# Prices of several currencies are not comparable: they are listed currency by currency.
NAME_KEY = models.Func(
    "name", "sku", arg_joiner=") || ' ' || ", template="(lower(%(expressions)s)", output_field=models.TextField()
)
PRICE_KEY = models.Func(
    "currency",
    models.Func("price_minor", template="lpad(%(expressions)s::text, 13, '0')"),
    "sku",
    arg_joiner=" || ",
    template='(%(expressions)s) COLLATE "C"',
    output_field=models.TextField(),
)
_OPEN_ENDED = Q(active_from__isnull=True) | Q(active_to__isnull=True)


def _is_json(column: str, kind: str) -> Exact:
    """Return the condition that a JSON column holds an "array" or an "object"."""
    return Exact(models.Func(F(column), function="jsonb_typeof", output_field=models.TextField()), kind)


class Product(models.Model):
    """Something the shop sells, or has sold: a product is set inactive, never deleted.

    It is for sale while `active` and from `active_from` until before `active_to`, where these are set. The products of a
    group are one thing in several sizes or colors; each has its own combination of options.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    sku = models.CharField("SKU", max_length=64, unique=True, validators=[RegexValidator(SKU_PATTERN)])
    name = models.CharField(max_length=200)
    price_minor = models.BigIntegerField(help_text="The price of one unit, in minor units such as cents.")
    currency = models.CharField(max_length=3, help_text="ISO 4217 code.")
    active = models.BooleanField(default=True, help_text="Only active products can be ordered.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    description = models.TextField(blank=True, default="", db_default="")
    images = models.JSONField(
        default=list, db_default=[], help_text="Pictures, in the order in which they are shown: [{url, alt}]."
    )
    category = models.CharField(max_length=80, blank=True, default="", db_default="")
    group = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        db_column="variant_group",
        help_text="Products of one group are the same thing in several sizes or colors.",
    )
    options = models.JSONField(
        default=dict, db_default={}, help_text='How it differs from the others of its group: {"size": "M"}.'
    )
    weight_grams = models.PositiveIntegerField(
        default=0, db_default=0, help_text="The weight of one unit with its packaging."
    )
    tax_class = models.CharField(
        max_length=MAX_TAX_CLASS, blank=True, default="", db_default="", help_text="Which tax rates apply."
    )
    active_from = models.DateTimeField(null=True, blank=True, help_text="On sale from this time on. Empty: at once.")
    active_to = models.DateTimeField(null=True, blank=True, help_text="On sale until this time. Empty: for good.")

    class Meta:
        constraints = [
            models.CheckConstraint(name="inventory_product_images", condition=_is_json("images", "array")),
            models.CheckConstraint(name="inventory_product_options", condition=_is_json("options", "object")),
            models.CheckConstraint(
                name="inventory_product_active_between", condition=Q(active_from__lt=F("active_to")) | _OPEN_ENDED
            ),
            models.CheckConstraint(
                name="inventory_product_tax_class", condition=Q(tax_class="") | Q(tax_class__regex=TAX_CLASS_PATTERN)
            ),
            models.CheckConstraint(
                name="inventory_product_group", condition=Q(group="") | Q(group__regex=GROUP_PATTERN)
            ),
            models.UniqueConstraint(
                fields=["group", "options"], name="inventory_product_variant", condition=~Q(group="")
            ),
            models.CheckConstraint(name="inventory_product_price", condition=Q(price_minor__gte=0)),
            models.CheckConstraint(name="inventory_product_currency", condition=Q(currency__regex=r"^[A-Z]{3}$")),
            models.CheckConstraint(name="inventory_product_sku", condition=Q(sku__regex=SKU_PATTERN)),
        ]
        indexes = [
            # fastupdate: words that wait in a list of their own would be read whole by each search.
            GinIndex(WORDS, name="inventory_product_words", fastupdate=False),
            models.Index(NAME_KEY, name="inventory_product_by_name", condition=Q(active=True)),
            models.Index(PRICE_KEY, name="inventory_product_by_price", condition=Q(active=True)),
            models.Index(fields=["category", "sku"], name="inventory_product_by_category", condition=Q(active=True)),
        ]
        ordering = ["sku"]

    def __str__(self) -> str:
        return self.sku

    @property
    def price(self) -> Money:
        """The price of one unit."""
        return Money(self.price_minor, self.currency)

    def is_for_sale(self, moment: datetime) -> bool:
        """Return whether it can be ordered at this moment."""
        begun = self.active_from is None or self.active_from <= moment
        return self.active and begun and (self.active_to is None or moment < self.active_to)

    @property
    def details(self) -> Details:
        """What is told of it beside its name and price."""
        return Details(
            description=self.description,
            images=tuple(Image(image["url"], image["alt"]) for image in self.images),
            category=self.category,
            group=self.group,
            options=self.options,
            weight_grams=self.weight_grams,
            tax_class=self.tax_class,
            active_from=self.active_from,
            active_to=self.active_to,
        )


class Stock(models.Model):
    """How much there is of one product. `version` rises with every movement."""

    product = models.OneToOneField(
        Product, on_delete=models.PROTECT, primary_key=True, to_field="sku", db_column="sku", related_name="stock"
    )
    available = models.BigIntegerField(default=0)
    reserved = models.BigIntegerField(default=0)
    sold = models.BigIntegerField(default=0)
    received = models.BigIntegerField(default=0)
    written_off = models.BigIntegerField(default=0)
    version = models.BigIntegerField(default=1)

    class Meta:
        constraints = [
            *(
                models.CheckConstraint(name=f"inventory_stock_{column}", condition=Q(**{f"{column}__gte": 0}))
                for column in ("available", "reserved", "sold", "received", "written_off")
            ),
            models.CheckConstraint(
                name="inventory_stock_law",
                condition=Q(received=F("available") + F("reserved") + F("sold") + F("written_off")),
            ),
        ]
        verbose_name_plural = "stock"

    def __str__(self) -> str:
        return f"{self.product_id}: {self.available} available"


class ReservationStatus(models.TextChoices):
    """Where a reservation stands."""

    HELD = "HELD", "held"
    PAYING = "PAYING", "paying"
    COMMITTED = "COMMITTED", "committed"
    RELEASED = "RELEASED", "released"
    EXPIRED = "EXPIRED", "expired"
    RETURNED = "RETURNED", "returned"
    SHORT = "SHORT", "short"


# Not sold yet, and kept for its order.
OPEN = (ReservationStatus.HELD, ReservationStatus.PAYING)
# Stock is kept for the order, or sold to it.
KEEPING = (*OPEN, ReservationStatus.COMMITTED)
# Its stock went back before it was sold.
FREED = (ReservationStatus.RELEASED, ReservationStatus.EXPIRED)
# A reservation that is asked for late finds the door shut.
TOMBSTONES = (*FREED, ReservationStatus.RETURNED)
# SHORT and, as the tombstone of an order that never reserved, RELEASED are also statuses a row is born with.
BORN = (*OPEN, ReservationStatus.RELEASED, ReservationStatus.SHORT)
RESERVATION_TRANSITIONS = Transitions(
    {
        ReservationStatus.HELD: {ReservationStatus.PAYING, ReservationStatus.EXPIRED, ReservationStatus.RELEASED},
        ReservationStatus.PAYING: {ReservationStatus.COMMITTED, ReservationStatus.RELEASED},
        ReservationStatus.COMMITTED: {ReservationStatus.RELEASED, ReservationStatus.RETURNED},
        ReservationStatus.RELEASED: set(),
        ReservationStatus.EXPIRED: set(),
        ReservationStatus.RETURNED: set(),
        ReservationStatus.SHORT: set(),
    }
)


class Reservation(StatusModel):
    """The stock kept for one order, or the record that none was or will be."""

    TRANSITIONS = RESERVATION_TRANSITIONS
    STATUS_AFTER = {
        StockReserved: ByPayload("status"),
        StockPaymentBegan: ReservationStatus.PAYING,
        StockCommitted: ReservationStatus.COMMITTED,
        StockReleased: ReservationStatus.RELEASED,
        StockExpired: ReservationStatus.EXPIRED,
        StockReturned: ReservationStatus.RETURNED,
        StockShort: ReservationStatus.SHORT,
    }

    order_id = models.UUIDField(primary_key=True, editable=False)
    status = models.CharField(max_length=10, choices=ReservationStatus.choices)
    expires_at = models.DateTimeField(null=True, editable=False)
    extended_at = models.DateTimeField(
        null=True, editable=False, help_text="When the hold was extended. A hold can be extended once."
    )
    short_sku = models.CharField("SKU that was short", max_length=64, blank=True, editable=False)
    short_wanted = models.BigIntegerField("units wanted", null=True, editable=False)
    short_available = models.BigIntegerField("units available", null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="inventory_reservation_status", condition=Q(status__in=ReservationStatus.values)
            ),
            models.CheckConstraint(
                name="inventory_reservation_expiry",
                condition=~Q(status=ReservationStatus.HELD) | Q(expires_at__isnull=False),
            ),
            models.CheckConstraint(
                name="inventory_reservation_short",
                condition=Q(status=ReservationStatus.SHORT, short_wanted__isnull=False, short_available__isnull=False)
                | ~Q(status=ReservationStatus.SHORT) & Q(short_sku="", short_wanted=None, short_available=None),
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], name="inventory_reservation_held", condition=Q(status=ReservationStatus.HELD)
            ),
            models.Index(
                fields=["status"],
                name="inventory_reservation_open",
                condition=Q(status__in=OPEN),
            ),
        ]

    def __str__(self) -> str:
        return f"reservation of order {self.order_id}"


class ReservationLine(models.Model):
    """Units of one SKU kept for one order; written with its reservation and never changed."""

    id = models.BigAutoField(primary_key=True)
    reservation = models.ForeignKey(Reservation, on_delete=models.PROTECT, related_name="lines", db_index=False)
    sku = models.CharField("SKU", max_length=64)
    quantity = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reservation", "sku"], name="inventory_reservationline_once"),
            models.CheckConstraint(name="inventory_reservationline_quantity", condition=Q(quantity__gte=1)),
        ]
        ordering = ["sku"]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.sku}"


class MovementKind(models.TextChoices):
    """Why stock moved."""

    RECEIVED = "RECEIVED", "received"
    WRITTEN_OFF = "WRITTEN_OFF", "written off"
    RESERVED = "RESERVED", "reserved"
    COMMITTED = "COMMITTED", "committed"
    RELEASED = "RELEASED", "released"
    EXPIRED = "EXPIRED", "expired"
    RETURNED = "RETURNED", "returned"


class StockMovement(models.Model):
    """One entry of the ledger: appended with every change of stock; a trigger refuses UPDATE and DELETE."""

    id = models.BigAutoField(primary_key=True)
    sku = models.CharField("SKU", max_length=64)
    kind = models.CharField(max_length=12, choices=MovementKind.choices)
    available_delta = models.BigIntegerField()
    reserved_delta = models.BigIntegerField()
    sold_delta = models.BigIntegerField()
    received_delta = models.BigIntegerField()
    written_off_delta = models.BigIntegerField()
    order_id = models.UUIDField(null=True)
    reference = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(name="inventory_stockmovement_kind", condition=Q(kind__in=MovementKind.values)),
            models.CheckConstraint(
                name="inventory_stockmovement_law",
                condition=Q(
                    received_delta=F("available_delta") + F("reserved_delta") + F("sold_delta") + F("written_off_delta")
                ),
            ),
            # An order moves a SKU at most once each way: a second sale of the same reservation fails here.
            models.UniqueConstraint(
                fields=["order_id", "sku", "kind"],
                name="inventory_stockmovement_once",
                condition=Q(order_id__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["sku", "id"], name="inventory_stockmovement_sku")]

    def __str__(self) -> str:
        return f"{words(self.kind)} {self.sku}"


class Outbox(OutboxMessage):
    """Inventory's facts on their way out."""

    class Meta(OutboxMessage.Meta):
        verbose_name_plural = "outbox"


class History(HistoryEntry):
    """Facts of inventory that the outbox has let go of; triggers refuse UPDATE and DELETE."""

    class Meta(HistoryEntry.Meta):
        verbose_name_plural = "history"


class Watermark(WatermarkRow):
    """Since when inventory has all of its facts."""

    class Meta(WatermarkRow.Meta):
        pass
