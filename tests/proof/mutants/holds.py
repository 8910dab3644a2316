"""Mutants of parcels whose payment is disputed: booked, handed over or forgotten all the same."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

BOOKINGS_TAKEN_BACK = "tests/integration/shipping/test_bookings_taken_back.py"
LEFT_TO_STAFF = "tests/integration/shipping/test_left_to_staff.py"
HOLDS = "shipping/services/holds.py"
SHIPMENTS = "shipping/services/shipments.py"
HANDLERS = "shipping/handlers.py"
BOOKING = "shipping/services/booking.py"
UNBOOKING = "shipping/services/unbooking.py"
PARCELS = "tests/integration/shipping/test_holds.py"

MUTANTS = (
    Mutant(
        removes="the hold of a parcel that waits for its carrier",
        promise="edge",
        file=HOLDS,
        old="WHERE hold.order_id = due.order_id AND hold.released_at IS NULL)",
        new="WHERE hold.order_id = due.order_id AND false)",
        killers=(f"{PARCELS}::test_a_parcel_is_not_booked_while_its_payment_is_disputed_and_is_once_that_is_won",),
    ),
    Mutant(
        removes="the hold of a parcel whose dispute came before its shipment",
        promise="edge",
        file=SHIPMENTS,
        old="        if lease is not None and not held:\n",
        new="        if lease is not None:\n",
        killers=(f"{PARCELS}::test_a_dispute_that_is_heard_before_the_order_s_confirmation_holds_the_parcel",),
    ),
    Mutant(
        removes="the hold of a booked parcel from staff who hand it over",
        promise="edge",
        file=SHIPMENTS,
        old="        if shipment.status == ShipmentStatus.BOOKED and not seen_by_carrier:\n",
        new="        if False:\n",
        killers=(f"{PARCELS}::test_staff_cannot_hand_over_a_booked_parcel_that_is_disputed_nor_book_it_by_hand",),
    ),
    Mutant(
        removes="the order of a dispute's facts at the parcel",
        promise="edge",
        file=HOLDS,
        old="revision__lt=revision).update(revision=revision)",
        new="revision__gte=0).update(revision=revision)",
        killers=(f"{PARCELS}::test_facts_of_a_dispute_in_any_order_end_in_the_same_hold",),
    ),
    Mutant(
        removes="the staff's decision about the parcel of a lost dispute",
        promise="edge",
        file=HANDLERS,
        old="    if event.lost.minor:\n",
        new="    if False:\n",
        killers=(f"{LEFT_TO_STAFF}::test_a_lost_dispute_leaves_the_parcel_to_staff_who_release_it",),
    ),
    Mutant(
        removes="the taking back of what was booked before the dispute",
        promise="edge",
        file=HOLDS,
        old="    open_now.exclude(status=ShipmentStatus.PENDING, due_at=None).update(due_at=Now())\n",
        new="",
        killers=(
            f"{BOOKINGS_TAKEN_BACK}::test_what_was_booked_before_the_dispute_is_taken_back_and_booked_again_once_it_is_won",
        ),
    ),
    Mutant(
        removes="the look at the hold when a booking is recorded",
        promise="edge",
        file="shipping/sql/record_booking.sql",
        old="AND hold.released_at IS NULL\n            ) THEN",
        new="AND false\n            ) THEN",
        killers=(
            f"{BOOKINGS_TAKEN_BACK}::test_a_hold_that_was_not_there_when_the_shipment_was_made_is_seen_by_the_booking",
        ),
    ),
    Mutant(
        removes="the look at the row that a hold has made due while the booking waited for it",
        promise="edge",
        file="shipping/sql/record_booking.sql",
        old="WHEN due_at <= clock_timestamp() OR EXISTS",
        new="WHEN EXISTS",
        killers=(f"{BOOKINGS_TAKEN_BACK}::test_a_hold_that_commits_while_the_booking_waits_for_the_row_makes_it_due",),
    ),
    Mutant(
        removes="the due moment of a booking to take back from a tracker's answer",
        promise="edge",
        file=BOOKING,
        old="When(status=ShipmentStatus.BOOKED, due_at__lte=_this_moment()",
        new="When(status=ShipmentStatus.PENDING, due_at__lte=_this_moment()",
        killers=(
            f"{BOOKINGS_TAKEN_BACK}::test_a_tracker_that_was_asking_when_the_dispute_was_heard_does_not_put_the_taking_back_off",
        ),
    ),
    Mutant(
        removes="the record that the carrier gave a held booking back",
        promise="edge",
        file=UNBOOKING,
        old="            unbook_shipment(shipment)\n",
        new="            pass\n",
        killers=(
            f"{BOOKINGS_TAKEN_BACK}::test_what_was_booked_before_the_dispute_is_taken_back_and_booked_again_once_it_is_won",
        ),
    ),
    Mutant(
        removes="the search for a held booking whose answer was lost",
        promise="edge",
        file=UNBOOKING,
        old="due.carrier_asked_at IS NOT NULL",
        new="false",
        killers=(
            f"{BOOKINGS_TAKEN_BACK}::test_a_booking_whose_answer_was_lost_before_the_dispute_is_found_and_taken_back",
        ),
    ),
    Mutant(
        removes="the figure of held parcels without those that have left",
        promise="edge",
        file="shipping/queries.py",
        old="    waiting = Shipment.objects.filter(status__in=MAY_LEAVE)\n",
        new="    waiting = Shipment.objects.all()\n",
        killers=(f"{LEFT_TO_STAFF}::test_the_dashboard_counts_no_parcel_that_a_dispute_no_longer_stops",),
    ),
    Mutant(
        removes="the choice of the actions that a shipment's page offers",
        promise="edge",
        file="shipping/admin.py",
        old=".removeprefix(prefix) in possible]",
        new=".removeprefix(prefix)]",
        killers=(f"{LEFT_TO_STAFF}::test_a_shipment_s_page_says_that_it_is_held_and_offers_only_what_is_not_refused",),
    ),
    Mutant(
        removes="the notice of a hold from a shipment's page",
        promise="edge",
        file="shipping/admin.py",
        old="            self.message_user(request, notice, messages.WARNING)\n",
        new="            pass\n",
        killers=(f"{LEFT_TO_STAFF}::test_a_shipment_s_page_says_that_it_is_held_and_offers_only_what_is_not_refused",),
    ),
)
