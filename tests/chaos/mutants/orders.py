"""Mutants of orders, shipping and notifications: sagas that lose their way, and what must happen once happening twice."""

from __future__ import annotations

from tests.chaos.mutants.mutant import Mutant

CHECKOUT = "orders/sagas/checkout.py"
ENGINE = "orders/sagas/engine.py"
RUN = "orders/sagas/run.py"
STEPS = "orders/sagas/steps.py"
PLACING = "orders/services/placing.py"
MOVING = "orders/services/moving.py"
BOOKING = "shipping/services/booking.py"
TESTS = "tests/integration/orders"
SHIPPING = "tests/integration/shipping"
MAILS = "tests/integration/notifications/test_sending.py"

MUTANTS = (
    Mutant(
        removes="the one transaction in which an order and its saga are written",
        promise="I10",
        file=PLACING,
        old='            Saga.objects.create(order=order, name="checkout", due_at=Now() + lease() if inline else Now())\n',
        new=(
            "            due_at = Now() + lease() if inline else Now()\n"
            '            transactions.after_commit("orders", lambda: Saga.objects.create(order=order, name="checkout", due_at=due_at))\n'
        ),
        killers=(f"{TESTS}/test_cost.py::test_an_order_costs_so_many_commits_and_statements",),
    ),
    Mutant(
        removes="the shop's own price: the client's total is believed",
        promise="I4",
        file=PLACING,
        old="    if expected_total is not None and expected_total != total:\n        raise TotalChanged(",
        new="    total = expected_total or total\n    if False:\n        raise TotalChanged(",
        killers=(f"{TESTS}/test_rest.py::test_a_total_that_is_not_what_was_shown_is_409",),
    ),
    Mutant(
        removes="the comparison of bodies while the first answer is undecided",
        promise="I7",
        file=PLACING,
        old="    if row[1] != fingerprint:\n",
        new="    if False:\n",
        killers=(f"{TESTS}/test_keys.py::test_the_same_key_with_another_body_is_422_while_the_first_is_undecided",),
    ),
    Mutant(
        removes="the order of commit before capture",
        promise="I3",
        file=CHECKOUT,
        old="        Step(commit_stock),\n        Step(capture_payment, then=OrderStatus.CONFIRMED),",
        new="        Step(capture_payment),\n        Step(commit_stock, then=OrderStatus.CONFIRMED),",
        killers=("tests/unit/orders/test_saga_table.py::test_checkout_takes_these_steps_in_these_statuses",),
    ),
    Mutant(
        removes="the reverse order of the undos: stock is free before the payment is fenced",
        promise="I2",
        file=ENGINE,
        old="    for step in reversed(saga.steps):\n",
        new="    for step in saga.steps:\n",
        killers=(f"{TESTS}/test_faults.py::test_a_cancel_whose_answer_is_lost_ends_canceled",),
    ),
    Mutant(
        removes="the undo of a step that was started",
        promise="I6",
        file=CHECKOUT,
        old="Step(authorize_payment, undo=void_payment, then",
        new="Step(authorize_payment, then",
        killers=("tests/unit/orders/test_saga_table.py::test_checkout_unwinds_the_payment_before_the_stock",),
    ),
    Mutant(
        removes="the refusal to cancel an order that is being confirmed",
        promise="I5",
        file=MOVING,
        old="        if status in (OrderStatus.PENDING, OrderStatus.AWAITING_PAYMENT):\n",
        new="        if status in (OrderStatus.PENDING, OrderStatus.AWAITING_PAYMENT, OrderStatus.CONFIRMING):\n",
        killers=(f"{TESTS}/test_cancel.py::test_cancel_in_every_status",),
    ),
    Mutant(
        removes="the deadline of an order that is not paid",
        promise="I10",
        file=ENGINE,
        old="            if step.until_deadline and order.overdue:\n",
        new="            if False:\n",
        killers=(f"{TESTS}/test_faults.py::test_an_outage_that_lasts_until_the_deadline_unwinds_and_says_so",),
    ),
    Mutant(
        removes="the next try of a saga whose step failed",
        promise="I10",
        file="orders/services/saga_rows.py",
        old="            due_at=Now() + timedelta(seconds=wait_seconds),\n",
        new="            due_at=None,\n",
        killers=(f"{TESTS}/test_faults.py::test_an_answer_that_does_not_come_is_asked_for_and_never_charged_twice",),
    ),
    Mutant(
        removes="the call for a human when a saga cannot go on",
        promise="I10",
        file="orders/services/saga_rows.py",
        old="        newly_parked = parks and row.parked_at is None\n",
        new="        newly_parked = False\n",
        killers=(f"{TESTS}/test_faults.py::test_a_bug_parks_the_saga_at_once_and_rises",),
    ),
    Mutant(
        removes="the second look after another worker moved the order",
        promise="I5",
        file=ENGINE,
        old="    if moved:\n        walk.order.status = str(to)\n    else:\n        _look_again(walk)\n",
        new="    walk.order.status = str(to)\n",
        killers=(f"{TESTS}/test_faults.py::test_a_worker_that_lost_the_race_goes_on_from_what_the_winner_left",),
    ),
    Mutant(
        removes="the parcel's word on whether an order can still be refunded",
        promise="I6",
        file=STEPS,
        old="    except shipping.ShipmentAlreadyDispatched as refusal:\n",
        new="    except ZeroDivisionError as refusal:\n",
        killers=(f"{TESTS}/test_refunds.py::test_a_parcel_that_left_first_keeps_its_order_and_its_money",),
    ),
    Mutant(
        removes="the id that makes one refund of one key",
        promise="I4",
        file=RUN,
        old='refund_id = derived_id("refund", order_id, operation)',
        new='refund_id = derived_id("refund", order_id, operation, uuid.uuid4())',
        killers=(f"{TESTS}/test_refunds.py::test_a_part_whose_answer_is_lost_is_refunded_once",),
    ),
    Mutant(
        removes="the wait for the part that is still on its way back",
        promise="I6",
        file=STEPS,
        old='        if payment.status == "REFUNDED":\n',
        new="        if True:\n",
        killers=(f"{TESTS}/test_refunds.py::test_a_cancel_waits_for_the_part_that_is_still_on_its_way",),
    ),
    Mutant(
        removes="the one shipment of an order",
        promise="I8",
        file="shipping/services/shipments.py",
        old='    shipment, created = Shipment.objects.get_or_create(order_id=order_id, defaults={"due_at": Now()})\n',
        new="    shipment, created = Shipment.objects.create(order_id=order_id, due_at=Now()), True\n",
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
        old="        if shipment is not None and _settle_doubt(shipment):\n",
        new="        if False:\n",
        killers=(
            f"{SHIPPING}/test_booking.py::test_parcel_that_left_under_a_booking_in_doubt_is_dispatched_and_not_canceled",
        ),
    ),
    Mutant(
        removes="the search for bookings beside the one that was taken back",
        promise="I10",
        file="shipping/services/shipments.py",
        old="        due_at=looked_for,\n",
        new="        due_at=None if taken_back else looked_for,\n",
        killers=(f"{SHIPPING}/test_booking.py::test_everything_that_was_booked_for_a_canceled_shipment_is_taken_back",),
    ),
    Mutant(
        removes="the way back of a booking that came after its cancellation",
        promise="I10",
        file="shipping/services/bookings.py",
        old=".update(due_at=Now(), **details)",
        new=".exists()",
        killers=(
            f"{SHIPPING}/test_booking.py::test_order_canceled_while_the_carrier_is_asked_ends_canceled_and_unbooked",
        ),
    ),
    Mutant(
        removes="the taking back, at once, of a booking that came after its shipment was canceled",
        promise="I6",
        file="shipping/services/booking.py",
        old="    if bookings.record_booking(shipment, booking):\n",
        new="    if bookings.record_booking(shipment, booking) and False:\n",
        killers=(
            f"{SHIPPING}/test_booking.py::test_order_canceled_while_the_carrier_is_asked_ends_canceled_and_unbooked",
        ),
    ),
    Mutant(
        removes="the record of a booking too many",
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
        file="shipping/services/leases.py",
        old="        row = rows.select_for_update(skip_locked=True).filter(due_at__lte=Now())",
        new="        row = rows.select_for_update(skip_locked=True).filter(due_at__lte=Now(), attempts=0)",
        killers=(f"{SHIPPING}/test_surplus.py::test_surplus_booking_waits_while_the_carrier_does_not_answer",),
    ),
    Mutant(
        removes="the one mail of one cause",
        promise="I8",
        file="notifications/services/emails.py",
        old='        log.info("email.exists", order_id=str(order_id), kind=str(kind))\n',
        new='        Email.objects.filter(pk=email.pk).update(status="PENDING", due_at=Now())\n',
        killers=(f"{MAILS}::test_each_cause_is_mailed_once_however_often_it_is_heard",),
    ),
    Mutant(
        removes="the lease of a mail that is being sent",
        promise="I8",
        file="notifications/services/sending.py",
        old="            due_at=Now() + timedelta(seconds=LEASE_SECONDS), attempts",
        new="            due_at=Now(), attempts",
        killers=(f"{MAILS}::test_worker_that_is_out_of_time_leaves_the_mail_to_its_lease",),
    ),
    Mutant(
        removes="the end of attempts at a mail that kills its worker",
        promise="I10",
        file="notifications/services/sending.py",
        old="    if email.attempts > rules.MAX_ATTEMPTS:\n",
        new="    if False:\n",
        killers=(f"{MAILS}::test_email_that_kills_its_worker_every_time_is_given_up",),
    ),
    Mutant(
        removes="the agreement of the orders' table with the checked model",
        promise="I9",
        file="orders/models.py",
        old="        OrderStatus.CONFIRMING: {OrderStatus.CONFIRMED, OrderStatus.CANCELING},\n",
        new="        OrderStatus.CONFIRMING: {OrderStatus.CONFIRMED},\n",
        killers=("tests/chaos/model/test_tables.py::test_orders_move_as_the_model_does",),
    ),
    Mutant(
        removes="the database's one shipment of an order",
        promise="I8",
        file="shipping/migrations/0001_initial.py",
        old="('order_id', models.UUIDField(unique=True)),",
        new="('order_id', models.UUIDField()),",
        killers=(f"{SHIPPING}/test_order_confirmed.py::test_the_database_itself_refuses_an_order_s_second_shipment",),
    ),
)
