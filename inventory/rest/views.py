"""The product pages of the API: public and read-only."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
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
from shop.rest.pagination import PAGE_PARAMETERS


class ProductNotFound(NotFound):
    """No product for sale has this SKU."""

    code = "product_not_found"
    title = "No such product is for sale"


@extend_schema(tags=["products"], auth=[])
class ProductList(generics.ListAPIView[Product]):
    """What is for sale, page by page."""

    permission_classes = [AllowAny]
    serializer_class = ProductSerializer
    ordering = ("sku",)

    def get_queryset(self) -> QuerySet[Product]:
        """Return the active products."""
        return queries.products_for_sale()

    @extend_schema(operation_id="list_products", summary="List the products for sale", parameters=PAGE_PARAMETERS)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the active products by SKU, with what is available of each right now."""
        with queries.reachable():
            return self.list(request, *args, **kwargs)


@extend_schema(tags=["products"], auth=[])
class ProductDetail(generics.GenericAPIView[Product]):
    """One product for sale."""

    permission_classes = [AllowAny]
    serializer_class = ProductSerializer
    pagination_class = None

    @extend_schema(operation_id="get_product", summary="Show one product")
    def get(self, request: Request, sku: str) -> Response:
        """Show a product with its price and what is available of it right now."""
        with queries.reachable():
            product = queries.products_for_sale().filter(sku=sku).first() if is_sku(sku) else None
        if product is None:
            raise ProductNotFound(f"no product {sku!r} is for sale")
        return Response(self.get_serializer(product).data)
