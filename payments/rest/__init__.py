"""Payments' HTTP edge: the provider's webhooks. Customers reach payments through orders only."""
