"""How the API writes what a price is made of: the same for quotes and for orders."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from orders.pricing.priced import Adjustment, AdjustmentKind
from shop.rest.fields import MoneyField
from shop.rest.problem import money_json


class AdjustmentOut(serializers.Serializer[Any]):
    """What changes the price of the lines into that of the order: total = subtotal + all adjustments that are not included."""

    kind = serializers.ChoiceField(choices=[(kind.value, kind.value) for kind in AdjustmentKind])
    label = serializers.CharField(help_text="for customers")  # type: ignore[assignment]  # fields leave the class
    code = serializers.CharField(help_text="the discount code, shipping option, fee, or the place and class of the tax")
    rate = serializers.CharField(allow_null=True, help_text="in percent, such as `19.00`; null for a fixed amount")
    amount = MoneyField(help_text="negative for a discount")
    included = serializers.BooleanField(help_text="the prices contain it already: show it, and do not add it")


def represent_adjustments(adjustments: Iterable[Adjustment]) -> list[dict[str, Any]]:
    """Return adjustments as AdjustmentOut describes them."""
    return [
        {
            "kind": str(each.kind),
            "label": each.label,
            "code": each.code,
            "rate": None if each.rate is None else percentage(each.rate),
            "amount": money_json(each.amount),
            "included": each.included,
        }
        for each in adjustments
    ]


def percentage(rate: Decimal) -> str:
    """Return a rate as the API writes it, with two decimals or as many as it has."""
    plain = f"{rate.normalize():f}"
    whole, _point, decimals = plain.partition(".")
    return f"{whole}.{decimals:0<2}"
