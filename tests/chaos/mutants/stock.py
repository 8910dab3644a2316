"""Mutants of inventory: stock that is oversold, leaked, freed too early, or moved past the ledger."""

from __future__ import annotations

from tests.chaos.mutants.mutant import Mutant

RESERVATIONS = "inventory/services/reservations.py"
EXPIRY = "inventory/services/expiry.py"
LEDGER = "inventory/services/ledger.py"
TESTS = "tests/integration/inventory"
USE_CASES = f"{TESTS}/test_transitions.py::test_every_use_case_in_every_status_does_what_the_table_says"
MODEL = "tests/chaos/model/test_tables.py::test_reservations_move_as_the_model_does"

MUTANTS = (
    Mutant(
        removes="the question whether stock suffices",
        promise="I1",
        file="inventory/rules.py",
        old="for line in wanted if line.quantity > available[line.sku]",
        new="for line in wanted if line.quantity < 0",
        killers=(f"{TESTS}/test_transitions.py::test_an_order_is_kept_whole_or_not_at_all",),
    ),
    Mutant(
        removes="the sum over lines of one SKU",
        promise="I1",
        file="inventory/rules.py",
        old="total[line.sku] += checked_quantity(line.quantity)",
        new="total[line.sku] = checked_quantity(line.quantity)",
        killers=(f"{TESTS}/test_transitions.py::test_two_lines_of_the_same_sku_are_summed_and_never_oversold",),
    ),
    Mutant(
        removes="the order in which stock is locked",
        promise="I10",
        file=LEDGER,
        old="WHERE s.sku = ANY(%s) ORDER BY s.sku FOR UPDATE OF s",
        new="WHERE s.sku = ANY(%s) ORDER BY s.available FOR UPDATE OF s",
        killers=(f"{TESTS}/test_contention.py::test_who_waits_for_a_product_holds_none_that_comes_after_it",),
    ),
    Mutant(
        removes="the ledger's entry of a movement",
        promise="I1",
        file=LEDGER,
        old="%s * quantity, %s * quantity, %s * quantity FROM line ORDER BY sku)",
        new="%s * quantity, %s * quantity, %s * quantity FROM line WHERE false ORDER BY sku)",
        killers=(f"{TESTS}/test_stock.py::test_ledger_adds_up_to_the_stock",),
    ),
    Mutant(
        removes="the limit of expiry to HELD",
        promise="I2",
        file=EXPIRY,
        old="WHERE status = 'HELD' AND expires_at <= now()\"\n                \" ORDER BY expires_at LIMIT",
        new="WHERE status IN ('HELD', 'PAYING') AND expires_at <= now()\"\n                \" ORDER BY expires_at LIMIT",
        killers=(f"{TESTS}/test_expiry.py::test_sweep_frees_only_holds_whose_time_is_over",),
    ),
    Mutant(
        removes="the exemption of sold stock from expiry",
        promise="I2",
        file=EXPIRY,
        old="WHERE status = 'HELD' AND expires_at <= now()\"\n                \" ORDER BY expires_at LIMIT",
        new="WHERE status IN ('HELD', 'COMMITTED') AND expires_at <= now()\"\n                \" ORDER BY expires_at LIMIT",
        killers=(f"{TESTS}/test_expiry.py::test_confirmed_orders_stock_never_expires",),
    ),
    Mutant(
        removes="the hold's time before it may expire",
        promise="I2",
        file=EXPIRY,
        old="WHERE status = 'HELD' AND expires_at <= now()\"\n                \" ORDER BY expires_at LIMIT",
        new="WHERE status = 'HELD'\"\n                \" ORDER BY expires_at LIMIT",
        killers=(f"{TESTS}/test_expiry.py::test_sweep_frees_only_holds_whose_time_is_over",),
    ),
    Mutant(
        removes="the sweepers' skipping of what another one has locked",
        promise="I10",
        file=EXPIRY,
        old=" ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED",
        new=" ORDER BY expires_at LIMIT %s FOR UPDATE",
        killers=(f"{TESTS}/test_expiry.py::test_sweep_passes_by_what_another_connection_works_on",),
    ),
    Mutant(
        removes="the refusal to pay for a hold that is over",
        promise="I2",
        file=RESERVATIONS,
        old="    if kept.overdue:\n        lapsed",
        new="    if False:\n        lapsed",
        killers=(f"{USE_CASES}[OVERDUE_HELD-begin-!EXPIRED]",),
    ),
    Mutant(
        removes="the tombstone of a release that comes before its reservation",
        promise="I2",
        file=RESERVATIONS,
        old="        kept = _locked(cursor, order_id) or _buried(cursor, order_id)\n        if kept.status in (",
        new='        kept = _locked(cursor, order_id) or _Kept(order_id, "RELEASED", None, ())\n        if kept.status in (',
        killers=(f"{TESTS}/test_transitions.py::test_reservation_asked_for_late_finds_the_tombstone",),
    ),
    Mutant(
        removes="the closed door of a tombstone",
        promise="I2",
        file=RESERVATIONS,
        old="    if kept.status in TOMBSTONES:\n",
        new="    if kept.status in ():\n",
        killers=(f"{TESTS}/test_transitions.py::test_reservation_asked_for_late_finds_the_tombstone",),
    ),
    Mutant(
        removes="the comparison of an order's lines with what it has reserved",
        promise="I1",
        file=RESERVATIONS,
        old="    if kept.lines and kept.lines != wanted:\n",
        new="    if False:\n",
        killers=(f"{TESTS}/test_transitions.py::test_other_lines_for_the_same_order_are_refused",),
    ),
    Mutant(
        removes="the record of a refusal for want of stock",
        promise="I8",
        file=RESERVATIONS,
        old="    return _answer(_record_shortage(order_id, wanted, shortage))\n",
        new='    return _answer(_Kept(order_id, "SHORT", None, wanted, shortage=shortage))\n',
        killers=(f"{TESTS}/test_transitions.py::test_refusal_for_want_of_stock_stays_when_stock_arrives",),
    ),
    Mutant(
        removes="the step from HELD to PAYING before stock is sold",
        promise="I3",
        file=RESERVATIONS,
        old="        if kept.status == Status.PAYING:\n            kept = _move(\n                cursor, kept, Status.COMMITTED",
        new="        if True:\n            kept = _move(\n                cursor, kept, Status.COMMITTED",
        killers=(USE_CASES,),
    ),
    Mutant(
        removes="the agreement of the reservations' table with the checked model",
        promise="I9",
        file="inventory/models.py",
        old="        Status.HELD: {Status.PAYING, Status.EXPIRED, Status.RELEASED},\n",
        new="        Status.HELD: {Status.PAYING, Status.EXPIRED, Status.RELEASED, Status.COMMITTED},\n",
        killers=(MODEL,),
    ),
)
