"""Holding a parcel while the customer disputes its payment; see docs/adr/0033-disputes.md.

The facts of a dispute may come twice and in any order: each has a revision, and an older one changes nothing. A hold is
looked at where a parcel is claimed for its carrier and where staff hand it over; a parcel that has left has left.
"""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db.models import QuerySet
from django.db.models.functions import Now

from shipping.models import Hold, Shipment
from shop import transactions
from shop.background import wake
from shop.clock import now
from shop.errors import Refusal

log = structlog.get_logger(__name__)

# Of a claim: that nothing holds the parcel of the row, which is called `due` there.
NOT_HELD = (
    "NOT EXISTS (SELECT 1 FROM shipping_hold AS hold WHERE hold.order_id = due.order_id AND hold.released_at IS NULL)"
)


class ShipmentHeld(Refusal):
    """The payment is disputed at the customer's bank, or was lost to it: the parcel waits until staff release it."""

    code = "shipment_held"
    title = "The parcel is held because its payment is disputed"


class NothingHeld(Refusal):
    """No hold keeps this parcel, so there is nothing to release."""

    code = "nothing_held"
    title = "Nothing holds this parcel"


def refuse_held(shipment: Shipment) -> None:
    """Refuse where a dispute holds this parcel. Raises: ShipmentHeld."""
    if Hold.objects.filter(order_id=shipment.order_id, released_at=None).exists():
        raise ShipmentHeld(shipment_id=shipment.pk, order_id=shipment.order_id)


def hold_parcel(*, order_id: UUID, dispute_id: UUID, revision: int, for_staff: bool = False) -> None:
    """Hold the parcel of an order, in the caller's transaction, unless a later fact of the dispute was heard."""
    hold = _lock_if_news(order_id, dispute_id, revision)
    if hold is not None:
        released_at = hold.released_at if hold.released_by_staff else None
        Hold.objects.filter(pk=dispute_id).update(released_at=released_at, for_staff=for_staff)
        log.info("shipment.held", order_id=str(order_id), dispute_id=str(dispute_id), for_staff=for_staff)


def release_parcel(*, order_id: UUID, dispute_id: UUID, revision: int) -> None:
    """Let the parcel go, in the caller's transaction: the dispute took nothing. Heard too late it changes nothing."""
    if _lock_if_news(order_id, dispute_id, revision) is not None:
        _release(Hold.objects.filter(pk=dispute_id, released_at=None), for_staff=False)
        log.info("shipment.released", order_id=str(order_id), dispute_id=str(dispute_id))


def release_by_staff(*, shipment_id: UUID) -> None:
    """Let a held parcel go although its payment is disputed, or lost; no dispute that holds it now holds it again.

    Raises: NothingHeld.
    """
    with transactions.transaction("shipping"):
        order_id = Shipment.objects.values_list("order_id", flat=True).get(pk=shipment_id)
        if not _release(Hold.objects.filter(order_id=order_id, released_at=None), released_by_staff=True):
            raise NothingHeld(shipment_id=shipment_id)
    log.warning("shipment.released_by_staff", order_id=str(order_id))


def _lock_if_news(order_id: UUID, dispute_id: UUID, revision: int) -> Hold | None:
    """Note the revision and return the hold, locked and as it was before; None where this is not news."""
    transactions.require("shipping")
    unheard = Hold(dispute_id=dispute_id, order_id=order_id, revision=0, released_at=now())
    Hold.objects.bulk_create([unheard], ignore_conflicts=True)
    hold = Hold.objects.select_for_update().get(pk=dispute_id)
    is_news = Hold.objects.filter(pk=dispute_id, revision__lt=revision).update(revision=revision)
    return hold if is_news else None


def _release(holds: QuerySet[Hold], **columns: bool) -> int:
    released = holds.update(released_at=Now(), **columns)
    wake("shipping.book_due_shipments", context="shipping")
    return released
