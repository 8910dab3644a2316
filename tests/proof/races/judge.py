"""What must hold once two have met and everything has come to rest, in whichever order they came."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core import mail

from local.carrier.models import SandboxBooking
from notifications.models import Email
from orders.models import Contact, Order, Outbox, Saga
from orders.rules import CancelReason
from payments.models import Refund, StrayIntent
from shop.models import Erasure
from shop.tasks import erase_persons
from tests.driver.ageing import let_all_be_heard
from tests.driver.orders import levels, pass_deadline
from tests.driver.tables import execute
from tests.proof.crashes.enumeration import settle, violations_at_rest
from tests.proof.heard import unheard
from tests.proof.races.overlap import Met
from tests.proof.races.stage import PART, Stage, Told

TOTAL = 1250
KEPT = {"CONFIRMED", "SHIPPED", "DELIVERED"}
UNDONE = {"CANCELED", "REFUNDED"}
CUSTOMER, STAFF, REFUNDER, DISPUTE = "cancel by customer", "cancel by staff", "refund", "dispute"
REASONS = {CUSTOMER: str(CancelReason.CUSTOMER_REQUEST), STAFF: str(CancelReason.STAFF_REQUEST)}


def wrongs(stage: Stage, actors: tuple[str, str], met: Met, *, lost_refunds: int, canceled_before: bool) -> list[str]:
    """Let everything come to rest and say what is not as it must be.

    `lost_refunds`: parts that staff were giving back before; `canceled_before`: the order was being canceled before.
    """
    outcomes = list(zip(actors, (met.first, met.second), strict=True))
    answers = [(name, outcome.answer) for name, outcome in outcomes if isinstance(outcome, Told)]
    found = [f"{name} failed: {outcome!r}" for name, outcome in outcomes if isinstance(outcome, Exception)]
    found += [wrong for name, answer in answers for wrong in _unclear(name, answer)]
    found += [
        f"the {saga.name} saga is parked: {saga.last_error[-300:]}" for saga in Saga.objects.exclude(parked_at=None)
    ]
    if DISPUTE in actors:
        settle()
        stage.have_disputes_won()
    order = _at_rest(stage, found)
    found += unheard()
    found += _books(stage, order, zombies="sweep" in actors)
    found += _refunds(outcomes, lost_refunds)
    found += _more_time(answers, order)
    found += [wrong for name, answer in answers for wrong in _broken_promises(name, answer, order.status)]
    if not canceled_before:
        found += _uncalled_for(answers, order)
    if stage.erased:
        # What was kept of answers is gone, and the account of the customer is closed.
        return found + list(_erased(order))
    found += _not_repeated([(name, outcome) for name, outcome in outcomes if isinstance(outcome, Told)])
    return found


def _erased(order: Order) -> Iterator[str]:
    """Let the time pass after which all have heard, and hold what is left of the customer against the order's status."""
    let_all_be_heard()
    for _look in range(3):
        execute("shop", "UPDATE shop_erasure SET asked_at = asked_at - interval '1 hour'")
        execute("shop", "UPDATE shop_erasure SET due_at = now() WHERE due_at IS NOT NULL")
        erase_persons()
    ended = order.status in UNDONE | {"DELIVERED"}
    facts = {
        "the contact is kept": (Contact.objects.filter(order=order, erased_at=None).exists(), not ended),
        "the erasure is open": (Erasure.objects.filter(finished_at=None).exists(), not ended),
    }
    for fact, (is_, must) in facts.items():
        if is_ != must:
            yield f"{order.status}, erased: {fact}: {is_} instead of {must}"


def _at_rest(stage: Stage, found: list[str]) -> Order:
    settle()
    found += violations_at_rest()
    if Order.objects.filter(pk=stage.order_id, status="AWAITING_PAYMENT").exists():
        pass_deadline(stage.order_id)
        settle()
        found += violations_at_rest()
    return Order.objects.get(pk=stage.order_id)


def _unclear(name: str, answer: Any) -> Iterator[str]:
    """A client must be told what happened, or what to do: 503 is the answer only where it may ask again later."""
    told = f"{name} was answered {answer.status_code} {answer.content[:300].decode()}"
    if answer.status_code < 300:
        return
    if answer["Content-Type"] != "application/problem+json" or not answer.json().get("code"):
        yield f"{told}, which says nothing"
    elif answer.status_code >= 500 and not (answer.status_code == 503 and answer.has_header("Retry-After")):
        yield told


