"""The card provider: what payments needs of one (provider.py), and Stripe through its own SDK (stripe_api.py).

Swapping the provider means another adapter of PaymentProvider, named here.
"""

from payments.gateways.provider import (
    CardRefused,
    DisputeSnapshot,
    IntentSnapshot,
    PaymentProvider,
    PaymentProviderUnavailable,
    PaymentUnknown,
    ProviderMismatch,
    ProviderRefused,
    RefundSnapshot,
)
from payments.gateways.stripe_api import is_live, provider
from payments.gateways.stripe_webhooks import InvalidWebhook, Notice, read_notice

__all__ = [
    "CardRefused",
    "DisputeSnapshot",
    "IntentSnapshot",
    "InvalidWebhook",
    "Notice",
    "PaymentProvider",
    "PaymentProviderUnavailable",
    "PaymentUnknown",
    "ProviderMismatch",
    "ProviderRefused",
    "RefundSnapshot",
    "is_live",
    "provider",
    "read_notice",
]
