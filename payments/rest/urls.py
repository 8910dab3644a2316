"""Addresses of payments' HTTP edge, included at the root."""

from django.urls import path

from payments.gateways import provider
from payments.rest.views import receive_webhook

urlpatterns = [path(f"webhooks/{provider().name.lower()}", receive_webhook, name="provider-webhook")]
