"""What a product looks like over HTTP."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from shop.rest.fields import MoneyField


class ProductSerializer(serializers.Serializer[Any]):
    """A product for sale, from a row of `products_for_sale()`."""

    sku = serializers.CharField()
    name = serializers.CharField()
    price = MoneyField()
    available = serializers.IntegerField(
        source="free", help_text="How many could be reserved at this moment; not a promise."
    )
