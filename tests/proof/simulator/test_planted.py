"""The simulator sees: each of these bugs is found by a few seeds, and the history that shows it can be made short."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections

from inventory.services import expiry
from orders.models import Order
from orders.sagas import engine
from orders.sagas import entry as saga_entry
from orders.sagas.checkout import CHECKOUT, SAGAS
from payments.events import PaymentVoided
from payments.gateways import PaymentUnknown
from payments.models import Payment, Refund
from payments.services import authorize, refund
from payments.services.recording import change
from shipping import api as shipping
from shipping.models import Shipment
from shipping.services import holds
from shop import states, transactions
from shop.events import inbox
from shop.personal import erasure, guests
from shop.personal.keepers import erase_orders
from shop.rest import idempotency
from tests.proof.crashes.test_planted import published_before_it_is_sent
from tests.proof.report import EXTENT, Record, drawn, sized
from tests.proof.simulator.history import Simulator, Told
from tests.proof.simulator.shrinking import shrink

Plant = Callable[[pytest.MonkeyPatch], None]
MOST_SEEDS = 150
# The package names the functions, which are called as their modules are.
advancing = importlib.import_module("orders.services.advance_order")
canceling = importlib.import_module("orders.services.cancel_order")
placing = importlib.import_module("orders.services.place_order")


def orders_move_from_any_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(model: Any, pk: Any, *, expected: Any, event: Any, **values: Any) -> int | None:
        present = model._default_manager.values_list("status", flat=True).get(pk=pk)
        return states.change_status(model, pk, expected={present}, event=event, **values)

    monkeypatch.setattr(states.Transitions, "check", lambda *_args: None)
    advance = advancing._ADVANCE_ORDER

    class Blind:
        @staticmethod
        def one(*, order_id: Any, **more: Any) -> Any:
            present = Order.objects.values_list("status", flat=True).get(pk=order_id)
            return advance.one(**{**more, "order_id": order_id, "expected": [present]})

    for module in (advancing, canceling):
        monkeypatch.setattr(module, "change_status", blind)
    monkeypatch.setattr(advancing, "_ADVANCE_ORDER", Blind)


def events_are_applied_each_time_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = inbox._claim
    monkeypatch.setattr(inbox, "_claim", lambda *args, **more: claim(*args, **more) or True)


def stock_is_released_before_the_payment_is_fenced(monkeypatch: pytest.MonkeyPatch) -> None:
    def unwind(walk: Any) -> None:
        for step in walk.saga.steps:
            if step.undo is not None:
                walk.take(step.undo, undo=True)
        engine._move(walk, walk.saga.unwound, ends_saga=True)

    monkeypatch.setattr(engine, "_unwind", unwind)


def a_timeout_counts_as_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(payment: Payment, error: PaymentUnknown) -> None:
        if error.operation == "confirm":
            event = PaymentVoided(order_id=payment.order_id, reason="timeout")
            change(payment, expected=["SUBMITTED"], event=event, due_at=None)

    monkeypatch.setattr(authorize, "record_unanswered", give_up)


def reservations_expire_while_they_are_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    expire = expiry.release_expired_reservations

    def greedy(**limits: Any) -> int:
        with transactions.transaction("inventory"), connections[transactions.alias_for("inventory")].cursor() as cursor:
            cursor.execute(
                "UPDATE inventory_reservation SET status = 'HELD' WHERE status = 'PAYING' AND expires_at <= now()"
            )
        return expire(**limits)

    monkeypatch.setattr("inventory.api.release_expired_reservations", greedy)


def answers_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "_insert", lambda *_args: True)


def refunds_have_no_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    def set_aside(payment: Payment, wanted: Any) -> None:
        Payment.objects.filter(pk=payment.pk).update(refund_reserved_minor=payment.refund_reserved_minor + wanted.minor)

    monkeypatch.setattr(refund, "_set_aside", set_aside)


def a_canceled_parcel_leaves_no_tombstone(monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = shipping.cancel_shipment

    def only_what_is_there(*, order_id: Any, reason: str) -> Any:
        if Shipment.objects.filter(order_id=order_id).exists():
            return cancel(order_id=order_id, reason=reason)
        return None

    monkeypatch.setattr(shipping, "cancel_shipment", only_what_is_there)


def money_is_taken_before_the_stock_is_sold(monkeypatch: pytest.MonkeyPatch) -> None:
    reserve, authorizes, commit, capture = CHECKOUT.steps
    hasty = (reserve, authorizes, replace(capture, then=None), replace(commit, then=capture.then))
    monkeypatch.setattr(saga_entry, "SAGAS", (replace(CHECKOUT, steps=hasty), *SAGAS[1:]))


def a_refund_is_made_anew_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refund, "_find", lambda *_args: None)
    numbers = iter(range(10**9))
    monkeypatch.setattr(Refund, "key", lambda self: f"{self.pk}:{next(numbers)}")


def refunds_go_out_while_a_chargeback_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refund, "refuse_disputed", lambda _payment: None)


def a_lost_dispute_holds_no_parcel(monkeypatch: pytest.MonkeyPatch) -> None:
    hold = holds.hold_parcel

    def while_it_is_open(*, for_staff: bool = False, **dispute: Any) -> None:
        if for_staff:
            holds.release_parcel(**dispute)
        else:
            hold(**dispute)

    monkeypatch.setattr(holds, "hold_parcel", while_it_is_open)


def a_person_is_erased_before_all_have_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "waiting_among", lambda _order_ids: {})


def an_erasure_leaves_the_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "erase_orders", lambda order_ids, whole: erase_orders(order_ids, whole=False))


def _after_a_use_is_held(monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    """Have a statement follow in the transaction that has held an order's codes; it may name `order_id` and `code_ids`."""
    hold = placing._HOLD_CODES

    class Followed:
        @staticmethod
        def run(**values: Any) -> Any:
            rows = hold.run(**values)
            with connections[transactions.alias_for("orders")].cursor() as cursor:
                cursor.execute(sql, values)
            return rows

    monkeypatch.setattr(placing, "_HOLD_CODES", Followed)


