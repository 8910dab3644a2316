"""Links in mails: whoever has one reads, pays and cancels that one order of a guest, and nothing else.

# Note [Signed, not stored]
A token is the order's id and the epoch of its links, signed under SECRET_KEY with the moment of its making. Nothing of it is
stored, so what reads the database opens no order, and each mail gets a fresh one as it is sent. It ends with
ORDER_LINK_DAYS, and all links of an order end as its epoch moves on (docs/adr/0040-guests.md).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings
from django.core import signing
from django.db.models import F

from orders.models import Order
from orders.queries import OrderState
from shop import transactions
from shop.errors import Refusal

_SALT = "orders.links"

log = structlog.get_logger(__name__)


class OrderHasNoLinks(Refusal):
    """The order is an account's, or its contact is erased: no link opens it."""

    code = "order_has_no_links"
    title = "No link opens this order"


@dataclass(frozen=True)
class OpenedOrder:
    """The order that a link opens, and whose it is."""

    order_id: uuid.UUID
    customer_id: uuid.UUID


def link_to(*, order: OrderState) -> str:
    """Return where the storefront shows an order; a guest's link opens it, an account's customer signs in."""
    page = str(settings.ORDER_LINK).format(order_id=order.order_id)
    if order.link_epoch is None:
        return page
    # After the "#": browsers keep it from every server, its logs and its Referer.
    return f"{page}#access={token_of(order_id=order.order_id, epoch=order.link_epoch)}"


def token_of(*, order_id: uuid.UUID, epoch: int) -> str:
    """Return a new token that opens an order; see Note [Signed, not stored]."""
    return signing.dumps([order_id.hex, epoch], salt=_SALT)


def open_by(*, token: str) -> OpenedOrder | None:
    """Return the order that a token opens now; None where it is not one, is too old, or was revoked."""
    try:
        named, epoch = signing.loads(token, salt=_SALT, max_age=timedelta(days=settings.ORDER_LINK_DAYS))
    except signing.BadSignature:
        return None
    order_id = uuid.UUID(named)
    customer_id = Order.objects.filter(pk=order_id, link_epoch=epoch).values_list("customer_id", flat=True).first()
    return None if customer_id is None else OpenedOrder(order_id, customer_id)


def revoke_links(*, order_id: uuid.UUID) -> None:
    """End all links to an order that were made until now. Mails from now on hold new ones. Raises: OrderHasNoLinks."""
    with transactions.transaction("orders"):
        revoked = Order.objects.filter(pk=order_id, link_epoch__isnull=False).update(link_epoch=F("link_epoch") + 1)
    if not revoked:
        raise OrderHasNoLinks(order_id=str(order_id))
    log.info("order.links_revoked", order_id=str(order_id))
