"""Webhooks signed as the provider signs them, at the real time: the signature's age is not the history's business."""

from __future__ import annotations

import json
import time
from typing import Any

from local.stripe.webhooks import SIGNER, signature


def signed(event: dict[str, Any]) -> dict[str, Any]:
    """Return the raw body and the headers of a webhook."""
    body = json.dumps(event).encode()
    signed_by = signature(payload=body, secret=SIGNER, timestamp=int(time.time()))
    return {"body": body, "headers": {"Stripe-Signature": signed_by}}
