"""Holding a parcel while the customer disputes its payment; see docs/adr/0033-disputes.md.

The facts of a dispute may come twice and in any order: each has a revision, and an older one changes nothing. A hold is
looked at where a parcel is claimed for its carrier, where its booking is recorded and where staff hand it over; it makes
what is booked due, and unbooking.py takes that back. A parcel that has left has left.
"""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db.models import QuerySet
from django.db.models.functions import Now

from shipping.models import MAY_LEAVE, Hold, Shipment, ShipmentStatus
from shop import transactions
from shop.clock import now
from shop.errors import Refusal
from shop.work.background import wake

log = structlog.get_logger(__name__)

# Of a claim: that a dispute holds the parcel of the row, which is called `due` there, or that nothing does.
HELD = "EXISTS (SELECT 1 FROM shipping_hold AS hold WHERE hold.order_id = due.order_id AND hold.released_at IS NULL)"
NOT_HELD = f"NOT {HELD}"


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
    """Hold the parcel of an order, in the caller's transaction, unless a later fact of the dispute was heard.

    What is booked, or may be, is made due to be taken back.
    """
    hold = _lock_if_news(order_id, dispute_id, revision)
    if hold is not None:
        _hold(hold, for_staff=for_staff)


def release_parcel(*, order_id: UUID, dispute_id: UUID, revision: int, money_is_back: bool = False) -> None:
    """Let the parcel go, in the caller's transaction: the dispute took nothing. Heard too late it changes nothing.

    Where the money went back in full (`money_is_back`, or heard before) a parcel that may leave stays held: staff decide.
    """
    hold = _lock_if_news(order_id, dispute_id, revision)
    if hold is None:
        return
    if (money_is_back or hold.money_is_back) and _may_leave(order_id):
        _hold(hold, for_staff=True, money_is_back=True)
    else:
        _release(Hold.objects.filter(pk=dispute_id, released_at=None), for_staff=False)
        log.info("shipment.released", order_id=str(order_id), dispute_id=str(dispute_id))


def keep_for_staff(*, order_id: UUID) -> None:
    """Note that a disputed payment went back in full, in the caller's transaction; the end of its dispute frees no parcel.

    A parcel that the end has freed a moment ago, and that has not left, is held again. What staff released stays so.
    """
    transactions.require("shipping")
    holds = Hold.objects.filter(order_id=order_id, released_by_staff=False, revision__gt=0)
    if not holds.update(money_is_back=True):
        return
    if _may_leave(order_id):
        holds.filter(released_at__isnull=False).update(released_at=None, held_at=Now(), for_staff=True)
        _make_bookings_due(order_id)


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


def _may_leave(order_id: UUID) -> bool:
    """Return whether the parcel is neither canceled nor gone; there may be none yet."""
    return not Shipment.objects.filter(order_id=order_id).exclude(status__in=MAY_LEAVE).exists()


def _hold(hold: Hold, **columns: object) -> None:
    if hold.released_at is not None and not hold.released_by_staff:
        columns |= {"released_at": None, "held_at": Now()}
    Hold.objects.filter(pk=hold.pk).update(**columns)
    _make_bookings_due(hold.order_id)
    log.info("shipment.held", order_id=str(hold.order_id), dispute_id=str(hold.pk), for_staff=columns["for_staff"])


def _make_bookings_due(order_id: UUID) -> None:
    """Make due what may be booked of this order; one that its carrier has refused is not."""
    open_now = Shipment.objects.filter(order_id=order_id, status__in=MAY_LEAVE)
    open_now.exclude(status=ShipmentStatus.PENDING, due_at=None).update(due_at=Now())
    wake("shipping.take_back_held_bookings", context="shipping")


def _release(holds: QuerySet[Hold], **columns: bool) -> int:
    orders = list(holds.values_list("order_id", flat=True))
    released = holds.update(released_at=Now(), **columns)
    # One that was being looked for at its carrier was due later.
    waiting = Shipment.objects.filter(order_id__in=orders, status=ShipmentStatus.PENDING, due_at__isnull=False)
    waiting.update(due_at=Now())
    wake("shipping.book_due_shipments", context="shipping")
    return released
