"""Addresses of orders, below /api/v1/."""

from django.urls import path

from orders.rest import views

urlpatterns = [
    path("orders", views.OrdersView.as_view(), name="orders"),
    path("orders/<uuid:order_id>", views.OrderView.as_view(), name="order"),
    path("orders/<uuid:order_id>/payment", views.OrderPaymentView.as_view(), name="order-payment"),
    path("orders/<uuid:order_id>/cancel", views.OrderCancelView.as_view(), name="order-cancel"),
    path("orders/<uuid:order_id>/refunds", views.OrderRefundsView.as_view(), name="order-refunds"),
]
