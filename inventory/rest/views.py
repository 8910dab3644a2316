"""The product pages of the API: public and read-only."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from inventory import queries
from inventory.models import Product
from inventory.rest.serializers import (
    CategoriesSerializer,
    ProductDetailSerializer,
    ProductQuerySerializer,
    ProductSerializer,
)
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
CATEGORY_CACHE_SECONDS = 60


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
    query_parameters = {"GET": PAGE_QUERY | set(ProductQuerySerializer().fields)}

    @property
    def ordering(self) -> tuple[str, ...]:
        """Return what the pages are sorted by: one value that no two products share."""
        return (f"{queries.SORTS[self._asked.get('sort', 'sku')][1]}sort_key",)

    @cached_property
    def _asked(self) -> dict[str, Any]:
        query = ProductQuerySerializer(data=self.request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked: dict[str, Any] = query.validated_data
        return asked

    def get_queryset(self) -> QuerySet[Product]:
        """Return the products for sale that the query asks for."""
        return queries.find_products(
            search=self._asked.get("search", ""),
            category=self._asked.get("category", ""),
            in_stock=self._asked.get("in_stock") == "true",
            sort=self._asked.get("sort", "sku"),
        )

    @documented(problems={503: [queries.InventoryUnavailable]}, headers=_HEADERS, bodyless=_UNCHANGED)
    @extend_schema(
        operation_id="list_products",
        summary="List the products for sale",
        parameters=[ProductQuerySerializer, *PAGE_PARAMETERS, IF_NONE_MATCH],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the products for sale, with what is available of each right now: all, or those that fit.

        The pages of a list stay in step while products are added or change: none comes twice, and none that stays is left out.
        """
        with queries.reachable():
            page = self.list(request, *args, **kwargs)
        return publicly_cached(request, page, seconds=CACHE_SECONDS)


@method_decorator(compressed, name="dispatch")
@extend_schema(tags=["products"], auth=[])
class ProductDetail(StrictQueryView, generics.GenericAPIView[Product]):
    """One product for sale."""

    permission_classes = [AllowAny]
    serializer_class = ProductDetailSerializer
    pagination_class = None

    @documented(
        problems={404: [ProductNotFound], 503: [queries.InventoryUnavailable]},
        headers=_HEADERS,
        bodyless=_UNCHANGED,
    )
    @extend_schema(operation_id="get_product", summary="Show one product", parameters=[IF_NONE_MATCH])
    def get(self, request: Request, sku: str) -> Response:
        """Show a product with its price, what is available of it right now, and the others of its group."""
        with queries.reachable():
            product = queries.products_for_sale().filter(sku=sku).first() if is_sku(sku) else None
            if product is None:
                raise ProductNotFound(f"no product {sku!r} is for sale")
            found = Response(self.get_serializer(product).data)
        return publicly_cached(request, found, seconds=CACHE_SECONDS)


@method_decorator(compressed, name="dispatch")
@extend_schema(tags=["products"], auth=[])
class CategoryList(StrictQueryView):
    """What kinds of things are for sale."""

    permission_classes = [AllowAny]

    @documented(
        problems={503: [queries.InventoryUnavailable]},
        headers=dict.fromkeys((200, 304), ("ETag", "Cache-Control")),
        bodyless=_UNCHANGED,
    )
    @extend_schema(
        operation_id="list_categories",
        summary="List the categories",
        parameters=[IF_NONE_MATCH],
        responses=CategoriesSerializer,
    )
    def get(self, request: Request) -> Response:
        """List the categories of which something is for sale, by name."""
        with queries.reachable():
            found = CategoriesSerializer({"results": queries.list_categories()}).data
        return publicly_cached(request, Response(found), seconds=CATEGORY_CACHE_SECONDS)
