"""Addresses of notifications, below /api/v1/."""

from django.urls import path

from notifications.rest.views import OrderLookupsView

urlpatterns = [path("order-lookups", OrderLookupsView.as_view(), name="order-lookups")]