def _books(stage: Stage, order: Order, *, zombies: bool) -> Iterator[str]:
    """Hold money, stock, mails and parcels against the order's status. A zombie may send a mail a second time."""
    status = order.status
    refunds = Refund.objects.filter(status="SUCCEEDED")
    given_back = sum(refunds.values_list("amount_minor", flat=True))
    captures, net = stage.sandbox.money(order.pk)
    mails = Counter(Email.objects.values_list("kind", flat=True))
    bookings = SandboxBooking.objects.filter(voided_at=None).count()
    sent = [each.extra_headers["Message-ID"] for each in mail.outbox]
    told: dict[str, int] = {}
    if status != "CANCELED":
        by_hand = refunds.exclude(reason__in=REASONS.values()).count()
        told = {"order_confirmed": 1} | ({"refund_issued": by_hand} if by_hand else {})
    told |= {"SHIPPED": {"order_shipped": 1}, "DELIVERED": {"order_shipped": 1}}.get(status, {})
    told |= {"CANCELED": {"order_canceled": 1}, "REFUNDED": {"order_refunded": 1}}.get(status, {})
    kept = status in KEPT
    facts = {
        "the order": (status, status if status in KEPT | UNDONE else "at an end"),
        "money kept": (net, TOTAL - given_back if kept else 0),
        "captures": (captures, min(captures, 1) if status == "CANCELED" else 1),
        "money still held": (sum(line["held"] for line in stage.sandbox.ledger(order.pk)), 0),
        "stock": (levels(), (9, 0, 1) if kept else (10, 0, 0)),
        "mails": (dict(mails), told),
        "mails not sent": (Email.objects.exclude(status="SENT").count(), 0),
        "mails sent": (len(set(sent) if zombies else sent), sum(mails.values())),
        "bookings at the carrier": (bookings, 1 if kept else 0),
        "sagas still open": (Saga.objects.filter(finished_at=None).count(), 0),
        "facts told twice": (_told_twice(), []),
        "money that no payment stood for": (list(StrayIntent.objects.values_list("reason", flat=True)), []),
    }
    for fact, (is_, must) in facts.items():
        if is_ != must:
            yield f"{status}: {fact}: {is_} instead of {must}"


def _told_twice() -> list[str]:
    """Each fact of an order is one: what happens to it more than once says so in its payload."""
    told = Counter(f"{row.type} {json.dumps(row.payload, sort_keys=True)}" for row in Outbox.objects.all())
    return [fact for fact, times in told.items() if times > 1]


def _refunds(outcomes: list[tuple[str, Any]], lost: int) -> Iterator[str]:
    """What staff were told went back, and nothing else of theirs."""
    asked = [outcome for name, outcome in outcomes if name == REFUNDER]
    answers = [each for each in asked if isinstance(each, Told)]
    refunds = Refund.objects.filter(status="SUCCEEDED")
    by_cancel = sum(refunds.filter(reason__in=REASONS.values()).values_list("amount_minor", flat=True))
    by_hand = sum(refunds.exclude(reason__in=REASONS.values()).values_list("amount_minor", flat=True))
    if lost:
        promised, possible = PART, PART  # repeated with the key of the one that was lost
    else:
        promised = PART * sum(each.answer.status_code == 201 for each in answers)
        possible = promised + PART * sum(each.answer.status_code == 503 for each in answers)
        if "" in asked:  # all that was left, which after a cancel may be nothing
            promised = possible = TOTAL - by_cancel
    if not promised <= by_hand <= possible:
        yield f"staff were promised {promised} to {possible} back, and {by_hand} went back"


def _more_time(answers: list[tuple[str, Any]], order: Order) -> Iterator[str]:
    """One of those who asked for more time got it, and the order's facts say so."""
    given = sum(name == "more time" and answer.status_code == 200 for name, answer in answers)
    told = Outbox.objects.filter(aggregate_id=order.pk, type="order.hold_extended").count()
    if not given == told == (order.hold_extension is not None):
        yield f"{given} were given more time, and it was told {told} times"


def _broken_promises(name: str, answer: Any, status: str) -> Iterator[str]:
    body = answer.json()
    told = f"{name} was answered {answer.status_code} {body.get('status')} {body.get('code', '')}, it ended {status}"
    shown = body.get("status") if answer.status_code < 300 else ""
    if shown in {*UNDONE, "DELIVERED"} and status != shown:
        yield told
    if shown in KEPT and status == "CANCELED":
        yield told
    if name in REASONS:
        too_late = body.get("code") == "order_already_shipped"
        if answer.status_code == 200 and status not in UNDONE:
            yield told
        if answer.status_code == 202 and status == "CONFIRMED":
            yield told
        if (too_late or shown in {"SHIPPED", "DELIVERED"}) and (status in UNDONE or not too_late):
            yield told
    if name == "complete" and answer.status_code in (402, 409) and not _waits(body) and status != "CANCELED":
        yield told


def _uncalled_for(answers: list[tuple[str, Any]], order: Order) -> Iterator[str]:
    """Whoever was refused a cancel must not find it done."""
    if order.status not in UNDONE:
        return
    for name, reason in REASONS.items():
        codes = [answer.status_code for who, answer in answers if who == name]
        if order.cancel_reason == reason and not any(code in (200, 202, 503) for code in codes):
            yield f"it ended {order.status} by {reason}, and {name} was answered {codes}"


def _not_repeated(told: list[tuple[str, Told]]) -> Iterator[str]:
    """Whoever repeats a request with its key is told the same again, once the answer was final."""
    for name, outcome in told:
        if not _is_final(name, outcome.answer):
            continue
        again = outcome.again()
        if (again.status_code, again.content) != (outcome.answer.status_code, outcome.answer.content):
            first = f"{outcome.answer.status_code} {outcome.answer.content[:200].decode()}"
            yield f"{name} was answered {first}, then {again.status_code} {again.content[:200].decode()}"


def _waits(body: Any) -> bool:
    """Return whether a refusal leaves the order to another card: of the same customer, or the one that is tried now."""
    return body.get("code") == "order_not_payable" or "next_action" in body.get("facts", {})


def _is_final(name: str, answer: Any) -> bool:
    body = json.loads(answer.content)
    if _waits(body):
        return False
    if body.get("code") == "hold_not_extendable" and body["facts"]["status"] == "PENDING":
        return False
    if answer.status_code == 409:
        return bool(body["code"] != "order_being_confirmed")
    if answer.status_code == 201:
        return name == REFUNDER or body["status"] in {*KEPT, "REFUNDED"}
    return answer.status_code in (200, 402)
