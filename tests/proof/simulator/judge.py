"""The judge: what must hold at every instant, cheaply; and once everything has come to rest, all of it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core import mail

from inventory.audit import stock_against_ledger, stock_against_reservations, stock_law
from inventory.models import RESERVATION_TRANSITIONS, Reservation
from local.carrier.models import SandboxBooking
from notifications.models import Email
from orders.events import OrderRefundIssued
from orders.models import Order, OrderStatus, Outbox, Saga
from orders.rules import ids_of_full_refunds
from payments.models import CHARGEBACKS, Payment, Refund
from payments.models import Outbox as PaymentsOutbox
from shipping.models import Hold, Shipment
from shop import audit
from shop.states import Transitions
from tests.proof.heard import unheard
from tests.proof.simulator.clients import Wish
from tests.proof.simulator.codes import left_with_the_guest, wrong_prices, wrong_uses
from tests.proof.simulator.disputed import wrongly_held
from tests.proof.simulator.persons import erased_too_early, left_of_the_erased

FREE = ("RELEASED", "EXPIRED", "SHORT", "RETURNED")
HOLDS_NOTHING = ("canceled", "requires_confirmation")
# No further money can come of it; while an order is being canceled it waits for its refund.
TAKEN = ("succeeded",)
PARCELS = {"shipping_shipment", "shipping_hold"}
CONTACTS = {"orders_contact"}
CODES = {"orders_order", "orders_codeuse", "orders_discountcode"}
DISPUTED = ("payment.dispute_opened", "payment.dispute_changed", "payment.dispute_closed")
STANDINGS = {"orders_order", "inventory_reservation", "payments_payment", "payments_refund"}
ENDS = {"DELIVERED", "CANCELED", "REFUNDED"}
PAYMENT_ENDS = {"CAPTURED", "PARTIALLY_REFUNDED", "REFUNDED", "VOIDED"}
CREATED, ACCEPTED, UNPROCESSABLE, TOO_MANY, BROKEN = 201, 202, 422, 429, 500
UNWOUND = ("CANCELING", "CANCELED")
GIVEN = ("PENDING", "SUCCEEDED")


class Judge:
    """Looks at one history as it goes."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self._seen: dict[tuple[str, Any], tuple[str, int]] = {}
        self._held_since: dict[Any, datetime] = {}
        self._reachable = {
            "order": _closure(Order.TRANSITIONS),
            "reservation": _closure(RESERVATION_TRANSITIONS),
            "payment": _closure(Payment.TRANSITIONS),
        }

    def look(self, *, money_moved: bool = False) -> None:
        """Judge this instant, as far as anything was written since the last, or `money_moved` at the provider."""
        for wrong in self._wrong_in(self._world.points.take_news() | (STANDINGS if money_moved else set())):
            self._world.violated(wrong)

    def _wrong_in(self, news: set[str]) -> Iterator[str]:
        if any(table.startswith("inventory_") for table in news):
            yield from self._stock()
        if news & STANDINGS:
            yield from self._standings()
        if news & CODES and self._world.has_codes:
            yield from wrong_uses(self._name)
        if news & PARCELS and self._world.bank.disputed:
            yield from self._asked_while_held()
        if news & CONTACTS:
            yield from erased_too_early(self._name)

    def holds(self) -> None:
        """Judge, once every dispute is over and heard of, which parcels are held."""
        for wrong in wrongly_held():
            self._world.violated(self._world.in_words(wrong))

    def _asked_while_held(self) -> Iterator[str]:
        """Find a parcel for which its carrier was asked after a hold of it had been seen."""
        held = set(Hold.objects.filter(released_at=None).values_list("order_id", flat=True))
        for order_id, asked_at in Shipment.objects.filter(order_id__in=held).values_list(
            "order_id", "carrier_asked_at"
        ):
            since = self._held_since.get(order_id)
            if since is not None and asked_at is not None and asked_at > since:
                yield f"the carrier was asked for the parcel of {self._name(order_id)} while it was held"
        self._held_since = {each: self._held_since.get(each, self._world.clock.moment) for each in held}

    def _stock(self) -> Iterator[str]:
        for check in (stock_law, stock_against_ledger, stock_against_reservations):
            yield from (f"{found.promise} {found.subject}: {found.detail}" for found in check())

    def _standings(self) -> Iterator[str]:
        orders = {row[0]: row[1:] for row in Order.objects.values_list("pk", "status", "version", "total_minor")}
        kept = {row[0]: row[1:] for row in Reservation.objects.values_list("pk", "status", "version")}
        payments = {row[0]: row[1:] for row in Payment.objects.values_list("pk", "status", "version", "captured_minor")}
        for kind, rows in (("order", orders), ("reservation", kept), ("payment", payments)):
            for pk, (status, version, *_more) in rows.items():
                yield from self._moved(kind, pk, status, version)
        yield from self._money({str(pk): row for pk, row in orders.items()}, kept)

    def _moved(self, kind: str, pk: Any, status: str, version: int) -> Iterator[str]:
        before, number = self._seen.get((kind, pk), (status, version))
        self._seen[kind, pk] = (status, version)
        if version < number or (version == number and status != before):
            yield f"I9 {kind} of {self._name(pk)}: {before} v{number} became {status} v{version}"
        elif status not in self._reachable[kind][before] | {before}:
            yield f"I9 {kind} of {self._name(pk)}: no way leads from {before} to {status}"

    def _money(self, orders: dict[str, Any], kept: dict[Any, Any]) -> Iterator[str]:
        lines: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for line in self._world.bank.ledger():
            lines[line["order_id"]].append(line)
        status_of = {str(pk): row[0] for pk, row in kept.items()}
        for order_id, intents in lines.items():
            status, _version, total = orders[order_id]
            captures, net = sum(each["captures"] for each in intents), sum(each["net"] for each in intents)
            captured = sum(each["captured"] for each in intents)
            reservation, name = status_of.get(order_id, ""), self._name(order_id)
            if captures > 1 or captured not in (0, total) or net < 0:
                yield f"I4 {name}: {captures} captures of {captured} for a total of {total}, {net} kept"
            if order_id in self._world.bank.reinstated:
                # An appeal brought money back, perhaps after the order's end: it is owed, and staff make good for it.
                continue
            if reservation in FREE and status != "REFUNDING":
                live = [
                    each["status"]
                    for each in intents
                    if each["status"] not in (*HOLDS_NOTHING, *(TAKEN if status == "CANCELING" else ()))
                    and each["net"] + each["held"]
                ]
                open_ = [
                    each["status"]
                    for each in intents
                    if each["status"] in ("requires_action", "requires_payment_method")
                ]
                if live or open_:
                    yield f"I2 {name}: its reservation is {reservation} while the provider has {(live + open_)[0]}"
            if net and reservation != "COMMITTED" and status not in ("CANCELING", "REFUNDING"):
                yield f"I3 {name}: {net} are taken while its reservation is {reservation}"

    def _name(self, order_id: Any) -> str:
        return str(self._world.name_of(order_id))

    # --- at rest --------------------------------------------------------------------------------------------------------
    def at_rest(self) -> None:
        """Judge the end."""
        for wrong in (*self._stock(), *self._standings()):
            self._world.violated(wrong)
        for found in audit.violations():
            # A zombie's booking may have left before it is taken back: then it is told to staff, which is all one can do.
            if self._world.excused_bookings and "given up, carrier_refused" in found.detail:
                continue
            self._world.violated(f"{found.promise} {self._world.in_words(found.subject)}: {found.detail}")
        for wrong in self._refunded_while_disputed():
            self._world.violated(wrong)
        for wrong in left_of_the_erased(self._world):
            self._world.violated(wrong)
        if self._world.has_codes:
            for wrong in (*wrong_uses(self._name), *wrong_prices(self._world), *left_with_the_guest(self._world)):
                self._world.violated(wrong)
        for wrong in (*unheard(), *self._ends(), *self._facts(), *self._answers(), *self._mails(), *self._parcels()):
            self._world.violated(wrong)

    def _ends(self) -> Iterator[str]:
        kept, held, given = Counter[str](), Counter[str](), Counter[str]()
        lost = {str(pk): minor for pk, minor in Payment.objects.values_list("pk", "lost_minor")}
        for line in self._world.bank.ledger():
            kept[line["order_id"]] += line["net"]
            held[line["order_id"]] += line["held"]
        for order_id, amount in Refund.objects.filter(status__in=GIVEN).values_list("payment_id", "amount_minor"):
            given[str(order_id)] += amount
        for order in Order.objects.all():
            pk, name = str(order.pk), self._name(order.pk)
            if order.status not in ENDS:
                yield f"I10 {name} is {order.status} in the end"
            owed = order.total_minor - given[pk] - lost.get(pk, 0) if order.status == OrderStatus.DELIVERED else 0
            if (kept[pk], held[pk]) != (owed, 0):
                yield f"I6 {name} is {order.status}: {kept[pk]} kept and {held[pk]} held, not {owed}"
        yield from self._left_open()

    def _left_open(self) -> Iterator[str]:
        for saga in Saga.objects.filter(finished_at=None):
            yield f"I10 the {saga.name} saga of {self._name(saga.order_id)} is open: {saga.last_error[-200:]}"
        for payment in Payment.objects.exclude(status__in=PAYMENT_ENDS):
            yield f"I10 the payment of {self._name(payment.pk)} is {payment.status} in the end"
        for refund in Refund.objects.filter(status="REQUESTED"):
            yield f"I10 a refund of {self._name(refund.payment_id)} is {refund.status} in the end"

    def _refunded_while_disputed(self) -> Iterator[str]:
        """Find a refund that we asked for while we knew of an open chargeback; facts stand in the order of their commits."""
        open_: defaultdict[str, set[str]] = defaultdict(set)
        facts = PaymentsOutbox.objects.filter(type__in=("refund.requested", *DISPUTED)).order_by("pk")
        for kind, told in facts.values_list("type", "payload"):
            order_id = told["order_id"]
            if kind == "refund.requested":
                if open_[order_id]:
                    yield f"I4 {self._name(order_id)}: a refund was asked for while a chargeback was open"
            elif told["status"] in CHARGEBACKS:
                open_[order_id].add(told["dispute_id"])
            else:
                open_[order_id].discard(told["dispute_id"])

    def _facts(self) -> Iterator[str]:
        told = Counter(
            Outbox.objects.filter(type=OrderRefundIssued.type).values_list("aggregate_id", "payload__refund_id")
        )
        for (order_id, _refund_id), times in told.items():
            if times > 1:
                yield f"I8 a refund of {self._name(order_id)} is told {times} times"

    def _answers(self) -> Iterator[str]:
        bodies: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for wish in self._world.people.wishes:
            if any(answer.status != UNPROCESSABLE and answer.status < BROKEN for answer in wish.answers):
                bodies[wish.who, wish.key].add(json.dumps(wish.body, sort_keys=True))
            yield from self._same_answers(wish)
            yield from self._last_answer(wish)
            for answer in wish.answers:
                if answer.status == BROKEN:
                    yield f"an answer of 500 to: {wish.words}"
                if wish.is_placing and answer.status == CREATED and answer.body["status"] == "CONFIRMED":
                    yield from self._was_confirmed(answer.body["id"], wish.words)
        for (who, key), several in bodies.items():
            if len(several) > 1:
                yield f"I7 {who}: two bodies were accepted under the key {key}"

    def _same_answers(self, wish: Wish) -> Iterator[str]:
        """Find where a final answer was not given again."""
        first = next((answer for answer in wish.answers if answer.is_final), None)
        if first is None:
            return
        for number, later in enumerate(wish.answers[: wish.forgotten_from]):
            if number <= wish.answers.index(first):
                continue
            if wish.answer_lost and (first.status != CREATED or later.status == CREATED):
                # What could not be kept is told anew, from what is true by then; what was made stays made.
                continue
            if later != first and later.status < BROKEN:
                yield f"I7 {wish.words}: was told {first}, then {later}"

    def _last_answer(self, wish: Wish) -> Iterator[str]:
        """Find who asks once more, when all is well again, and is still told to wait, or of another body under the key."""
        if not self._world.people.may_ask(wish.who):
            return
        last = wish.answers[-1]
        rivals = [other for other in self._world.people.wishes if (other.who, other.key) == (wish.who, wish.key)]
        if last.status in (ACCEPTED, TOO_MANY) or last.status >= BROKEN:
            yield f"I10 {wish.words}: is told {last} in the end"
        if last.status == UNPROCESSABLE and len(rivals) == 1:
            yield f"I7 {wish.words}: is told {last}, and nobody else has used its key"

    def _was_confirmed(self, order_id: str, words: str) -> Iterator[str]:
        order = Order.objects.filter(pk=order_id).first()
        if order is None or order.confirmed_at is None:
            yield f"{words}: told 201, and the order is {order and order.status}"

    def _mails(self) -> Iterator[str]:
        wanted: Counter[tuple[str, str]] = Counter()
        for order in Order.objects.all():
            name = self._name(order.pk)
            shipped = order.status in ("SHIPPED", "DELIVERED")
            for kind, due in (
                ("order_confirmed", order.confirmed_at is not None),
                ("order_shipped", shipped),
                ("order_canceled", order.status == OrderStatus.CANCELED),
                ("order_refunded", order.status == OrderStatus.REFUNDED),
            ):
                wanted[name, kind] += due
            # What the bank returned is told, and so is the refund in its place.
            facts = PaymentsOutbox.objects.filter(payload__order_id=str(order.pk))
            wanted[name, "refund_returned"] += facts.filter(type="refund.failed", payload__returned=True).count()
            wanted[name, "refund_issued"] += facts.filter(type="payment.refunded", payload__again=True).count()
            if order.status not in UNWOUND:
                again = facts.filter(type="payment.refunded", payload__again=True)
                others = {str(each) for each in ids_of_full_refunds(order.pk)} | set(
                    again.values_list("payload__refund_id", flat=True)
                )
                # By id: of an erased person's refund the reason is gone.
                in_part = Refund.objects.filter(payment_id=order.pk, status__in=GIVEN).exclude(pk__in=others)
                wanted[name, "refund_issued"] += in_part.count()
        queued = Counter((self._name(row[0]), row[1]) for row in Email.objects.values_list("order_id", "kind"))
        if +wanted != queued:
            yield f"mails: {dict(queued)} instead of {dict(+wanted)}"
        unsent = Email.objects.exclude(status="SENT").count()
        if unsent:
            yield f"mails: {unsent} are not sent"
        copies = Counter(each.extra_headers["Message-ID"] for each in mail.outbox)
        more = sum(copies.values()) - len(copies)
        if more > self._world.excused_mails:
            yield f"mails: {more} were sent twice, {self._world.excused_mails} times with an excuse"
        if len(copies) != sum(queued.values()):
            yield f"mails: {len(copies)} came of {sum(queued.values())} queued"

    def _parcels(self) -> Iterator[str]:
        ends = {row[0]: row[1] for row in Order.objects.values_list("pk", "status")}
        booked = Counter(SandboxBooking.objects.filter(voided_at=None).values_list("reference", flat=True))
        more = 0
        for shipment in Shipment.objects.all():
            live, name = booked.pop(shipment.pk, 0), self._name(shipment.order_id)
            status = ends[shipment.order_id]
            if shipment.status not in ("DELIVERED", "CANCELED") or (shipment.status == "DELIVERED") != (
                status == "DELIVERED"
            ):
                yield f"the parcel of {name} is {shipment.status} while the order is {status}"
            expected = 1 if shipment.status == "DELIVERED" else 0
            if live < expected:
                yield f"the parcel of {name} was never booked"
            more += live - expected
        if sum(booked.values()) or more > self._world.excused_bookings:
            yield f"parcels: {more} bookings too many, {self._world.excused_bookings} with an excuse"


def _closure(table: Transitions) -> dict[str, set[str]]:
    """Return which statuses can be reached from which."""
    reached = {status: set(table[status]) for status in table}
    changed = True
    while changed:
        changed = False
        for targets in reached.values():
            more = {further for target in targets for further in reached[target]} - targets
            targets.update(more)
            changed = changed or bool(more)
    return reached
