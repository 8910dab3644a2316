"""A carrier for demonstrations and tests: it books, dispatches and delivers automatically, and survives restarts.

A parcel leaves SANDBOX_CARRIER_TRANSIT_SECONDS after its booking and arrives as long after that. Magic postal codes
make trouble, as magic card numbers do at a card provider.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models.functions import Now

from local.carrier.models import SandboxBooking
from shipping.gateways.carrier import Address, Booking, CarrierRefused, CarrierUnavailable, Parcel, Progress
from shipping.rules import Stage
from shop import clock, transactions
from shop.statements import Statement

_BOOK = Statement(
    "shipping",
    "book_sandbox",
    text="INSERT INTO shipping_sandboxbooking (reference) VALUES (%(reference)s::uuid) RETURNING id",
)
REFUSED_POSTAL_CODE = "00000"  # refused for good
UNAVAILABLE_POSTAL_CODE = "00503"  # never answers
LOST_ANSWER_POSTAL_CODE = "00408"  # books, and then does not answer


class SandboxCarrier:
    """Deterministic: how far a parcel is follows from when it was booked, by the database's clock."""

    def find(self, *, reference: UUID) -> Booking | None:
        """Return the live booking of this reference."""
        transactions.go_outside()
        row = SandboxBooking.objects.filter(reference=reference, voided_at=None).order_by("id").first()
        return _booking(row) if row else None

    def book(self, *, reference: UUID, address: Address, parcel: Parcel) -> Booking:
        """Book; asked twice, it books twice, as carriers without idempotency keys do."""
        transactions.go_outside()
        if address.postal_code == UNAVAILABLE_POSTAL_CODE:
            raise CarrierUnavailable
        if address.postal_code == REFUSED_POSTAL_CODE:
            raise CarrierRefused("The sandbox carrier does not deliver to this postal code")
        with transactions.single("shipping"):
            ((number,),) = _BOOK.run(reference=reference)
        if address.postal_code == LOST_ANSWER_POSTAL_CODE:
            raise CarrierUnavailable
        return _booking(SandboxBooking(pk=number, reference=reference))

    def track(self, *, carrier_reference: str) -> Progress:
        """Say how far the parcel is, and when the next thing happens to it."""
        transactions.go_outside()
        row = _row(carrier_reference)
        traveled = clock.database_now(alias=transactions.alias_for("shipping")) - row.booked_at
        transit = timedelta(seconds=settings.SANDBOX_CARRIER_TRANSIT_SECONDS)
        number = _tracking_number(row)
        if row.voided_at is not None:
            return Progress(stage=Stage.BOOKED)
        if traveled >= 2 * transit:
            return Progress(stage=Stage.DELIVERED, tracking_number=number)
        if traveled >= transit:
            left = (2 * transit - traveled).total_seconds()
            return Progress(stage=Stage.DISPATCHED, tracking_number=number, check_after_seconds=left)
        return Progress(stage=Stage.BOOKED, check_after_seconds=(transit - traveled).total_seconds())

    def void(self, *, carrier_reference: str) -> None:
        """Take the booking back unless the parcel has left."""
        if self.track(carrier_reference=carrier_reference).stage != Stage.BOOKED:
            raise CarrierRefused("The parcel has left already")
        with transactions.transaction("shipping"):
            SandboxBooking.objects.filter(pk=_row(carrier_reference).pk, voided_at=None).update(voided_at=Now())


def _row(carrier_reference: str) -> SandboxBooking:
    row = SandboxBooking.objects.filter(pk=int(carrier_reference.removeprefix("SBX-"))).first()
    if row is None:
        raise CarrierRefused("The sandbox carrier knows no such booking")
    return row


def _tracking_number(row: SandboxBooking) -> str:
    return f"SBX{row.pk:09d}"


def _booking(row: SandboxBooking) -> Booking:
    return Booking(
        carrier_reference=f"SBX-{row.pk}",
        tracking_number=_tracking_number(row),
        label_url=f"https://carrier.example/labels/SBX-{row.pk}.pdf",
        check_after_seconds=settings.SANDBOX_CARRIER_TRANSIT_SECONDS,
    )
