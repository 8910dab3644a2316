"""The rules of prices as rows, and the uses of discount codes."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from orders.models.order import Order
from orders.pricing.rules import DiscountRule, FeeRule, TaxRule
from orders.rules import CODE_LENGTH, CODE_PATTERN
from shop.money import Money
from shop.regions import Region, find_region


def _is_country(column: str, *, required: bool) -> models.CheckConstraint:
    return models.CheckConstraint(
        name=f"orders_{column}_country",
        condition=Q(country__regex=r"^[A-Z]{2}$" if required else r"^([A-Z]{2})?$"),
    )


def region_of(country: str, text: str) -> Region:
    """Return the region that a text means, as taxes compare it: the text in capitals where it names none."""
    return (find_region(country, text) if text else None) or Region(text.upper())


class TaxRate(models.Model):
    """A tax that orders to a country, or to one region of it, pay on products of one tax class.

    Orders keep the label and the rate that they were told. A rate that has changed is a row of its own: the old one is set inactive.
    """

    country = models.CharField(
        max_length=2, help_text="The country that the parcel goes to: ISO 3166 code, such as DE."
    )
    region = models.CharField(
        max_length=100,
        blank=True,
        help_text="Only this region of the country, spelled as in addresses. Empty: the whole country.",
    )
    tax_class = models.CharField(
        max_length=40,
        blank=True,
        help_text="Only products of this tax class, such as reduced. Empty: products without a tax class, which most are.",
    )
    label = models.CharField(max_length=80, help_text="What customers read, such as VAT 19 %.")
    percent = models.DecimalField(max_digits=6, decimal_places=3, help_text="19 means 19 %.")
    included = models.BooleanField(
        default=True,
        help_text="The prices of products, shipping and fees already contain this tax. Otherwise it is added to them.",
    )
    reverse_charge = models.BooleanField(
        default=False,
        help_text="A business that gives its VAT number pays this tax to its tax office and not to the shop.",
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
            region=region_of(self.country, self.region).code,
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
        help_text="Only orders to this country pay the fee: ISO 3166 code. Empty: orders to all countries do.",
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
        help_text="What customers type. Write it in capitals here; customers may also use small letters.",
    )
    label = models.CharField(max_length=80, help_text="What customers read, such as Welcome: 10 % off.")
    percent = models.DecimalField(
        max_digits=6,
        decimal_places=3,
        null=True,
        blank=True,
        help_text="10 means 10 % off. Empty if an amount is taken off.",
    )
    amount_minor = models.BigIntegerField(null=True, blank=True)
    currency = models.CharField(
        max_length=3,
        blank=True,
        help_text="ISO 4217 code of the amount and of the minimum. Empty if there is neither.",
    )
    skus = ArrayField(
        models.CharField(max_length=64),
        default=list,
        blank=True,
        verbose_name="SKUs",
        help_text="Only these products get cheaper: SKUs, separated by commas.",
    )
    categories = ArrayField(
        models.CharField(max_length=80),
        default=list,
        blank=True,
        help_text="Products in these categories get cheaper, too: names, separated by commas. All products do if there are neither SKUs nor categories.",
    )
    minimum_minor = models.BigIntegerField(null=True, blank=True)
    starts_at = models.DateTimeField(
        null=True, blank=True, help_text="Customers can use it from this time on. Empty: at once."
    )
    ends_at = models.DateTimeField(
        null=True, blank=True, help_text="Customers can use it until this time. Empty: for good."
    )
    once_per_customer = models.BooleanField(
        default=False,
        help_text="Each customer can use it for one order only. Canceled and refunded orders do not count.",
    )
    max_uses = models.PositiveIntegerField(
        "maximum uses", null=True, blank=True, help_text="How many orders can use it. Empty: any number."
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
    once = models.BooleanField(help_text="The code was for one order of each customer.")
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
