"""Building blocks of serializers: what is unknown is refused, and money is minor units with a currency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from shop.money import Money, is_currency
from shop.rest.problem import money_json

MAX_MINOR = 10**12


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that refuses fields it does not know, so that a misspelt or forbidden one is never ignored."""

    default_error_messages = {"unknown": "This field is not known here."}

    def to_internal_value(self, data: Any) -> Any:
        """Validate the known fields, and name the others."""
        unknown = sorted(set(map(str, data)) - set(self.fields)) if isinstance(data, Mapping) else []
        problems: dict[str, Any] = {name: [self.error_messages["unknown"]] for name in unknown}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if not isinstance(error.detail, dict):
                raise
            problems |= error.detail
        if problems:
            raise serializers.ValidationError(problems)
        return value


@extend_schema_field(
    {
        "type": "object",
        "title": "Money",
        "required": ["amount_minor", "currency"],
        "properties": {
            "amount_minor": {"type": "integer", "minimum": 0, "description": "minor units: cents, yen, fils"},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217"},
            "formatted": {"type": "string", "readOnly": True, "examples": ["24.50"]},
        },
        "additionalProperties": False,
    }
)
class MoneyField(serializers.Field[Money, Any, dict[str, Any], Any]):
    """`{"amount_minor": 2450, "currency": "EUR", "formatted": "24.50"}`; read from the first two."""

    default_error_messages = {
        "shape": 'Money looks like {{"amount_minor": 2450, "currency": "EUR"}}.',
        "amount": "amount_minor is a whole number of minor units, from 0 to one million million.",
        "currency": "currency is an ISO 4217 code in capitals.",
    }

    def to_representation(self, value: Money) -> dict[str, Any]:
        """Write an amount."""
        return money_json(value)

    def to_internal_value(self, data: Any) -> Money:
        """Read an amount. `formatted` may come back as it was sent, and is ignored."""
        if not isinstance(data, Mapping) or not {"amount_minor", "currency"} <= set(data) <= {
            "amount_minor",
            "currency",
            "formatted",
        }:
            self.fail("shape")
        amount, currency = data["amount_minor"], data["currency"]
        if isinstance(amount, bool) or not isinstance(amount, int) or not 0 <= amount <= MAX_MINOR:
            self.fail("amount")
        if not isinstance(currency, str) or not is_currency(currency):
            self.fail("currency")
        return Money(amount, currency)
