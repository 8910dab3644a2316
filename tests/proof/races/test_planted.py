"""The matrix sees: each of these safeguards is taken away, and the cell that needs it goes wrong at one overlap."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.db.models import F, Q

from orders.models import Order, OrderStatus
from orders.sagas import entry as saga_entry
from orders.sagas import steps as saga_steps
from orders.sagas.checkout import SAGAS
from orders.sagas.engine import SagaStuck
from orders.services import personal
from payments.events import PaymentVoided
from payments.models import Payment, PaymentStatus
from payments.services import refund, void
from payments.services.recording import ASK_AGAIN, change
from shipping.services import stopping
from shop.events import inbox
from shop.events.event import Event
from shop.personal import erasure
from shop.rest import idempotency
from shop.states import StatusModel
from tests.proof.choosing import beginning_with
from tests.proof.races import stage as scenes
from tests.proof.races.matrix import BY_NAME, Cell, run
from tests.proof.races.overlap import Pair
from tests.proof.races.stage import Scene, Stage

Plant = Callable[[pytest.MonkeyPatch], None]
# The package names the functions, which are called as their modules are.
advancing = importlib.import_module("orders.services.advance_order")
canceling = importlib.import_module("orders.services.cancel_order")


def order_moved_whatever_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    change_status = advancing.change_status

    def blind(model: type[StatusModel], pk: Any, *, expected: Any, event: Event, **more: Any) -> Any:
        to = model.STATUS_AFTER[type(event)]
        sources = [status for status, targets in model.TRANSITIONS.items() if to in targets]
        rows: Any = model._default_manager
        now = rows.values_list("status", flat=True).get(pk=pk)
        if now not in sources:
            rows.filter(pk=pk).update(status=sources[0])
        return change_status(model, pk, expected=sources, event=event, **more)

    advance = advancing._ADVANCE_ORDER

    class Blind:
        @staticmethod
        def one(*, order_id: Any, expected: list[str], **more: Any) -> Any:
            Order.objects.filter(pk=order_id).exclude(status__in=expected).update(status=expected[0])
            return advance.one(order_id=order_id, expected=expected, **more)

    for module in (advancing, canceling):
        monkeypatch.setattr(module, "change_status", blind)
    monkeypatch.setattr(advancing, "_ADVANCE_ORDER", Blind)


def voided_before_the_bank_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(payment: Payment, reason: str) -> None:
        change(
            payment,
            expected=[PaymentStatus(payment.status)],
            event=PaymentVoided(order_id=payment.order_id, reason=reason),
            ask_after=ASK_AGAIN,
            void_reason=reason,
        )

    monkeypatch.setattr(void, "_cancel", hasty)


def no_tombstone_for_a_payment_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(void, "insert_first", lambda _payment, _event: True)


def refund_without_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    def whatever(payment: Payment, wanted: Any) -> None:
        Payment.objects.filter(pk=payment.pk).update(refund_reserved_minor=F("refund_reserved_minor") + wanted.minor)

    monkeypatch.setattr(refund, "_set_aside", whatever)


def answer_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "_insert", lambda *_args: True)


def event_applied_as_often_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = inbox._claim

    def always(context: str, subscriber: str, envelope: Any, *, counted: bool) -> bool:
        claim(context, subscriber, envelope, counted=counted)
        return True

    monkeypatch.setattr(inbox, "_claim", always)


def parcel_canceled_before_its_carrier_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "take_back", lambda _shipment: True)


def stock_released_with_the_payment_still_open(monkeypatch: pytest.MonkeyPatch) -> None:
    checkout, *others = SAGAS
    steps = [
        step if step.undo is None else replace(step, undo=_never if "authorize" in step.name else step.undo)
        for step in checkout.steps
    ]
    monkeypatch.setattr(saga_entry, "SAGAS", (replace(checkout, steps=tuple(steps)), *others))


def a_running_order_is_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "waiting_among", lambda _order_ids: {})
    monkeypatch.setattr(personal, "ENDED", tuple(OrderStatus))
    monkeypatch.setattr(personal, "_UNFINISHED", Q(pk__in=()))


def a_chargeback_stops_no_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saga_steps, "_wait_for_the_bank", lambda: SagaStuck("a human has to look"))


def _never(_order: Any) -> None:
    """Leave the payment as it is."""


@dataclass(frozen=True)
class Planted:
    """A bug, the overlap that shows it (at the last point of `first` whose name begins so), and what is seen."""

    plant: Plant
    scene: Scene
    first: str
    at: str
    second: str
    seen: str

    def point(self, points: Sequence[str]) -> Sequence[int]:
        return beginning_with(self.at)(points)[-1:]


CUSTOMER, STAFF = "cancel by customer", "cancel by staff"
PLANTED = (
    Planted(
        order_moved_whatever_its_status,
        scenes.authenticated,
        "complete",
        "after UPDATE payments_payment #1",
        CUSTOMER,
        "I9",
    ),
    Planted(
        voided_before_the_bank_is_asked,
        scenes.placed,
        "complete",
        "before stripe POST /v1/payment_intents/*/confirm",
        CUSTOMER,
        "no payment stood for",
    ),
    Planted(
        no_tombstone_for_a_payment_to_come,
        scenes.placed,
        "complete",
        "after INSERT inventory_reservation #1",
        STAFF,
        "money still held",
    ),
    Planted(
        refund_without_a_cap, scenes.confirmed, "refund", "after COMMIT", "refund", "refund failed: IntegrityError"
    ),
    Planted(
        answer_not_kept, scenes.placed, "complete", "after UPDATE orders_order", CUSTOMER, "complete was answered 201"
    ),
    Planted(
        event_applied_as_often_as_it_comes,
        scenes.refunded_in_part,
        "reconcile",
        "after COMMIT",
        "redelivery",
        "facts told twice",
    ),
    Planted(
        parcel_canceled_before_its_carrier_is_asked,
        scenes.collected,
        CUSTOMER,
        "before UPDATE orders_order",
        "refund",
        "bookings at the carrier",
    ),
    Planted(
        stock_released_with_the_payment_still_open,
        scenes.authenticated,
        CUSTOMER,
        "before UPDATE orders_order",
        "webhook",
        "money still held",
    ),
    Planted(
        a_running_order_is_erased,
        scenes.confirmed,
        "erase",
        "after COMMIT shop_erasure",
        "sweep",
        "the contact is kept",
    ),
    Planted(
        a_chargeback_stops_no_cancel,
        scenes.confirmed,
        CUSTOMER,
        "before stripe POST /v1/refunds",
        "dispute",
        "the refund saga is parked",
    ),
)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.plant.__name__)
def test_a_missing_safeguard_is_found(planted: Planted, stage: Stage, pair: Pair, monkeypatch: pytest.MonkeyPatch):
    cell = Cell(planted.scene, BY_NAME[planted.first], BY_NAME[planted.second])
    assert run(stage, pair, [cell], choose=planted.point).violations == []

    planted.plant(monkeypatch)
    races = run(stage, pair, [cell], choose=planted.point)

    assert races.overlaps == 1
    assert [wrong for wrong in races.violations if planted.seen in wrong], races.violations
