"""Stripe's webhooks: is the raw body really Stripe's, and which intent is it about? Nothing else in it is believed."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from typing import Any

import stripe

from payments.gateways.provider import InvalidWebhook, Notice
from payments.gateways.stripe.words import NOTICES

TOLERANCE_SECONDS = 300
# Of what an event names: as the provider writes its names, and as our columns hold them.
LONGEST_ID, LONGEST_TYPE = 255, 80
_MOMENT = re.compile(r"[0-9]{1,12}", re.ASCII)


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
        name = _name(event["type"], LONGEST_TYPE)
        return Notice(
            event_id=_name(event["id"], LONGEST_ID),
            type=name,
            kind=NOTICES.get(name),
            intent_id=_intent_id(subject),
            livemode=bool(event["livemode"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidWebhook("the body is not a Stripe event") from error


def _is_signed(body: str, signature: str, secret: str) -> bool:
    if not signature.isascii():
        return False  # the SDK compares signatures in a way that takes ASCII only
    moments = {item.strip().removeprefix("t=") for item in signature.split(",") if item.strip().startswith("t=")}
    if len(moments) > 1:
        return False  # two headers in one: the SDK would hold the signatures of both against the first one's time
    if not all(_MOMENT.fullmatch(moment) for moment in moments):
        return False  # int() takes signs and spaces, and raises for thousands of digits
    if any(int(moment) > time.time() + TOLERANCE_SECONDS for moment in moments):
        return False  # the SDK asks only whether it is too old
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret, TOLERANCE_SECONDS)
    except stripe.SignatureVerificationError:
        return False
    return True


def _intent_id(subject: dict[str, Any]) -> str:
    named = subject["id"] if subject.get("object") == "payment_intent" else subject.get("payment_intent")
    return _name(named, LONGEST_ID) if named else ""


def _name(value: Any, longest: int) -> str:
    """Return a name of the provider's. Raises: ValueError for what is none: it would fit no column."""
    name = str(value)
    if len(name) > longest or not (name.isascii() and name.isprintable()):
        raise ValueError(f"no name of the provider's: {name[:40]!r}")
    return name
