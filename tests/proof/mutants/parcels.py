"""Mutants of shipping and of mails about an order: what must happen once happening twice, and what was taken back."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

CAUSES = "tests/integration/notifications/test_causes.py"
BOOKING = "shipping/services/booking.py"
TESTS = "tests/integration/orders"
SHIPPING = "tests/integration/shipping"
MAILS = "tests/integration/notifications/test_sending.py"
HANDOVER = "tests/integration/notifications/test_handover.py"
HELD_UP = "tests/integration/notifications/test_held_up.py"

MUTANTS = (
    Mutant(
        removes="the one shipment of an order",
        promise="I8",
        file="shipping/services/shipments.py",
        old="    rows_made = _CREATE.run(shipments=shipments, lease=lease, carrier=settings.SHIPPING_CARRIER)\n",
        new="    rows_made = [(Shipment.objects.create(pk=key, order_id=each).pk, None, True) for key, each in wanted.items()]\n",
        killers=(f"{SHIPPING}/test_order_confirmed.py::test_same_fact_under_another_event_id_makes_one_shipment",),
    ),
    Mutant(
        removes="the question to the carrier before a parcel is booked again",
        promise="I8",
        file=BOOKING,
        old="carrier.find(reference=shipment.pk) if asked_before else None\n",
        new="None\n",
        killers=(f"{SHIPPING}/test_booking.py::test_lost_answer_does_not_book_twice",),
    ),
    Mutant(
        removes="the question to the carrier before a parcel in doubt is canceled",
        promise="I6",
        file="shipping/services/stopping.py",
        old="        if shipment is not None and settle_doubt(shipment):\n",
        new="        if False:\n",
        killers=(
            f"{SHIPPING}/test_canceled_bookings.py::test_parcel_that_left_under_a_booking_in_doubt_is_dispatched_and_not_canceled",
        ),
    ),
    Mutant(
        removes="the search for bookings beside the one that was taken back",
        promise="I10",
        file="shipping/services/shipments.py",
        old="        due_at=looked_for,\n",
        new="        due_at=None if taken_back else looked_for,\n",
        killers=(
            f"{SHIPPING}/test_canceled_bookings.py::test_everything_that_was_booked_for_a_canceled_shipment_is_taken_back",
        ),
    ),
    Mutant(
        removes="the next look at a parcel that staff handed over under another number meanwhile",
        promise="I10",
        file=BOOKING,
        old="        _check_again(shipment, 0)\n",
        new="        _check_again(shipment, progress.check_after_seconds)\n",
        killers=(
            f"{SHIPPING}/test_booking.py::test_parcel_that_has_arrived_when_staff_enter_another_number_is_delivered_at_the_next_look",
        ),
    ),
    Mutant(
        removes="the way back of a booking that came after its cancellation",
        promise="I10",
        file="shipping/services/bookings.py",
        old=".update(due_at=Now(), **details)",
        new=".exists()",
        killers=(
            f"{SHIPPING}/test_canceled_bookings.py::test_order_canceled_while_the_carrier_is_asked_ends_canceled_and_unbooked",
        ),
    ),
    Mutant(
        removes="the taking back, at once, of a booking that came after its shipment was canceled",
        promise="I6",
        file="shipping/services/booking.py",
        old="    if bookings.record_booking(shipment, booking):\n",
        new="    if bookings.record_booking(shipment, booking) and False:\n",
        killers=(
            f"{SHIPPING}/test_canceled_bookings.py::test_order_canceled_while_the_carrier_is_asked_ends_canceled_and_unbooked",
        ),
    ),
    Mutant(
        removes="the record of a surplus booking",
        promise="I10",
        file="shipping/services/bookings.py",
        old="            _remember_surplus(shipment, booking)\n",
        new="            pass\n",
        killers=(
            f"{SHIPPING}/test_surplus.py::test_second_booking_is_remembered_with_what_takes_it_back",
            f"{SHIPPING}/test_surplus.py::test_two_workers_who_both_book_leave_one_booking",
        ),
    ),
    Mutant(
        removes="the next try at a booking that the carrier did not take back",
        promise="I10",
        file="shipping/services/due.py",
        old='only="taken_back_at IS NULL"',
        new='only="taken_back_at IS NULL AND attempts = 0"',
        killers=(f"{SHIPPING}/test_surplus.py::test_surplus_booking_waits_while_the_carrier_does_not_answer",),
    ),
    Mutant(
        removes="the one mail of one cause",
        promise="I8",
        file="notifications/services/emails.py",
        old='            log.debug("email.exists", order_id=str(email.order_id), kind=str(email.kind))\n',
        new=(
            "            again = Email.objects.filter(order_id=email.order_id, kind=email.kind)\n"
            '            again.update(status="PENDING", due_at=Now())\n'
        ),
        killers=(f"{CAUSES}::test_each_cause_is_mailed_once_however_often_it_is_heard",),
    ),
    Mutant(
        removes="the turn of an order's mails where their writer sends them",
        promise="I8",
        file="notifications/sql/queue_emails.sql",
        old="WHERE earlier.order_id = wanted.order_id AND coalesce",
        new="WHERE false AND coalesce",
        killers=(f"{HANDOVER}::test_next_mail_of_an_order_waits_for_the_one_before",),
    ),
    Mutant(
        removes="the doubt whether an outcome can be recorded, after the database has failed",
        promise="I8",
        file="shop/work/turn.py",
        old="            if after.database_failed:\n",
        new="            if False:\n",
        killers=(f"{HELD_UP}::test_database_that_fails_has_no_mail_sent_that_cannot_be_recorded",),
    ),
    Mutant(
        removes="the end of a session that was lost in the work of a row",
        promise="I8",
        file="shop/work/turn.py",
        old="        drop_broken_sessions()\n",
        new="",
        killers=(f"{HELD_UP}::test_session_that_is_lost_costs_the_mails_behind_nothing",),
    ),
    Mutant(
        removes="the giving back of rows behind one that takes too long",
        promise="I8",
        file="shop/work/turn.py",
        old="        if all_of_them or time.monotonic() >= portion.ends:\n",
        new="        if all_of_them:\n",
        killers=(f"{HELD_UP}::test_mails_behind_one_that_takes_too_long_are_due_for_other_processes",),
    ),
    Mutant(
        removes="the end of a row's turn that was given back by another thread",
        promise="I8",
        file="shop/work/turn.py",
        old="            if self._is_over or out_of_time",
        new="            if out_of_time",
        killers=(f"{HELD_UP}::test_mails_behind_one_that_takes_too_long_are_due_for_other_processes",),
    ),
    Mutant(
        removes="the doubt whether rows were given back that nobody confirmed",
        promise="I8",
        file="shop/work/turn.py",
        old="        return self._is_left\n",
        new="        self._is_over = self._is_left\n        return self._is_left\n",
        killers=(f"{HELD_UP}::test_mails_whose_giving_back_nobody_confirmed_are_not_begun",),
    ),
    Mutant(
        removes="the giving back of rows that wait behind others for too long",
        promise="I8",
        file="shop/work/background.py",
        old="            if errand.is_late or not late:\n",
        new="            if not late:\n",
        killers=(f"{HELD_UP}::test_mails_that_wait_behind_others_for_too_long_are_due_for_other_processes",),
    ),
    Mutant(
        removes="the sweep for what a process gives back behind a mail server that is away",
        promise="I8",
        file="shop/work/handover.py",
        old="                background.ask(self._work.sweep)\n",
        new="                pass\n",
        killers=(f"{HANDOVER}::test_mails_behind_one_that_the_server_did_not_take_are_the_sweeps",),
    ),
    Mutant(
        removes="the end of what a process may still begin of what it has leased",
        promise="I8",
        file="shop/work/handover.py",
        old="        if not self.is_late:\n",
        new="        if True:\n",
        killers=(f"{HANDOVER}::test_mail_that_waited_too_long_is_left_to_the_sweep",),
    ),
    Mutant(
        removes="what a canceled order's customer had got back before",
        promise="I8",
        file="orders/queries.py",
        old="Money(max(payment.refunded.minor - by_cancel, 0), currency)",
        new="Money.zero(currency)",
        killers=(
            f"{TESTS}/test_refunds.py::test_the_mail_of_a_cancel_names_what_it_returned_and_what_went_back_before",
        ),
    ),
    Mutant(
        removes="the lease of a mail that is being sent",
        promise="I8",
        file="notifications/services/sending.py",
        old="    lease_seconds=lambda: LEASE_SECONDS,\n    only=IN_TURN,\n",
        new="    lease_seconds=lambda: 0,\n    only=IN_TURN,\n",
        killers=(f"{MAILS}::test_worker_that_is_out_of_time_leaves_the_mail_to_its_lease",),
    ),
    Mutant(
        removes="the end of attempts at a mail that kills its worker",
        promise="I10",
        file="notifications/services/sending.py",
        old="    if email.attempts >= rules.MAX_ATTEMPTS:\n",
        new="    if False:\n",
        killers=(f"{MAILS}::test_email_that_kills_its_worker_every_time_is_given_up",),
    ),
)
