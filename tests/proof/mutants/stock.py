"""Mutants of inventory: stock that is oversold, leaked, freed too early, or moved past the ledger."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

RESERVATIONS = "inventory/services/reservations.py"
EXPIRY = "inventory/services/expiry.py"
RESERVE = "inventory/sql/reserve_stock.sql"
MOVE = "inventory/sql/move_reservations.sql"
REFUSE = "inventory/sql/refuse_shortage.sql"
TOGETHER = "inventory/services/together.py"
LOCKED = "inventory/services/locked_stock.py"
COALESCING = "shop/coalescing.py"
BATCHES = "tests/unit/shop/test_coalescing.py"
TESTS = "tests/integration/inventory"
FEW_WAIT = (
    f"{TESTS}/test_contention.py::"
    "test_few_orders_wait_for_a_locked_product_outside_of_the_batches_and_further_ones_are_told_at_once"
)
SWEEP_OF_FREE = (
    f"{TESTS}/test_expiry.py::"
    "test_sweep_expires_the_holds_of_free_products_while_another_is_locked_and_that_ones_afterwards"
)
BUYER_FREES = (
    f"{TESTS}/test_expiry.py::"
    "test_buyer_gets_the_stock_of_free_expired_holds_and_waits_for_that_of_a_locked_one_holding_nothing"
)
MOVE_WAITS = (
    f"{TESTS}/test_contention.py::test_who_moves_an_order_of_a_locked_product_waits_and_holds_none_that_comes_before_it"
)
USE_CASES = f"{TESTS}/test_transitions.py::test_every_use_case_in_every_status_does_what_the_table_says"
MODEL = "tests/proof/model/test_tables.py::test_reservations_move_as_the_model_does"

MUTANTS = (
    Mutant(
        removes="the end of a product's time where many ask at once",
        promise="I1",
        file="inventory/services/ledger.py",
        old="p.active AND tstzrange(p.active_from, p.active_to) @> now(), s.available",
        new="p.active, s.available",
        killers=(
            f"{TESTS}/test_contention.py::test_batch_serves_whole_orders_first_come_first_served_and_no_neighbour_suffers",
        ),
    ),
    Mutant(
        removes="the question which units an import has received already",
        promise="I1",
        file="inventory/services/import_products.py",
        old="missing = [unit for unit in units if unit.sku not in known]",
        new="missing = list(units)",
        killers=(f"{TESTS}/test_import.py::test_the_same_units_arrive_once_by_two_imports_at_the_same_moment",),
    ),
    Mutant(
        removes="the end of the time in which a product is sold",
        promise="I1",
        file="inventory/sql/reserve_stock.sql",
        old="p.active AND tstzrange(p.active_from, p.active_to) @> now() AS active",
        new="p.active",
        killers=(
            "tests/integration/inventory/test_products.py::test_outside_of_its_time_a_product_is_not_for_sale_anywhere",
        ),
    ),
    Mutant(
        removes="the piece that brings the stock down to its threshold",
        promise="I8",
        file="inventory/sql/reserve_stock.sql",
        old="moved.available <= %(threshold)s::bigint",
        new="moved.available < %(threshold)s::bigint",
        killers=("tests/integration/inventory/test_stock.py::test_low_stock_is_told_once_per_crossing",),
    ),
    Mutant(
        removes="the question whether stock suffices",
        promise="I1",
        file=RESERVE,
        old="bool_and(active AND available >= wanted)",
        new="bool_and(active)",
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
        file=RESERVE,
        old="ORDER BY s.sku FOR UPDATE OF s",
        new="ORDER BY s.available FOR UPDATE OF s",
        killers=(f"{TESTS}/test_contention.py::test_who_waits_for_a_product_holds_none_that_comes_after_it",),
    ),
    Mutant(
        removes="the sight of the newest stock by what is written",
        promise="I1",
        file=RESERVE,
        old="available = locked.available - total.quantity",
        new="available = s.available - total.quantity",
        killers=(f"{TESTS}/test_contention.py::test_stock_that_rises_while_its_buyer_waits_is_sold_at_once",),
    ),
    Mutant(
        removes="the lock of an order that who reserves for it takes first",
        promise="I10",
        file=RESERVE,
        old="SELECT count(pg_advisory_xact_lock(key)) AS locks",
        new="SELECT count(key) AS locks",
        killers=(
            f"{TESTS}/test_one_order.py::test_a_late_reserve_and_a_move_of_the_same_order_do_not_wait_for_each_other",
        ),
    ),
    Mutant(
        removes="the patience that ends a wait for stock",
        promise="I10",
        file=RESERVE,
        old="FROM wish, patience ORDER BY key",
        new="FROM wish ORDER BY key",
        killers=(
            f"{TESTS}/test_contention.py::test_wait_for_a_lock_ends_with_inventorys_patience_not_the_connections[alone-reserve]",
        ),
    ),
    Mutant(
        removes="the ledger's entry of a movement",
        promise="I1",
        file=RESERVE,
        old="0, 0, 0 FROM taken ORDER BY sku",
        new="0, 0, 0 FROM taken WHERE false ORDER BY sku",
        killers=(f"{TESTS}/test_stock.py::test_ledger_adds_up_to_the_stock",),
    ),
    Mutant(
        removes="the statuses that a reservation may move from",
        promise="I9",
        file=MOVE,
        old=" AND r.status = ANY(ARRAY(SELECT status FROM step))\n",
        new="\n",
        killers=(USE_CASES,),
    ),
    Mutant(
        removes="the expired holds that still keep what an order lacks",
        promise="I10",
        file=REFUSE,
        old=" AND NOT EXISTS (SELECT FROM expired)\n",
        new="\n",
        killers=(f"{TESTS}/test_expiry.py::test_buyer_gets_the_stock_of_an_expired_hold_without_any_sweep",),
    ),
    Mutant(
        removes="the rounds that free more expired holds than one takes",
        promise="I10",
        file=RESERVATIONS,
        old="        if patience.is_over():\n",
        new="        if verdict.expired or patience.is_over():\n",
        killers=(
            f"{TESTS}/test_expiry.py::test_buyer_is_not_refused_while_expired_holds_of_any_number_keep_the_stock",
        ),
    ),
    Mutant(
        removes="the hold's time before it may expire",
        promise="I2",
        file=EXPIRY,
        old="WHERE r.status = 'HELD' AND r.expires_at <= now()",
        new="WHERE r.status = 'HELD'",
        killers=(f"{TESTS}/test_expiry.py::test_sweep_frees_only_holds_whose_time_is_over",),
    ),
    Mutant(
        removes="the sweepers' skipping of what another one has locked",
        promise="I10",
        file=EXPIRY,
        old=" LIMIT %s FOR UPDATE OF r SKIP LOCKED",
        new=" LIMIT %s FOR UPDATE OF r",
        killers=(f"{TESTS}/test_expiry.py::test_sweep_passes_by_what_another_connection_works_on",),
    ),
    Mutant(
        removes="the expired holds of free products while another product is locked",
        promise="I10",
        file=EXPIRY,
        old="AND NOT (kept.skus && %s::text[])",
        new="AND (%s::text[] IS NOT NULL)",
        killers=(SWEEP_OF_FREE,),
    ),
    Mutant(
        removes="the brief end of a sweep's wait for a locked product",
        promise="I10",
        file=EXPIRY,
        old="store.move(store.EXPIRE, asked, patience=ledger.brief_patience())",
        new="store.move(store.EXPIRE, asked, patience=ledger.patience())",
        killers=(SWEEP_OF_FREE,),
    ),
    Mutant(
        removes="the memory of a turn of sweeps for what is locked",
        promise="I10",
        file="inventory/tasks.py",
        old="limit=SET, locked=locked)",
        new="limit=SET)",
        killers=(f"{TESTS}/test_expiry.py::test_turn_of_many_sets_waits_for_a_locked_product_once",),
    ),
    Mutant(
        removes="the holds of a product in demand from what a sweep leaves",
        promise="I10",
        file=LOCKED,
        old="for sku in locked[:MOST_TRIED] if _stays_locked(sku)}",
        new="for sku in locked[:MOST_TRIED]}",
        killers=(f"{TESTS}/test_expiry.py::test_holds_of_a_product_in_demand_are_not_left_with_those_of_a_locked_one",),
    ),
    Mutant(
        removes="the products that a move lets go of before it waits long for another",
        promise="I10",
        file=RESERVATIONS,
        old="        return _try_to_move(order_id, change, ledger.brief_patience())\n",
        new="        return _try_to_move(order_id, change, patience.left())\n",
        killers=(MOVE_WAITS,),
    ),
    Mutant(
        removes="the wait of a buyer for expired holds of a locked product, while nothing is locked",
        promise="I10",
        file=RESERVATIONS,
        old="            locked_stock.wait_until_free(locked, patience)\n            locked.clear()\n",
        new="            locked.clear()\n",
        killers=(BUYER_FREES,),
    ),
    Mutant(
        removes="the refusal to pay for a hold that is over",
        promise="I2",
        file="inventory/sql/begin_payment.sql",
        old=" AND r.expires_at > now()\n",
        new="\n",
        killers=(f"{USE_CASES}[alone-OVERDUE_HELD-begin-!EXPIRED]",),
    ),
    Mutant(
        removes="the tombstone of a release that comes before its reservation",
        promise="I2",
        file=RESERVATIONS,
        old="            done = store.bury(order_id)\n",
        new='            done = Kept(order_id, "RELEASED", None, ())\n',
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
        old="    if kept.lines and kept.lines != wish.event.lines:\n",
        new="    if False:\n",
        killers=(f"{TESTS}/test_transitions.py::test_other_lines_for_the_same_order_are_refused",),
    ),
    Mutant(
        removes="the look at what is on record before an order is refused",
        promise="I8",
        file=RESERVATIONS,
        old="        if verdict.known:\n",
        new="        if False:\n",
        killers=(f"{TESTS}/test_transitions.py::test_refusal_for_want_of_stock_stays_when_stock_arrives",),
    ),
    Mutant(
        removes="the closed door of a hold that nobody began to pay for",
        promise="I3",
        file=RESERVATIONS,
        old="        if kept.status == ReservationStatus.HELD:\n            raise ReservationClosed(",
        new="        if kept.status == ReservationStatus.HELD:\n            return kept.state()\n            raise ReservationClosed(",
        killers=(f"{USE_CASES}[alone-HELD-commit-!HELD]",),
    ),
    Mutant(
        removes="the agreement of the reservations' table with the checked model",
        promise="I9",
        file="inventory/models.py",
        old="        ReservationStatus.HELD: {ReservationStatus.PAYING, ",
        new="        ReservationStatus.HELD: {ReservationStatus.PAYING, ReservationStatus.COMMITTED, ",
        killers=(MODEL,),
    ),
    Mutant(
        removes="the neighbors of a wish whose product is locked",
        promise="I10",
        file=TOGETHER,
        old="_reserve_first_come(wishes, skip_locked=True)",
        new="_reserve_first_come(wishes, skip_locked=False)",
        killers=(
            f"{TESTS}/test_contention.py::test_batch_leaves_out_who_wants_a_locked_product_and_serves_the_neighbours",
        ),
    ),
    Mutant(
        removes="the brief end of a batch of commits that waits for a locked product",
        promise="I10",
        file=TOGETHER,
        old="store.move(store.COMMIT, asked, patience=ledger.brief_patience())\n    except InventoryBusy:\n        return {}\n",
        new="store.move(store.COMMIT, asked, patience=ledger.brief_patience())\n    except ArithmeticError:\n        return {}\n",
        killers=(f"{TESTS}/test_contention.py::test_batch_of_commits_ends_after_a_brief_wait_and_each_goes_alone",),
    ),
    Mutant(
        removes="the bound on orders that wait for one locked product",
        promise="I10",
        file=LOCKED,
        old="_waiting.get(sku, 0) >= MOST_WAITING",
        new="_waiting.get(sku, 0) >= 1000 * MOST_WAITING",
        killers=(FEW_WAIT,),
    ),
    Mutant(
        removes="the batches' distance from what is waited for already",
        promise="I10",
        file=RESERVATIONS,
        old="awaited = locked_stock.is_awaited([line.sku for line in wanted])",
        new="awaited = False",
        killers=(FEW_WAIT,),
    ),
    Mutant(
        removes="the products that an order lets go of before it waits long for another",
        promise="I10",
        file=LOCKED,
        old="            ledger.wait_for(sku, patience=patience.left())\n",
        new="            with ledger.unit_of_work() as cursor:\n                ledger.lock(cursor, sorted(skus))\n",
        killers=(f"{TESTS}/test_contention.py::test_who_waits_long_for_a_product_holds_none_that_comes_before_it",),
    ),
    Mutant(
        removes="the wholeness of an order in a batch",
        promise="I1",
        file=TOGETHER,
        old="if all(available.get(",
        new="if any(available.get(",
        killers=(
            f"{TESTS}/test_contention.py::test_batch_serves_whole_orders_first_come_first_served_and_no_neighbour_suffers",
        ),
    ),
    Mutant(
        removes="the turn of who came first in a batch",
        promise="I1",
        file=TOGETHER,
        old="    for wish in wishes:\n",
        new="    for wish in reversed(wishes):\n",
        killers=(
            f"{TESTS}/test_contention.py::test_batch_serves_whole_orders_first_come_first_served_and_no_neighbour_suffers",
        ),
    ),
    Mutant(
        removes="the neighbors of a wish that breaks its batch",
        promise="I10",
        file=COALESCING,
        old="        except Exception as error:",
        new="        except ArithmeticError as error:",
        killers=(f"{BATCHES}::test_wishes_of_a_batch_that_fails_each_go_alone",),
    ),
    Mutant(
        removes="the answer to those who wait for a thread that dies",
        promise="I10",
        file=COALESCING,
        old="            self.send_away()\n            connections.close_all()\n",
        new="            connections.close_all()\n",
        killers=(f"{BATCHES}::test_everybody_is_answered_when_the_thread_dies",),
    ),
    Mutant(
        removes="the second look of who queues as the thread ends",
        promise="I10",
        file=COALESCING,
        old="        if worker.ended:\n            # It",
        new="        if False:\n            # It",
        killers=(f"{BATCHES}::test_wish_that_comes_as_the_thread_ends_is_answered",),
    ),
    Mutant(
        removes="the one place of an order in a batch",
        promise="I1",
        file=COALESCING,
        old=".setdefault(call.batch.key(call.wish), call)",
        new=".setdefault((call.batch.key(call.wish), id(call)), call)",
        killers=(f"{BATCHES}::test_second_wish_of_a_key_is_not_in_the_batch_of_the_first",),
    ),
    Mutant(
        removes="the withdrawal of who has waited too long",
        promise="I10",
        file=COALESCING,
        old="                if not call.withdrawn:\n",
        new="                if True:\n",
        killers=(f"{BATCHES}::test_who_is_not_answered_in_time_is_told_and_is_not_served_later",),
    ),
    Mutant(
        removes="the bound of the queue",
        promise="edge",
        file=COALESCING,
        old="        if worker.queue.qsize() >= LONGEST_QUEUE:\n",
        new="        if worker.queue.qsize() < 0:\n",
        killers=(f"{BATCHES}::test_queue_is_bounded",),
    ),
    Mutant(
        removes="the new thread of a process that was forked",
        promise="I10",
        file=COALESCING,
        old="    _workers.clear()\n",
        new="",
        killers=(f"{BATCHES}::test_child_of_a_fork_has_a_thread_of_its_own",),
    ),
)
