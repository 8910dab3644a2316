"""The card: the same three calls that the shop makes, by Stripe's SDK; or the article's fake, which always says yes."""

from functools import cache

import stripe
from django.conf import settings


class CardDeclined(Exception):
    """The bank said no."""


@cache
def _client():
    return stripe.StripeClient(
        settings.STRIPE_API_KEY,
        base_addresses={"api": settings.STRIPE_API_BASE},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=10),
    )


def authorize(*, order, payment_method):
    """Create an intent and confirm it; return its id. Raises: CardDeclined."""
    if settings.ARTICLE_PAYMENT == "free":  # type: ignore[misc]
        return "fake"
    intents = _client().v1.payment_intents
    intent = intents.create(
        {
            "amount": order.total_minor,
            "currency": order.currency.lower(),
            "capture_method": "manual",
            "payment_method": payment_method,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {"order_id": str(order.pk)},
        },
        {"idempotency_key": f"create-{order.pk}"},
    )
    try:
        intents.confirm(intent.id, {"use_stripe_sdk": True}, {"idempotency_key": f"confirm-{order.pk}"})
    except stripe.CardError as error:
        raise CardDeclined(str(error)) from error
    return intent.id


def capture(*, order, intent_id):
    """Take the money."""
    if settings.ARTICLE_PAYMENT != "free":  # type: ignore[misc]
        _client().v1.payment_intents.capture(intent_id, {}, {"idempotency_key": f"capture-{order.pk}"})