def a_code_is_not_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    _after_a_use_is_held(monkeypatch, "UPDATE orders_order SET has_codes = false WHERE id = %(order_id)s")


def a_code_is_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    more = "UPDATE orders_discountcode SET held = held + 1 WHERE id = ANY(%(code_ids)s) AND max_uses IS NULL"
    _after_a_use_is_held(monkeypatch, more)


def an_order_is_priced_without_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    price = placing.price_order
    monkeypatch.setattr(placing, "price_order", lambda **wanted: price(**(wanted | {"codes": ()})))


def an_order_costs_what_it_costs_now_whatever_was_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "_judge_total", lambda *_args: None)


def a_guest_whose_orders_are_taken_along_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guests, "books", list)


# Each with a seed from which on it is found soon. Any seed would do: a generator that has changed only takes longer.
PLANTS: dict[Plant, int] = {
    answers_are_not_kept: 1,
    published_before_it_is_sent: 2,
    stock_is_released_before_the_payment_is_fenced: 26,
    a_timeout_counts_as_a_failure: 76,
    money_is_taken_before_the_stock_is_sold: 12,
    refunds_have_no_cap: 56,
    a_canceled_parcel_leaves_no_tombstone: 3,
    reservations_expire_while_they_are_paid: 264,
    events_are_applied_each_time_they_come: 317,
    orders_move_from_any_status: 9,
    a_refund_is_made_anew_each_time: 50,
    refunds_go_out_while_a_chargeback_is_open: 70,
    a_lost_dispute_holds_no_parcel: 1,
    a_person_is_erased_before_all_have_heard: 1,
    an_erasure_leaves_the_tokens: 1,
    a_code_is_not_given_back: 2,
    a_code_is_counted_twice: 75,
    an_order_is_priced_without_its_code: 2,
    an_order_costs_what_it_costs_now_whatever_was_quoted: 2,
    a_guest_whose_orders_are_taken_along_keeps_them: 21,
}


def first_broken(simulator: Simulator, seed: int) -> Told | None:
    """Tell histories from this seed on until one is broken."""
    for number in range(MOST_SEEDS):
        told = simulator.tell(seed + number)
        if told.violations:
            return told
    return None


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "plant",
    sized(slice=list(PLANTS)[:2], short=drawn(list(PLANTS), one_in=4, of="plants"), full=PLANTS),
    ids=lambda plant: plant.__name__,
)
def test_a_planted_bug_is_found(plant: Plant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, proof: Record):
    seed = PLANTS[plant]
    if EXTENT != "slice":
        assert simulator.tell(seed).violations == (), "this seed is broken already"
    plant(monkeypatch)

    found = first_broken(simulator, seed)

    proof("simulated: planted bug found", histories=1, violations=[] if found else [f"{plant.__name__} was not found"])
    assert found, f"{plant.__name__} was not found in {MOST_SEEDS} histories"


@pytest.mark.timeout(900)
@pytest.mark.skipif(EXTENT == "slice", reason="tells many histories")
def test_a_broken_history_is_made_short(simulator: Simulator, monkeypatch: pytest.MonkeyPatch):
    answers_are_not_kept(monkeypatch)
    found = first_broken(simulator, PLANTS[answers_are_not_kept])
    assert found

    short = shrink(simulator, found)

    assert len(short.script) < len(found.script)
    assert short.violations[0][:3] == found.violations[0][:3]
