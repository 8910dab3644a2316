"""What a product looks like over HTTP."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from inventory import queries
from inventory.catalogue import MAX_CATEGORY, MAX_SEARCH
from inventory.models import Product
from inventory.rules import AVAILABILITIES, availability
from shop.rest.fields import MoneyField, OneOfField

SORTED_BY = [
    ("sku", "by SKU"),
    ("name", "from A to Z"),
    ("-name", "from Z to A"),
    ("price", "the cheapest first, currency by currency"),
    ("-price", "the dearest first, currency by currency"),
    ("newest", "the newest first"),
]


class ImageSerializer(serializers.Serializer[Any]):
    """A picture of a product."""

    url = serializers.CharField(help_text="http or https, or a path of the shop's site that begins with a slash.")
    alt = serializers.CharField(help_text="What it shows, in words.")


class AvailabilityField(serializers.ChoiceField):
    """How much of a product there is, in a word, from the number that can be reserved."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            AVAILABILITIES,
            source="free",
            help_text="`few_left` up to the shop's STOCK_LOW_THRESHOLD, 5 unless it is set.",
            **options,
        )

    def to_representation(self, value: Any) -> str:
        """Write a number as a word."""
        return availability(value, low=settings.STOCK_LOW_THRESHOLD)


class OptionsField(serializers.DictField):
    """What tells a product from the others of its group, by name."""

    child = serializers.CharField()


class ProductSerializer(serializers.Serializer[Any]):
    """A product for sale, from a row of `products_for_sale()`."""

    sku = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField(help_text='Plain text; its lines end with "\\n".')
    category = serializers.CharField(help_text='"" for none.')
    images = ImageSerializer(many=True)
    price = MoneyField()
    available = serializers.IntegerField(
        source="free", help_text="How many could be reserved at this moment; not a promise."
    )
    availability = AvailabilityField()
    group = serializers.CharField(
        help_text='Products of one group are one thing in several sizes or colors; "" for none.'
    )
    options = OptionsField(help_text='What tells it from the others of its group: {"size": "M"}.')
    weight_grams = serializers.IntegerField(help_text="Of one unit, packed; 0 where the shop names none.")
    tax_class = serializers.CharField(help_text='"" for the usual one.')


class VariantSerializer(serializers.Serializer[Any]):
    """A product of a group, as one chooses it."""

    sku = serializers.CharField()
    name = serializers.CharField()
    options = OptionsField()
    price = MoneyField()
    availability = AvailabilityField()


class ProductDetailSerializer(ProductSerializer):
    """A product for sale, with the others of its group."""

    variants = serializers.SerializerMethodField()

    @extend_schema_field(VariantSerializer(many=True))
    def get_variants(self, product: Product) -> Any:
        """Return the products for sale of its group, itself included; none without a group."""
        return VariantSerializer(queries.variants_of(product), many=True).data


class CategorySerializer(serializers.Serializer[Any]):
    """A category of which something is for sale."""

    name = serializers.CharField()
    products = serializers.IntegerField(help_text="How many products of it are for sale; each size or color counts.")


class CategoriesSerializer(serializers.Serializer[Any]):
    """All of them, by name."""

    results = CategorySerializer(many=True)


class ProductQuerySerializer(serializers.Serializer[Any]):
    """What narrows and sorts the list of products."""

    search = serializers.CharField(
        max_length=MAX_SEARCH,
        required=False,
        allow_blank=True,
        help_text="Words; each begins some word of the SKU, the name, the category, an option or the description.",
    )
    category = serializers.CharField(max_length=MAX_CATEGORY, required=False, allow_blank=True)
    in_stock = OneOfField(
        [("true", "only what can be bought now"), ("false", "also what is sold out, as without it")], required=False
    )
    sort = OneOfField(
        SORTED_BY,
        required=False,
        help_text="`sku` unless it is sent.",
    )
