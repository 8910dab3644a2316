"""What is due at shipping: which rows each sweep takes, under which lease, and what it keeps of a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from shipping.models import Shipment, ShipmentStatus, SurplusBooking
from shop.errors import ShopError
from shop.events import outbox
from shop.work.rows import Claimed, DueRows, whole
from shop.work.turn import Work

Row = TypeVar("Row", Shipment, SurplusBooking)

LEASE_SECONDS = 60
# A booking's claim settles, before the call, which carrier is asked, and that it may have been.
NAME_CARRIER = (
    ", carrier = coalesce(nullif(claimed.carrier, ''), %(carrier)s),"
    " carrier_asked_at = coalesce(claimed.carrier_asked_at, now())"
)


def shipments(name: str, *statuses: ShipmentStatus, also: str = "", provided: str = "") -> DueRows[Shipment]:
    """Return the due shipments of these statuses; `provided`: what else has to hold, where `due` is the row."""
    only = f"status IN ({', '.join(repr(str(status)) for status in statuses)})"
    only += f" AND {provided}" if provided else ""
    return _rows(Shipment, name=name, only=only, also=also)


def surplus_bookings() -> DueRows[SurplusBooking]:
    """Return the due surplus bookings."""
    return _rows(SurplusBooking, name="taken_back", only="taken_back_at IS NULL", also="")


def work(
    sweep: str,
    rows: DueRows[Row],
    do: Callable[[Row], object],
    *,
    together: Callable[[Sequence[Row]], Callable[[Row], object]] | None = None,
    at_a_time: int = 1,
) -> Work[Row]:
    """Return the work of a sweep, which keeps no more of a bug than its name: a carrier's error may hold an address."""

    def postpone(claimed: Claimed[Row], error: Exception) -> None:
        known = isinstance(error, ShopError)
        rows.postpone(claimed, error=f"{error.code}: {error}" if known else type(error).__name__)  # type: ignore[attr-defined]

    return Work(sweep=f"shipping.{sweep}", rows=rows, do=do, together=together, at_a_time=at_a_time, postpone=postpone)


def _rows(model: type[Row], *, name: str, only: str, also: str) -> DueRows[Row]:
    return DueRows(
        model=model,
        lease_seconds=lambda: LEASE_SECONDS,
        only=only,
        also=also,
        trace=outbox.trace_sql(model, "due.id" if model is Shipment else "due.shipment_id"),
        name=name,
        **whole(model),
    )
