"""Inventory's addresses below /api/v1/."""

from django.urls import path

from inventory.rest.views import CategoryList, ProductDetail, ProductList

urlpatterns = [
    path("categories", CategoryList.as_view(), name="categories"),
    path("products", ProductList.as_view(), name="products"),
    path("products/<str:sku>", ProductDetail.as_view(), name="product"),
]
