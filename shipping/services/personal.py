"""What shipping keeps of a person: what leads to the parcel at its carrier, who has the address."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Q, TextField, Value
from django.db.models.functions import Cast, Concat

from shipping.models import ENDED, Hold, Shipment, SurplusBooking
from shop import transactions
from shop.personal.facts import erase_from_facts
from shop.personal.keepers import ERASED, Keeper, Records, records_of

_OPEN = Q(due_at__isnull=False) | ~Q(status__in=ENDED)


def export(order_ids: Sequence[UUID]) -> Records:
    """Return the shipments, what held them, and the surplus bookings."""
    return {
        "shipments": records_of(Shipment.objects.filter(order_id__in=order_ids).order_by("pk")),
        "holds": records_of(Hold.objects.filter(order_id__in=order_ids).order_by("pk")),
        "surplus_bookings": records_of(SurplusBooking.objects.filter(order_id__in=order_ids).order_by("pk")),
    }


def waiting(order_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the orders whose parcel is on its way, or is not given back by its carrier."""
    open_shipments = Shipment.objects.filter(_OPEN, order_id__in=order_ids)
    found = {shipment.order_id: f"its shipment is {shipment.status}" for shipment in open_shipments}
    for order_id in SurplusBooking.objects.filter(order_id__in=order_ids, taken_back_at=None).values_list(
        "order_id", flat=True
    ):
        found.setdefault(order_id, "a surplus booking is not taken back")
    return found


def erase(order_ids: Sequence[UUID], *, whole: bool) -> int:
    """Erase what names the parcel at the carrier, of shipments that are closed; the same for every recipient."""
    with transactions.transaction("shipping"):
        closed = list(
            Shipment.objects.select_for_update()
            .filter(~_OPEN, order_id__in=order_ids)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        shipments = Shipment.objects.filter(pk__in=closed)
        # A parcel that left has a number (shipping_shipment_left_with_tracking).
        changed = shipments.exclude(tracking_number__in=("", ERASED)).update(tracking_number=ERASED)
        changed += shipments.exclude(label_url="", carrier_reference="", last_error="").update(
            label_url="", carrier_reference="", last_error=""
        )
        changed += erase_from_facts("shipping", closed, member="tracking_number")
        surplus = SurplusBooking.objects.filter(order_id__in=order_ids, taken_back_at__isnull=False)
        changed += surplus.exclude(carrier_reference__startswith=ERASED).update(
            carrier_reference=Concat(Value(f"{ERASED}:"), Cast("pk", TextField())), last_error=""
        )
    return changed


KEEPER = Keeper(context="shipping", export=export, waiting=waiting, erase=erase)
