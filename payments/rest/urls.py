"""Addresses of payments' HTTP edge, included at the root."""

from django.urls import path

from payments.rest.views import stripe_webhook

urlpatterns = [path("webhooks/stripe", stripe_webhook, name="stripe-webhook")]
