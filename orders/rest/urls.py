"""Addresses of orders, below /api/v1/."""

from django.urls import path, register_converter

from orders.rest import quotes, views
from shop.rest.query import AnyCaseUUIDConverter

register_converter(AnyCaseUUIDConverter, "any_uuid")

urlpatterns = [
    path("quotes", quotes.QuotesView.as_view(), name="quotes"),
    path("orders", views.OrdersView.as_view(), name="orders"),
    path("orders/<any_uuid:order_id>", views.OrderView.as_view(), name="order"),
    path("orders/<any_uuid:order_id>/payment", views.OrderPaymentView.as_view(), name="order-payment"),
    path("orders/<any_uuid:order_id>/extend-hold", views.OrderHoldView.as_view(), name="order-hold"),
    path("orders/<any_uuid:order_id>/cancel", views.OrderCancelView.as_view(), name="order-cancel"),
    path("orders/<any_uuid:order_id>/receipt", views.OrderReceiptView.as_view(), name="order-receipt"),
    path("orders/<any_uuid:order_id>/refunds", views.OrderRefundsView.as_view(), name="order-refunds"),
]
