"""Mutants of the audit, each blind to one promise, and of the database's own constraints, the last guard of some."""

from __future__ import annotations

from tests.chaos.mutants.mutant import Mutant

ORDERS = "orders/audit.py"
INVENTORY = "inventory/audit.py"
PAYMENTS = "payments/audit.py"
HISTORY = "shop/events/history.py"
TESTS = "tests/integration/orders/test_audit.py"
STOCK = "tests/integration/inventory"
STOCK_TABLES = "inventory/migrations/0001_initial.py"

MUTANTS = (
    Mutant(
        removes="the audit of stock against its ledger",
        promise="I1",
        file=INVENTORY,
        old="IS DISTINCT FROM coalesce(m.deltas, '{0,0,0,0,0}') ORDER BY 1",
        new="IS DISTINCT FROM coalesce(m.deltas, '{0,0,0,0,0}') AND false ORDER BY 1",
        killers=(f"{TESTS}::test_i1_stock_that_is_not_in_its_ledger",),
    ),
    Mutant(
        removes="the audit of stock against its reservations",
        promise="I1",
        file=INVENTORY,
        old=" WHERE coalesce(s.reserved, 0) <> coalesce(l.kept, 0) OR coalesce(s.sold, 0) <> coalesce(l.bought, 0)",
        new=" WHERE false",
        killers=(f"{STOCK}/test_audit.py::test_stock_that_no_reservation_keeps_is_named",),
    ),
    Mutant(
        removes="the audit of stock that is free while its payment can still come",
        promise="I2",
        file=ORDERS,
        old='    if reservation is None or reservation.status not in ("RELEASED", "EXPIRED"):\n',
        new="    if True:\n",
        killers=(f"{TESTS}::test_i2_stock_that_is_free_while_its_payment_can_still_come",),
    ),
    Mutant(
        removes="the audit of money without committed stock",
        promise="I3",
        file=ORDERS,
        old='    if payment is None or payment.captured.minor == 0 or payment.status == "REFUNDED":\n',
        new="    if True:\n",
        killers=(f"{TESTS}::test_i3_money_without_committed_stock",),
    ),
    Mutant(
        removes="the audit of captures against the order's total",
        promise="I4",
        file=ORDERS,
        old="    if payment.captured != order.total:\n",
        new="    if False:\n",
        killers=(f"{TESTS}::test_i4_a_capture_that_is_not_the_total",),
    ),
    Mutant(
        removes="the audit of confirmed orders without their money",
        promise="I5",
        file=ORDERS,
        old="    if (order.status in KEPT) == (committed and captured) or not _is_still(order):\n",
        new="    if True:\n",
        killers=(f"{TESTS}::test_i5_a_confirmed_order_without_its_money",),
    ),
    Mutant(
        removes="the audit of canceled orders that kept money",
        promise="I6",
        file=ORDERS,
        old="    if payment.captured == payment.refunded and payment.status in (",
        new="    if True or payment.status in (",
        killers=(f"{TESTS}::test_i6_a_canceled_order_that_kept_money",),
    ),
    Mutant(
        removes="the audit of two orders for one key",
        promise="I7",
        file=ORDERS,
        old=".filter(orders__gt=1)",
        new=".filter(orders__gt=1000)",
        killers=(f"{TESTS}::test_i7_two_orders_for_one_key",),
    ),
    Mutant(
        removes="the audit of moves without their facts",
        promise="I8",
        file=HISTORY,
        old="        if row.has_its_facts:\n            return None\n",
        new="        if True:\n            return None\n",
        killers=(f"{TESTS}::test_i8_a_move_without_its_fact",),
    ),
    Mutant(
        removes="the audit of moves that the table does not hold",
        promise="I9",
        file=HISTORY,
        old="            target not in self.model.TRANSITIONS.get(source, ()) for source, target in pairwise(way)",
        new="            False for source, target in pairwise(way)",
        killers=(f"{TESTS}::test_i9_a_move_that_the_table_does_not_hold",),
    ),
    Mutant(
        removes="the audit of orders that nothing moves",
        promise="I10",
        file=ORDERS,
        old="    for order in orphans.filter(placed_at__lt=Now() - STILL_FOR):\n",
        new="    for order in orphans.none():\n",
        killers=(f"{TESTS}::test_i10_an_order_that_nothing_moves",),
    ),
    Mutant(
        removes="the audit of the provider's book against ours",
        promise="I11",
        file=PAYMENTS,
        old="        for difference in find_differences(since=now() - LOOK_BACK):\n",
        new="        for difference in ():\n",
        killers=(f"{TESTS}::test_i11_money_at_the_provider_that_is_not_in_our_books",),
    ),
    Mutant(
        removes="the audit of a second capture at the provider",
        promise="I4",
        file=PAYMENTS,
        old="        if count > 1:\n",
        new="        if False:\n",
        killers=(
            "tests/integration/payments/test_reconciliation.py::test_stray_that_cannot_be_settled_now_is_settled_later",
        ),
    ),
    Mutant(
        removes="the database's own law of stock",
        promise="I1",
        file=STOCK_TABLES,
        old="constraint=models.CheckConstraint(condition=models.Q(('received', django",
        new="constraint=models.CheckConstraint(condition=models.Q(('received__gte', 0)) | models.Q(('received', django",
        killers=(f"{STOCK}/test_stock.py::test_database_itself_refuses_stock_that_breaks_its_law",),
    ),
    Mutant(
        removes="the database's refusal of stock below zero",
        promise="I1",
        file=STOCK_TABLES,
        old="models.Q(('available__gte', 0))",
        new="models.Q(('available__gte', -1000))",
        killers=(f"{STOCK}/test_stock.py::test_database_itself_refuses_stock_that_breaks_its_law",),
    ),
    Mutant(
        removes="the database's refusal to rewrite the ledger",
        promise="I1",
        file=STOCK_TABLES,
        old="        migrations.RunSQL(REFUSE_REWRITE, reverse_sql=ALLOW_REWRITE),\n",
        new="",
        killers=(f"{STOCK}/test_stock.py::test_ledger_can_only_be_appended_to",),
    ),
    Mutant(
        removes="the database's cap on refunds",
        promise="I4",
        file="payments/migrations/0001_initial.py",
        old="'captured_minor__gte', django.db.models.expressions.CombinedExpression(models.F('refunded_minor'), '+', models.F('refund_reserved_minor'))",
        new="'amount_minor__gte', 0",
        killers=("tests/integration/payments/test_refunds.py::test_database_itself_refuses_more_than_was_captured",),
    ),
    Mutant(
        removes="the database's one order per customer and key",
        promise="I7",
        file="orders/migrations/0001_initial.py",
        old="fields=('customer_id', 'idempotency_key'), name",
        new="fields=('customer_id', 'idempotency_key', 'number'), name",
        killers=("tests/integration/orders/test_keys.py::test_the_database_itself_refuses_a_second_order_for_one_key",),
    ),
)
