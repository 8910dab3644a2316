"""Stripe's webhooks: is the raw body really Stripe's, and which intent is it about? Nothing else in it is believed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import stripe

from shop.errors import Refusal

TOLERANCE_SECONDS = 300


class InvalidWebhook(Refusal):
    """The body was not signed by a secret of ours within the last five minutes, or is no event."""

    code = "invalid_webhook"
    title = "This is no webhook of our card provider"
    http_status = 400


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A verified event: that something happened to an intent. What happened is asked of the provider."""

    event_id: str
    type: str
    intent_id: str
    livemode: bool


def read_notice(*, body: bytes, signature: str, secrets: Sequence[str]) -> Notice:
    """Verify a raw request body against each secret (several while one is being rotated). Raises: InvalidWebhook."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidWebhook("the body is not UTF-8") from error
    if not any(_is_signed(text, signature, secret) for secret in secrets):
        raise InvalidWebhook("the Stripe-Signature header does not fit the body, or is too old")
    try:
        event = json.loads(text)
        subject = event["data"]["object"]
        return Notice(
            event_id=str(event["id"]),
            type=str(event["type"]),
            intent_id=_intent_id(subject),
            livemode=bool(event["livemode"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidWebhook("the body is no Stripe event") from error


def _is_signed(body: str, signature: str, secret: str) -> bool:
    if not signature.isascii():
        return False  # the SDK compares signatures in a way that takes ASCII only
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret, TOLERANCE_SECONDS)
    except stripe.SignatureVerificationError:
        return False
    return True


def _intent_id(subject: dict[str, Any]) -> str:
    if subject.get("object") == "payment_intent":
        return str(subject["id"])
    return str(subject.get("payment_intent") or "")
