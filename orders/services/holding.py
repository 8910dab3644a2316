"""For whom an order holds stock that nobody has paid for: the keys by which another order of the same people is found.

The keys are digests under SECRET_KEY, 64 bits each. They stand on the order while it waits for its payment and no longer;
the email and the address themselves stay in `Contact` alone.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac

from orders.queries import Address
from shop.errors import Refusal
from shop.mail_address import same_mailbox

# Written where an order stops waiting for its payment.
NO_KEYS: dict[str, Any] = {"email_key": None, "address_key": None}


class TooMuchHeldUnpaid(Refusal):
    """The order would hold more of a product for these people than may be held for them without a payment."""

    code = "too_much_held_unpaid"
    title = (
        "This is more of a product than is held without a payment; send a payment method with the order, order less, "
        "or pay what is held already, with a new Idempotency-Key"
    )
    http_status = 409
    fact_types = {"sku": str, "wanted": int}


@dataclass(frozen=True)
class HolderKeys:
    """Digests of the email and the address; None where they are not to be compared."""

    email_key: int | None = None
    address_key: int | None = None


def holder_keys(*, email: str, address: Address) -> HolderKeys:
    """Return the keys of an order's people."""
    if not settings.LIMIT_HELD_UNPAID_BY_ADDRESS:
        return HolderKeys()
    return HolderKeys(_digest("email", same_mailbox(email)), _digest("address", same_place(address)))


def same_place(address: Address) -> str:
    """Return where an address is: its letters and digits without accents and capitals, and without who receives."""
    written = f"{address.line1}{address.line2}{address.city}{address.postal_code}{address.country}"
    plain = unicodedata.normalize("NFKD", written).casefold()
    return "".join(sign for sign in plain if sign.isalnum())


def _digest(kind: str, value: str) -> int:
    digest = salted_hmac(f"orders.held.{kind}", value, algorithm="sha256").digest()
    return int.from_bytes(digest[:8], "big", signed=True)
