"""The rules of prices, which staff change: taxes, fees and discount codes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget

from inventory import api as inventory
from orders.models import (
    DiscountCode,
    Fee,
    TaxRate,
)
from payments import api as payments
from shop.admin import (
    AheadForm,
    AmountField,
    CodesField,
    CountryField,
    CurrencyField,
    LineField,
    Naming,
    RuleAdmin,
    RuleForm,
    display,
    money,
)
from shop.money import Money
from shop.regions import find_region

HUNDRED = 100
FEWEST_USES = "Enter at least 1, or leave this empty for any number of orders. To end a code, set it inactive."
CODE_IN_WORDS = (
    "A code has up to 40 capital letters, digits, - and _, and begins with a letter or digit, such as WELCOME10."
)


def _named(member: inventory.Named, told: str, *, only_warns: bool = False) -> Naming:
    return Naming(lambda names: inventory.find_unknown(member=member, names=names), told, only_warns)


CURRENCY = _named(
    inventory.Named.CURRENCY, "No product is priced in {name}: until one is, no order meets this rule.", only_warns=True
)


class TaxRateForm(AheadForm):
    """A tax as staff enter it."""

    names = {"tax_class": _named(inventory.Named.TAX_CLASS, "No product has the tax class {name}.")}
    country = CountryField()
    region = LineField(
        max_length=100,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Only this region of the country: ISO 3166-2 code or name, such as NY. Empty: all of the country.",
    )
    tax_class = LineField(max_length=40, required=False, widget=UnfoldAdminTextInputWidget)
    label = LineField(max_length=80, widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = TaxRate
        fields = ("country", "region", "tax_class", "label", "percent", "included", "reverse_charge", "active")

    def clean_percent(self) -> Decimal:
        """Take a share of the price."""
        percent: Decimal = self.cleaned_data["percent"]
        if not 0 <= percent <= HUNDRED:
            raise ValidationError("Enter a percentage from 0 to 100.")
        return percent

    def clean(self) -> dict[str, Any]:
        """Keep the region by its code. Raises: ValidationError where it is none, or another active rate is for it."""
        cleaned = super().clean()
        country, text = cleaned.get("country", ""), cleaned.get("region", "")
        if not country or not text:
            return cleaned
        region = find_region(country, text)
        if region is None:
            raise ValidationError(
                {"region": f"{text} is not a region of {country} (ISO 3166-2). Write it like NY for US."}
            )
        cleaned["region"] = region.code
        others = TaxRate.objects.filter(active=True, country=country, tax_class=cleaned.get("tax_class", ""))
        if cleaned.get("active") and any(
            other.pk != self.instance.pk and other.region and other.rule.region == region.code for other in others
        ):
            raise ValidationError(
                {"region": "There is an active rate for this region and tax class. Set it inactive first."}
            )
        return cleaned


@admin.register(TaxRate)
class TaxRateAdmin(RuleAdmin):
    """Taxes. A change is charged within PRICING_RULES_SECONDS."""

    form = TaxRateForm
    list_display = ("country", "region", "tax_class", "label", "percent", "included", "active")
    list_filter = ("active", "country")
    search_fields = ("country", "region", "label")


class FeeForm(RuleForm):
    """A fee as staff enter it."""

    amounts = {"amount": "amount_minor", "below": "below_minor"}
    names = {"currency": CURRENCY}
    code = LineField(widget=UnfoldAdminTextInputWidget, error_messages={"invalid": CODE_IN_WORDS})
    label = LineField(max_length=80, widget=UnfoldAdminTextInputWidget)
    country = CountryField(required=False)
    currency = CurrencyField()
    amount = AmountField(above_zero=True, help_text="As customers read it: 2.50 EUR, 250 JPY.")
    below = AmountField(
        above_zero=True,
        required=False,
        help_text="Only orders whose products cost less than this, after discounts. Empty: all orders.",
    )

    class Meta:
        model = Fee
        fields = ("code", "label", "amount", "currency", "below", "country", "active")

    def check_amount(self, name: str, amount: Money) -> None:
        """Refuse an amount that the card provider cannot count. Raises: UnchargeableAmount."""
        if name == "amount":
            payments.check_chargeable(amount=amount)

    def clean_code(self) -> str:
        """Take the code in any spelling."""
        return str(self.cleaned_data["code"]).upper()


@admin.register(Fee)
class FeeAdmin(RuleAdmin):
    """Fees. A change is charged within PRICING_RULES_SECONDS."""

    form = FeeForm
    list_display = ("code", "label", "amount", "below", "country", "active")
    list_filter = ("active", "country")
    search_fields = ("code", "label")

    amount = money("amount_minor", description="amount")

    @display(description="below", ordering="below_minor")
    def below(self, fee: Fee) -> str:
        """Show below which value of products it is charged."""
        return "-" if fee.below_minor is None else Money(fee.below_minor, fee.currency).localized()


class DiscountCodeForm(AheadForm):
    """A code as staff enter it."""

    amounts = {"amount": "amount_minor", "minimum": "minimum_minor"}
    names = {
        "skus": _named(inventory.Named.SKU, "No product has the SKU {name}."),
        "categories": _named(inventory.Named.CATEGORY, "No product is in the category {name}."),
        "currency": CURRENCY,
    }
    code = LineField(widget=UnfoldAdminTextInputWidget, error_messages={"invalid": CODE_IN_WORDS})
    label = LineField(max_length=80, widget=UnfoldAdminTextInputWidget)
    amount = AmountField(
        above_zero=True,
        required=False,
        help_text="The amount that is taken off, such as 10.00. Empty for a percentage.",
    )
    currency = CurrencyField(required=False)
    minimum = AmountField(
        above_zero=True, required=False, help_text="Only orders in which the discounted products cost at least this."
    )
    skus = CodesField(required=False, label="SKUs")
    categories = CodesField(required=False)

    class Meta:
        model = DiscountCode
        fields = (
            "code",
            "label",
            "percent",
            "amount",
            "currency",
            "minimum",
            "skus",
            "categories",
            "starts_at",
            "ends_at",
            "once_per_customer",
            "max_uses",
            "active",
        )
        error_messages = {"max_uses": {"min_value": FEWEST_USES}}

    def check_amount(self, name: str, amount: Money) -> None:
        """Refuse an amount that the card provider cannot count. Raises: UnchargeableAmount."""
        if name == "amount":
            payments.check_chargeable(amount=amount)

    def clean_code(self) -> str:
        """Take the code in any spelling."""
        return str(self.cleaned_data["code"]).upper()

    def clean_max_uses(self) -> int | None:
        """Refuse a code that nobody may use: that is what an inactive one is for."""
        uses: int | None = self.cleaned_data["max_uses"]
        if uses is not None and uses < 1:
            raise ValidationError(FEWEST_USES)
        return uses


@admin.register(DiscountCode)
class DiscountCodeAdmin(RuleAdmin):
    """Discount codes. A code that is not wanted any more is made inactive, not deleted: orders name it."""

    form = DiscountCodeForm
    counters = ("held", "used")
    list_display = ("code", "label", "takes_off", "starts_at", "ends_at", "held", "used", "max_uses", "active")
    list_filter = ("active", "once_per_customer")
    search_fields = ("code", "label")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Say no: orders name their codes."""
        return False

    @display(description="takes off")
    def takes_off(self, code: DiscountCode) -> str:
        """Show the percentage or the amount."""
        if code.percent is not None:
            return f"{code.percent.normalize():f} %"
        return Money(code.amount_minor or 0, code.currency).localized()
