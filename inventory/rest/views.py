"""The product pages of the API: public and read-only."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from inventory import queries
from inventory.models import Product
from inventory.rest.serializers import ProductSerializer
from inventory.rules import is_sku
from shop.errors import NotFound
from shop.rest.compression import compressed
from shop.rest.documented import documented
from shop.rest.openapi import IF_NONE_MATCH
from shop.rest.pagination import PAGE_PARAMETERS, PAGE_QUERY
from shop.rest.preconditions import publicly_cached
from shop.rest.query import StrictQueryView

# Availability changes with every order and is not a promise. A storefront shows a value of at most this age.
CACHE_SECONDS = 5


class ProductNotFound(NotFound):
    """No product for sale has this SKU."""

    code = "product_not_found"
    title = "No such product is for sale"


_HEADERS = dict.fromkeys((200, 304), ("ETag", "Cache-Control", "Link"))
_UNCHANGED = {304: "It is still what the caller holds."}


@method_decorator(compressed, name="dispatch")
@extend_schema(tags=["products"], auth=[])
class ProductList(StrictQueryView, generics.ListAPIView[Product]):
    """What is for sale, page by page."""

    permission_classes = [AllowAny]
    serializer_class = ProductSerializer
    ordering = ("sku",)
    query_parameters = {"GET": PAGE_QUERY}

    def get_queryset(self) -> QuerySet[Product]:
        """Return the active products."""
        return queries.products_for_sale()

    @documented(
        problems={503: [queries.InventoryUnavailable, queries.InventoryBusy]}, headers=_HEADERS, bodyless=_UNCHANGED
    )
    @extend_schema(
        operation_id="list_products", summary="List the products for sale", parameters=[*PAGE_PARAMETERS, IF_NONE_MATCH]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the active products by SKU, with what is available of each right now."""
        with queries.reachable():
            page = self.list(request, *args, **kwargs)
        return publicly_cached(request, page, seconds=CACHE_SECONDS)


@method_decorator(compressed, name="dispatch")
@extend_schema(tags=["products"], auth=[])
class ProductDetail(StrictQueryView, generics.GenericAPIView[Product]):
    """One product for sale."""

    permission_classes = [AllowAny]
    serializer_class = ProductSerializer
    pagination_class = None

    @documented(
        problems={404: [ProductNotFound], 503: [queries.InventoryUnavailable, queries.InventoryBusy]},
        headers=_HEADERS,
        bodyless=_UNCHANGED,
    )
    @extend_schema(operation_id="get_product", summary="Show one product", parameters=[IF_NONE_MATCH])
    def get(self, request: Request, sku: str) -> Response:
        """Show a product with its price and what is available of it right now."""
        with queries.reachable():
            product = queries.products_for_sale().filter(sku=sku).first() if is_sku(sku) else None
        if product is None:
            raise ProductNotFound(f"no product {sku!r} is for sale")
        return publicly_cached(request, Response(self.get_serializer(product).data), seconds=CACHE_SECONDS)
