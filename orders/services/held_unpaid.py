"""How much may be held unpaid: the keys by which other orders of the same people are found, and the refusal.

The keys are digests under SECRET_KEY, 64 bits each. They stand on the order while it waits for its payment and no longer;
the email and the address themselves stay in `Contact` alone. The limits: docs/adr/0034-held-unpaid.md.
"""

from __future__ import annotations

import unicodedata
import uuid
from dataclasses import dataclass
from typing import Any, Self

import msgspec
from django.conf import settings
from django.utils.crypto import salted_hmac

from orders.queries import Address
from shop.accounts.verified import verified_addresses
from shop.errors import Refusal
from shop.mail_address import same_mailbox

# Written where an order stops waiting for its payment.
NO_KEYS: dict[str, Any] = {"email_key": None, "address_key": None, "unjudged": False}
_TOO_MUCH = {
    "customer": "With this order you would hold {wanted} of {sku} unpaid, on top of {held} that you hold already; {allowed} may be held",
    "email": "Too much of {sku} would be held unpaid for this email address, where others' orders may count",
    "address": "Too much of {sku} would be held unpaid for this delivery address, where others' orders may count",
}


@dataclass(frozen=True)
class OpenOrder:
    """An unpaid order of the customer, which they may pay or cancel."""

    order_id: uuid.UUID
    number: str
    status: str


@dataclass(frozen=True)
class Room:
    """What one more order would meet: the customer's unpaid orders, and the first product that passes a limit.

    `over_held` and `over_allowed` are the customer's own, in pieces; `open_orders` are those that stand in the way.
    """

    unpaid: int
    over_rule: str | None
    over_sku: str | None
    over_wanted: int | None
    over_held: int | None
    over_allowed: int | None
    open_orders: tuple[OpenOrder, ...]

    @classmethod
    def of(cls, unpaid: int, *over: Any) -> Self:
        """Return the room that a row of orders_room_to_wait() tells of."""
        rule, sku, wanted, held, allowed, listed = over
        found = msgspec.json.decode(listed or "[]", type=list[tuple[uuid.UUID, str, str]])
        return cls(unpaid, rule, sku, wanted, held, allowed, tuple(OpenOrder(*each) for each in found))


class TooMuchHeldUnpaid(Refusal):
    """The order would hold more of a product unpaid than one customer, email address or delivery address may.

    facts.rule says whose limit it is (`customer`, `email`, `address`). facts.open_orders are the caller's own orders that
    count: paying or canceling one makes room. Orders of others may count as well, and are not named.
    """

    code = "too_much_held_unpaid"
    title = (
        "This is more of a product than is held without a payment; send a payment method with the order, order less, "
        "or pay or cancel what you hold already, with a new Idempotency-Key"
    )
    http_status = 409
    fact_types = {
        "sku": str,
        "wanted": int,
        "rule": str,
        "held": int,
        "allowed": int | None,
        "open_orders": list[OpenOrder],
    }


def too_much_held(room: Room, *, waits: bool) -> TooMuchHeldUnpaid:
    """Return the refusal of an order that does not fit into the limits.

    `waits`: it came with a payment method, and its customer would have to act. What others hold is not told.
    """
    own = room.over_rule == "customer"
    figures = {"sku": room.over_sku, "wanted": room.over_wanted, "held": room.over_held}
    why = _TOO_MUCH[str(room.over_rule)].format(**figures, allowed=room.over_allowed)
    if waits:
        why = f"The bank wants this payment approved, and until then the order would hold its stock. {why}"
    ways = ["Order less"]
    if room.open_orders:
        ways.append(f"pay or cancel one of your orders {', '.join(each.number for each in room.open_orders)}")
    if room.over_rule == "email":
        ways.append("verify the address for your account")
    ways.append("use a card that needs no approval" if waits else "send a payment method with the order")
    return TooMuchHeldUnpaid(
        f"{why}. {', '.join(ways[:-1])}, or {ways[-1]}; with a new Idempotency-Key",
        **figures,
        rule=room.over_rule,
        allowed=room.over_allowed if own else None,
        open_orders=list(room.open_orders),
    )


@dataclass(frozen=True)
class HolderKeys:
    """Digests of the email and the address; None where they are not to be compared."""

    email_key: int | None = None
    address_key: int | None = None


def holder_keys(*, email: str, address: Address) -> HolderKeys:
    """Return the keys of an order's people."""
    if not settings.LIMIT_HELD_UNPAID_BY_ADDRESS:
        return HolderKeys()
    return HolderKeys(_digest("email", same_mailbox(email)), _digest("place", same_place(address)))


def mailbox_key(*, customer_id: uuid.UUID, email: str, by_guest: bool) -> int | None:
    """Return a digest of the mailbox by which a customer's uses of codes are known beside their id.

    A guest's is where the order's mails go, an account's the one that it has verified: None where there is none.
    """
    mailboxes = [email] if by_guest else sorted(verified_addresses(user_id=customer_id))
    return _digest("code", same_mailbox(mailboxes[0])) if mailboxes else None


def has_verified(*, customer_id: uuid.UUID, email: str) -> bool:
    """Return whether the customer's account has verified this mailbox: strangers who name it do not limit them then."""
    if not settings.LIMIT_HELD_UNPAID_BY_ADDRESS:
        return False
    return same_mailbox(email) in map(same_mailbox, verified_addresses(user_id=customer_id))


def limits() -> dict[str, Any]:
    """Return the settings that orders_room_to_wait() judges by."""
    return {
        "pieces": settings.MAX_HELD_UNPAID_PIECES,
        "share": settings.MAX_HELD_UNPAID_SHARE,
        "place_factor": settings.MAX_HELD_UNPAID_PLACE_FACTOR,
    }


def same_place(address: Address) -> str:
    """Return where a parcel is delivered: country, postal code and first line, as letters and digits alone.

    Capitals, accents, spaces and marks do not count, and neither do the forms in which Unicode writes the same letter.
    Who receives it there, on which floor, and how the city is spelled is not compared.
    """
    parts = (address.country, address.postal_code, address.line1)
    return "/".join("".join(sign for sign in _fold(part) if sign.isalnum()) for part in parts)


def _fold(text: str) -> str:
    """Return a text with compatible forms and letters with accents taken apart (NFKD), and without capitals."""
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())


def _digest(kind: str, value: str) -> int:
    digest = salted_hmac(f"orders.held.{kind}", value, algorithm="sha256").digest()
    return int.from_bytes(digest[:8], "big", signed=True)
