"""Mutants of the audit, each blind to one promise, and of the database's own constraints, the last guard of some."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

KEPT_UNLISTED = (
    "tests/integration/orders/test_returned_refunds.py"
    "::test_the_audit_names_what_is_kept_and_in_no_list_not_what_staff_are_called_for"
)
OVERTAKEN = (
    "tests/integration/orders/disputes/test_disputed_orders.py"
    "::test_a_cancel_that_the_dispute_overtook_waits_for_the_bank_and_ends_with_it"
)
WON_AGAIN = (
    "tests/integration/orders/disputes/test_disputed_orders.py"
    "::test_a_canceled_unpaid_order_whose_money_was_taken_and_disputed_waits_for_the_bank"
)
ORDERS = "orders/audit.py"
LAWS = "orders/laws.py"
PLANTED = "tests/integration/audit/test_planted.py::test_each_corruption_is_named_and_nothing_else"
INVENTORY = "inventory/audit.py"
PAYMENTS = "payments/audit.py"
HISTORY = "shop/audit/statuses.py"
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
        old="    if reservation is None or reservation.status not in inventory.FREED:\n",
        new="    if reservation is None or True:\n",
        killers=(f"{TESTS}::test_i2_stock_that_is_free_while_its_payment_can_still_come",),
    ),
    Mutant(
        removes="the audit of money without committed stock",
        promise="I3",
        file=ORDERS,
        old="    if order is None or payment is None or payment.status == PaymentStatus.REFUNDED or not payment.kept_unlisted:\n",
        new="    if order is None or payment is None or True:\n",
        killers=(f"{TESTS}::test_i3_money_without_committed_stock",),
    ),
    Mutant(
        removes="the audit of captures against the order's total",
        promise="I4",
        file=ORDERS,
        old="    if payment.status != PaymentStatus.VOIDED and (payment.amount, payment.currency) != (order.total, order.currency):\n",
        new="    if False:\n",
        killers=(f"{TESTS}::test_i4_a_capture_that_is_not_the_total",),
    ),
    Mutant(
        removes="the audit of confirmed orders without their money",
        promise="I5",
        file=ORDERS,
        old="    if order is None or (order.status in PAID) == (committed and paid) or not _is_still(order):\n",
        new="    if order is None or True:\n",
        killers=(f"{TESTS}::test_i5_a_confirmed_order_without_its_money",),
    ),
    Mutant(
        removes="the audit of canceled orders that kept money",
        promise="I6",
        file=ORDERS,
        old="    if closed and not payment.kept_unlisted:\n",
        new="    if True:\n",
        killers=(f"{TESTS}::test_i6_a_canceled_order_that_kept_money",),
    ),
    Mutant(
        removes="the audit of money that is kept beyond what is listed as owed",
        promise="I6",
        file="payments/queries.py",
        old="        return max(0, self.kept - self.owed)\n",
        new="        return 0 if self.owed else self.kept\n",
        killers=(KEPT_UNLISTED,),
    ),
    Mutant(
        removes="what is listed as owed from what the audit excuses",
        promise="I6",
        file="payments/queries.py",
        old="        return max(0, self.kept - self.owed)\n",
        new="        return self.kept\n",
        killers=(KEPT_UNLISTED,),
    ),
    Mutant(
        removes="what an appeal brought back and is listed as owed from what I6 excuses",
        promise="I6",
        file=ORDERS,
        old=" or payment.lost or payment.settled or payment.owed\n",
        new=" or payment.lost or payment.settled\n",
        killers=(WON_AGAIN,),
    ),
    Mutant(
        removes="what an appeal brought back and is listed as owed from what I2 excuses",
        promise="I2",
        file=ORDERS,
        old="    if (payment.lost or payment.settled or payment.owed) and",
        new="    if (payment.lost or payment.settled) and",
        killers=(WON_AGAIN,),
    ),
    Mutant(
        removes="what an appeal brought back and is listed as owed from what I3 excuses",
        promise="I3",
        file=ORDERS,
        old="payment.status == PaymentStatus.REFUNDED or not payment.kept_unlisted:",
        new="payment.status == PaymentStatus.REFUNDED or not payment.kept:",
        killers=(WON_AGAIN,),
    ),
    Mutant(
        removes="the excuse for stock that is free while the money waits for its refund",
        promise="I2",
        file=ORDERS,
        old="    if order is not None and order.status == OrderStatus.CANCELING and payment.status in payments.PAID:\n",
        new="    if False:\n",
        killers=(WON_AGAIN,),
    ),
    Mutant(
        removes="the time that a saga may rest for a dispute",
        promise="I10",
        file=LAWS,
        old="CASE s.waiting_for WHEN 'dispute' THEN %(decided)s ELSE %(longest)s END",
        new="%(longest)s",
        killers=(OVERTAKEN,),
    ),
    Mutant(
        removes="the end of the time that a saga may rest for a dispute",
        promise="I10",
        file=LAWS,
        old='    "decided": timedelta(hours=7),\n',
        new='    "decided": timedelta(days=700),\n',
        killers=("tests/integration/audit/test_planted.py",),
    ),
    Mutant(
        removes="the dispute from what excuses a refund that takes long",
        promise="I10",
        file=LAWS,
        old=" AND s.waiting_for <> 'dispute'\"\n",
        new='"\n',
        killers=(OVERTAKEN,),
    ),
    Mutant(
        removes="the audit of two orders for one key",
        promise="I7",
        file=LAWS,
        old="  AND e.idempotency_key = o.idempotency_key AND e.id < o.id",
        new="  AND e.idempotency_key = o.idempotency_key AND e.id = o.id AND false",
        killers=(f"{TESTS}::test_i7_two_orders_for_one_key",),
    ),
    Mutant(
        removes="the audit of moves without their facts",
        promise="I8",
        file=HISTORY,
        old="        if row.has_its_facts:\n            return None\n",
        new="        if True:\n            return None\n",
        killers=("tests/integration/shop/test_history.py::test_two_facts_for_one_version_are_found",),
    ),
    Mutant(
        removes="the audit of moves that the table does not hold",
        promise="I9",
        file=HISTORY,
        old="if any(target not in self.model.TRANSITIONS.get(source, ()) for source, target in pairwise(row.whole_way)):",
        new="if False:",
        killers=(f"{TESTS}::test_i9_a_move_that_the_table_does_not_hold",),
    ),
    Mutant(
        removes="the audit of orders that nothing moves",
        promise="I10",
        file=LAWS,
        old='AND o.placed_at < now() - %(still)s"\n',
        new='AND o.placed_at < now() - %(still)s AND false"\n',
        killers=(f"{TESTS}::test_i10_an_order_that_nothing_moves",),
    ),
    Mutant(
        removes="the audit of the provider's book against ours",
        promise="I11",
        file=PAYMENTS,
        old='            if check := wanted.get("I11"):\n',
        new='            if check := wanted.get("I99"):\n',
        killers=(f"{TESTS}::test_i11_money_at_the_provider_that_is_not_in_our_books",),
    ),
    Mutant(
        removes="the way back through the two books",
        promise="I11",
        file="payments/services/missing.py",
        old="            if held.intent_id not in listed and (missing := _ask_if_missing(held.order_id)):\n",
        new="            if held.intent_id is None and (missing := _ask_if_missing(held.order_id)):\n",
        killers=(
            "tests/integration/payments/test_reconciliation.py::test_every_capture_of_an_empty_book_is_named_page_by_page",
        ),
    ),
    Mutant(
        removes="the audit of a second capture at the provider",
        promise="I4",
        file=PAYMENTS,
        old="            if count > 1:\n",
        new="            if False:\n",
        killers=(
            "tests/integration/payments/test_reconciliation.py::test_stray_that_cannot_be_settled_now_is_settled_later",
        ),
    ),
    Mutant(
        removes="the audit of what each reservation has moved",
        promise="I1",
        file="inventory/audit.py",
        old="  OR (w.available, w.reserved, w.sold) <> (l.available, l.reserved, l.sold) GROUP BY 1",
        new="  AND false GROUP BY 1",
        killers=(PLANTED,),
    ),
    Mutant(
        removes="the audit of totals against their lines",
        promise="I12",
        file="orders/laws.py",
        old='(l.total + coalesce(a.added, 0) IS DISTINCT FROM o.total_minor"\n        "  OR l.lines <> l.last',
        new="(l.lines <> l.last",
        killers=(PLANTED,),
    ),
    Mutant(
        removes="the audit of shares against their amounts",
        promise="I12",
        file="orders/laws.py",
        old="  OR a.amount_minor IS DISTINCT FROM (SELECT sum(share) FROM unnest(a.shares) AS share))",
        new=")",
        killers=(PLANTED,),
    ),
    Mutant(
        removes="the trigger that lets nobody change what an order was told",
        promise="I12",
        file="orders/migrations/0018_adjustments.py",
        old="CREATE TRIGGER refuse_adjustment_rewrite BEFORE UPDATE OR DELETE ON",
        new="CREATE TRIGGER refuse_adjustment_rewrite BEFORE INSERT ON",
        killers=("tests/integration/orders/test_adjustments.py::test_they_are_only_ever_added",),
    ),
    Mutant(
        removes="the shares of adjustments in a line's price",
        promise="I12",
        file="orders/pricing/priced.py",
        old="price.minor + sum(shares[line] for shares in added)",
        new="price.minor",
        killers=(
            "tests/integration/orders/test_adjustments.py::test_an_order_tells_each_adjustment_and_each_line_its_exact_price",
        ),
    ),
    Mutant(
        removes="the audit of rows whose order is gone",
        promise="I5",
        file="orders/audit.py",
        old="    if row.order is not None:\n        return None\n    parts",
        new="    if True:\n        return None\n    parts",
        killers=(PLANTED,),
    ),
    Mutant(
        removes="the audit of stock that an ended order keeps",
        promise="I10",
        file="orders/audit.py",
        old="    if order is None or reservation is None or reservation.status not in inventory.KEEPING:\n",
        new="    if order is None or reservation is None or True:\n",
        killers=(PLANTED,),
    ),
    Mutant(
        removes="the audit of leases in the far future",
        promise="I10",
        file="orders/laws.py",
        old="THEN %(decided)s ELSE %(longest)s END",
        new="THEN interval '99 years' ELSE interval '99 years' END",
        killers=(PLANTED,),
    ),
    Mutant(
        removes="the audit of parcels that were never made",
        promise="I8",
        file="shipping/audit.py",
        old="    if row.order is None or row.shipment is not None:\n",
        new="    if True:\n",
        killers=(PLANTED,),
    ),
    Mutant(
        removes="the audit of customers who were not told",
        promise="I8",
        file="notifications/audit.py",
        old="        if cause in row.emails:\n            continue\n",
        new="        if True:\n            continue\n",
        killers=(PLANTED,),
    ),
    Mutant(
        removes="the audit of facts that are heard and were never told",
        promise="I8",
        file="shop/audit/bus.py",
        old="    return [event_id for event_id in missing if (event_id,) not in {*past}]\n",
        new="    return []\n",
        killers=(PLANTED,),
    ),
    Mutant(
        removes="the audit of payments that nobody asks about",
        promise="I10",
        file="payments/audit.py",
        old="OR p.status IN {_UNANSWERED} AND p.due_at IS NULL",
        new="OR false",
        killers=(PLANTED,),
    ),
    Mutant(
        removes="the difference between a violation and what could not be asked",
        promise="edge",
        file="shop/audit/__init__.py",
        old="    except (Fault, OperationalError, InterfaceError) as error:\n        yield from",
        new="    except (ZeroDivisionError, InterfaceError) as error:\n        yield from",
        killers=("tests/integration/payments/test_reconciliation.py::test_audit_names_what_it_could_not_check",),
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
        # What 0001 caps is capped by this one as well.
        file="payments/migrations/0003_what_is_owed.py",
        old="models.F('refund_reserved_minor')), '+', models.F('settled_minor'))",
        new="models.F('refund_reserved_minor')), '-', models.F('amount_minor'))",
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
