"""A carrier as short as one can be: docs/how-to/carrier.md shows it."""

from shipping.gateways import Booking, CarrierRefused, Progress
from shipping.rules import Stage
from shop import transactions


class ShortCarrier:
    booked: dict[str, Stage] = {}

    def find(self, *, reference):
        transactions.go_outside()
        return Booking(carrier_reference=str(reference)) if str(reference) in self.booked else None

    def book(self, *, reference, address, parcel):
        transactions.go_outside()
        if address.country == "AQ":
            raise CarrierRefused("no parcels to Antarctica")
        self.booked[str(reference)] = Stage.BOOKED
        return Booking(carrier_reference=str(reference), tracking_number=f"SHORT-{reference}", check_after_seconds=60)

    def track(self, *, carrier_reference):
        transactions.go_outside()
        stage = self.booked.get(carrier_reference, Stage.BOOKED)
        return Progress(
            stage=stage,
            tracking_number=f"SHORT-{carrier_reference}",
            check_after_seconds=None if stage == Stage.DELIVERED else 60,
        )

    def void(self, *, carrier_reference):
        if self.track(carrier_reference=carrier_reference).stage != Stage.BOOKED:
            raise CarrierRefused("the parcel has left")
        self.booked.pop(carrier_reference, None)
