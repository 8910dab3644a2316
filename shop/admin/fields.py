"""Fields of staff's forms."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from unfold.widgets import UnfoldAdminTextInputWidget

from shop.money import Money
from shop.text import NotOneLine, clean_line

Row = TypeVar("Row", bound=Model)

# Digits, then at most one separator. A comma before three digits may be either kind of separator, so it is refused.
_AMOUNT = re.compile(r"[0-9]+(?:\.[0-9]+|,[0-9]{1,2})?", re.ASCII)


class LineField(forms.CharField):
    """One line of text, kept as `shop.text` says: it goes into mails, ledgers and the log of who did what."""

    def to_python(self, value: Any) -> str:
        """Read a line of text."""
        text = super().to_python(value) or ""
        try:
            return clean_line(text)
        except NotOneLine as error:
            raise ValidationError(
                "This must be one line of text without control characters.", code="control"
            ) from error


class AmountField(forms.DecimalField):
    """An amount of money as people write it, in major units; `money_of` makes it Money once its currency is known.

    A text field: a browser's own field for numbers drops a comma that its language does not use, and makes 0,50 to 050.
    `above_zero`: nothing is not an amount here; a field that may be empty says so.
    """

    def __init__(self, *, above_zero: bool = False, **options: Any) -> None:
        self._above_zero = above_zero
        widget = UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(min_value=Decimal(0), max_digits=15, widget=widget, **options)

    def to_python(self, value: Any) -> Any:
        """Read 12.50, 12,50 or 1250. Raises: ValidationError for what could be read in two ways."""
        text = str(value).strip() if value is not None else ""
        if text and not _AMOUNT.fullmatch(text):
            raise ValidationError(
                "Write the amount as 1250 or 1250.50: digits, and a point before the decimals.", code="amount"
            )
        return super().to_python(text.replace(",", "."))

    def validate(self, value: Any) -> None:
        """Refuse nothing where that is not an amount. Raises: ValidationError."""
        super().validate(value)
        if self._above_zero and value is not None and value <= 0:
            raise ValidationError(
                "Enter more than 0." if self.required else "Enter more than 0, or leave this empty.", code="zero"
            )

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Return nothing: the attributes of a field for numbers are not those of a text."""
        return {}


def money_of(amount: Decimal, currency: str) -> Money:
    """Return an amount in major units as Money. Raises: ValidationError where it has more decimals than the currency."""
    decimals = Money.zero(currency).decimals
    minor = amount.scaleb(decimals)
    # As it was written, zeros included: 1.250 is 1250 to many people, and would be 1.25.
    if int(minor.as_tuple().exponent) < 0:
        has = f"{decimals} decimals" if decimals else "no decimals"
        raise ValidationError(f"{amount} has too many decimals: {currency} has {has}.", code="decimals")
    return Money(int(minor), currency)


def major_units(money: Money) -> Decimal:
    """Return an amount as a form takes it: 12.50 for 1250 cents."""
    return Decimal(money.minor).scaleb(-money.decimals)


def row_of(model: type[Row], object_id: object) -> Row | None:
    """Return the row that a dialog is about; None where the address names none."""
    try:
        return model._default_manager.filter(pk=str(object_id)).first()
    except (ValidationError, ValueError):
        return None
