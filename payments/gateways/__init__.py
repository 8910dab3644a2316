"""The card provider: what payments needs of one (provider.py), and an adapter for each company: stripe/.

The setting PAYMENT_PROVIDER names the adapter; nothing else of the shop does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from payments.gateways.provider import (
    CardRefused,
    DisputeSnapshot,
    IntentSnapshot,
    InvalidWebhook,
    Notice,
    Obstacle,
    PaymentProvider,
    PaymentProviderUnavailable,
    PaymentUnknown,
    ProviderMismatch,
    ProviderRefused,
    RefundSnapshot,
)
from shop.money import Money

__all__ = [
    "CardRefused",
    "DisputeSnapshot",
    "IntentSnapshot",
    "InvalidWebhook",
    "Notice",
    "Obstacle",
    "PaymentProvider",
    "PaymentProviderUnavailable",
    "PaymentUnknown",
    "ProviderMismatch",
    "ProviderRefused",
    "RefundSnapshot",
    "check_chargeable",
    "get_step",
    "is_payment_token",
    "load_provider",
    "provider",
]


def provider() -> PaymentProvider:
    """Return the provider that the settings name."""
    return _maker(settings.PAYMENT_PROVIDER)()


@cache
def _maker(path: str) -> Callable[[], PaymentProvider]:
    return cast("Callable[[], PaymentProvider]", import_string(path))


def load_provider() -> None:
    """Import the provider's adapter: at the start of a process, so that no order waits for that or finds it missing."""
    _maker(settings.PAYMENT_PROVIDER)


def is_payment_token(*, text: str) -> bool:
    """Return whether this is what the provider's browser script makes of a card, and no card's number."""
    return provider().token.fullmatch(text) is not None


def check_chargeable(*, amount: Money) -> None:
    """Insist that the provider can ever charge this amount. Raises: UnchargeableAmount."""
    provider().check_chargeable(amount=amount)


def get_step(*, currency: str) -> int:
    """Return how many minor units each amount that is charged or refunded in this currency must be a multiple of."""
    return provider().get_step(currency=currency)
