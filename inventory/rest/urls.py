"""Inventory's addresses below /api/v1/."""

from django.urls import path

from inventory.rest.views import ProductDetail, ProductList

urlpatterns = [
    path("products", ProductList.as_view(), name="products"),
    path("products/<str:sku>", ProductDetail.as_view(), name="product"),
]
